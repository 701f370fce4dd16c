"""Paths of recordings: which files are meant, what they are called, who may read them."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tapehead.errors import RecordingError, UsageError

COMPRESSED_SUFFIX = ".zst"


def new_recording(directory: Path) -> Path:
    """The name of a new recording in `directory`: the UTC time."""
    return directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"


def compressed(path: Path) -> Path:
    """The name of a recording if it is compressed."""
    return path if path.suffix == COMPRESSED_SUFFIX else path.with_name(path.name + COMPRESSED_SUFFIX)


def private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file, for its owner alone if it is new; an opener for `open`: what was recorded names people."""
    return os.open(path, flags, 0o600)


# What stands for stdin where a recording is named.
STDIN = Path("-")


# What recordings are called, plain and compressed.
PATTERNS = ("*.jsonl", "*.jsonl.zst")


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Make sure that nothing is written over what is read.

    Raises:
        UsageError: an output is an input.
    """
    read = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in read:
            raise UsageError(f"{path} is read, and would be written over; name another file")


def name_of(path: Path) -> str:
    """What a recording is called in messages."""
    return "stdin" if path == STDIN else str(path)


def unreadable(path: Path, error: OSError, pattern: str = "*.jsonl") -> RecordingError:
    """Why a file cannot be read; `pattern` is what files of its kind are called."""
    match error:
        case FileNotFoundError():
            return RecordingError(f"there is no file {path}")
        case IsADirectoryError():
            return RecordingError(f"{path} is a directory; name the files in it, such as {path}/{pattern}")
    return RecordingError(f"cannot read {name_of(path)}: {error.strerror}")


def find_recordings(folder: Path) -> list[Path]:
    """The recordings in a folder and the folders in it, by name: a full one before the one that came after it."""
    return sorted({path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()})
