"""Paths of recordings: expansion of folders and patterns, names of new files, file modes."""

import glob
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tapehead.errors import RecordingError, UsageError

COMPRESSED_SUFFIX = ".zst"


def new_recording(directory: Path) -> Path:
    """Return the path of a new recording in `directory`, named by the UTC time."""
    return directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"


def compressed(path: Path) -> Path:
    """Return the path of a recording if it is compressed."""
    return path if path.suffix == COMPRESSED_SUFFIX else path.with_name(path.name + COMPRESSED_SUFFIX)


def private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file, with mode 0600 if it is new, since recordings may identify people; an opener for `open`."""
    return os.open(path, flags, 0o600)


# The name of stdin where a recording is named.
STDIN = Path("-")

# Names of recordings, plain and compressed.
PATTERNS = ("*.jsonl", "*.jsonl.zst")


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Check that no output would overwrite an input.

    Raises:
        UsageError: an output is an input.
    """
    read = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in read:
            raise UsageError(f"{path} is an input and would be overwritten; name another file")


def name_of(path: Path) -> str:
    """Return the name of a recording in messages."""
    return "stdin" if path == STDIN else str(path)


def unreadable(path: Path, error: OSError, pattern: str = "*.jsonl") -> RecordingError:
    """Return the error of a file that cannot be read; `pattern` matches files of its kind."""
    match error:
        case FileNotFoundError() if glob.has_magic(str(path)):
            return RecordingError(f"no file matches {path}")
        case FileNotFoundError():
            return RecordingError(f"there is no file {path}")
        case IsADirectoryError():
            return RecordingError(f"{path} is a directory; name the files in it, such as {path}/{pattern}")
    return RecordingError(f"cannot read {name_of(path)}: {error.strerror}")


class InputFile(NamedTuple):
    """A recording to be read, and whether it was named itself instead of a folder or a pattern that it is in."""

    path: Path
    named: bool


def find_inputs(paths: Iterable[str | Path], warn: Callable[[str], None] | None = None) -> list[InputFile]:
    """Return the recordings that files, folders and shell-style patterns stand for, each once, in the order given.

    A folder stands for the recordings in it and in the folders in it, by name. A path that exists is no pattern.

    Args:
        paths: the files, folders and patterns; `-` for stdin.
        warn: called with one line about each folder without a recording.

    Raises:
        RecordingError: a folder that was named holds no recording, and there is no `warn`.
    """
    found: dict[Path, InputFile] = {}
    for given in map(Path, paths):
        exists = glob.glob(glob.escape(str(given)))  # noqa: PTH207 - Path.glob takes no absolute patterns
        matches = exists or sorted(glob.glob(str(given), recursive=True))  # noqa: PTH207
        for path in map(Path, matches or [str(given)]):
            inside = find_recordings(path) if os.path.isdir(path) else [path]  # noqa: PTH112 - Path.is_dir may raise
            if not inside:
                problem = f"there is no recording ({', '.join(PATTERNS)}) in {path}"
                if warn:
                    warn(problem)
                elif path == given:
                    raise RecordingError(problem)
            for file in inside:
                key = file if file == STDIN else file.resolve()
                earlier = found.get(key, InputFile(file, named=False))
                found[key] = InputFile(earlier.path, earlier.named or file == given)
    return list(found.values())


def find_recordings(folder: Path) -> list[Path]:
    """Return the recordings in a folder and its subfolders, by name: a full one before the one that came after it."""
    return sorted({path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()})
