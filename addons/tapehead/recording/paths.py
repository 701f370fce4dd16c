"""Paths of recordings: expansion of folders and patterns, names of new files, file modes."""

import glob
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tapehead.errors import RecordingError, UsageError
from tapehead.files import check_folders
from tapehead.recording.input_match import InputMatch
from tapehead.recording.other_formats import OtherFormats
from tapehead.remote.journal_paths import path_of_url
from tapehead.remote.url_paths import UrlPath
from tapehead.remote.urls import is_url, restore_url
from tapehead.text import count_of

COMPRESSED_SUFFIX = ".zst"
# Of files that are read, but not written: gzip cannot be read up to a crash as zstd's blocks can.
GZIP_SUFFIX = ".gz"


def new_recording(directory: Path) -> Path:
    """Return the path of a new recording in `directory`, named by the UTC time."""
    return directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"


def compressed(path: Path) -> Path:
    """Return the path of a recording if it is compressed."""
    return path if path.suffix == COMPRESSED_SUFFIX else path.with_name(path.name + COMPRESSED_SUFFIX)


# The name of stdin where a recording is named.
STDIN = Path("-")

# Names of recordings, plain and compressed.
PATTERNS = ("*.jsonl", "*.jsonl.zst", "*.jsonl.gz")
# Other files in folders that are named.
MOST_NAMED = 5
# Names of saved traffic: where such a file is not read, it is named before others; it has no lines, but entries.
TRAFFIC_SUFFIXES = {"har", "flow", "flows", "zip"}


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Check that no output would overwrite an input, or ask for more than one new folder, before any work is done.

    Raises:
        UsageError: it would.
    """
    read = {file_of(path) for path in inputs}
    for path in outputs:
        if file_of(path) in read:
            raise UsageError(f"'{path}' is an input and would be overwritten; name another file")
        try:
            check_folders(path.parent)
        except OSError as error:
            raise UsageError(f"cannot write '{path}': {error.strerror}") from error


def file_of(path: Path) -> Path | tuple[int, int]:
    """Return what is equal for all paths of a file, of which hard links resolve to different ones."""
    if not isinstance(path, UrlPath):  # which would be copied
        with suppress(OSError, ValueError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                return status.st_dev, status.st_ino
    return path.resolve()


def name_of(path: Path) -> str:
    """Return the name of a recording in messages."""
    return "stdin" if path == STDIN else str(path)


def quoted_names(paths: Iterable[Path]) -> str:
    """Return the names of recordings for the middle of a sentence, each in quotes."""
    return ", ".join(f"'{name_of(path)}'" for path in paths)


def unreadable(path: Path, error: OSError, pattern: str = "*.jsonl") -> RecordingError:
    """Return the error of a file that cannot be read; `pattern` matches files of its kind."""
    match error:
        case FileNotFoundError() if glob.has_magic(str(path)):
            return RecordingError(f"no file matches '{path}'")
        case FileNotFoundError():
            return RecordingError(f"there is no file '{path}'")
        case IsADirectoryError():
            return RecordingError(f"'{path}' is a directory; name the files in it, such as '{path}/{pattern}'")
    return RecordingError(f"cannot read '{name_of(path)}': {error.strerror}")


class InputFile(NamedTuple):
    """A recording to be read, and whether it was named itself instead of a folder or a pattern that it is in."""

    path: Path
    named: bool


class FoundInputs(NamedTuple):
    """The recordings that were found, and the other files in the folders that were named."""

    files: list[InputFile]
    ignored: list[Path]


def find_inputs(
    paths: Iterable[str | Path],
    warn: Callable[[str], None] | None = None,
    other: OtherFormats | None = None,
) -> FoundInputs:
    """Return the recordings that files, folders and shell-style patterns stand for, each once, in the order given.

    A folder stands for the recordings in it and in the folders in it, by name. A path that exists is no pattern. All of
    this holds for URLs of object storage, too, which is asked for what is there.

    Args:
        paths: the files, folders, patterns and URLs; `-` for stdin.
        warn: called with one line about each folder without a recording.
        other: recognises files of other formats in folders; None for recordings alone.

    Raises:
        RecordingError: a folder that was named holds no recording, and there is no `warn`.
        UsageError: a path is empty, a URL is malformed, or a library that it needs is missing.
    """
    found: dict[Path, InputFile] = {}
    ignored: dict[Path, None] = {}
    for named in paths:
        if not str(named):
            raise UsageError("the path of a recording is empty")
        given = input_path(named)
        for path, inside, left, is_folder in _matches(given, other):
            if is_folder:
                if inside or not (warn or path == given):
                    ignored |= dict.fromkeys(left)
                else:
                    kinds = f"recording ({', '.join(PATTERNS)}){f', {other.names}' if other else ''}"
                    left_line = ignored_line(left, other)
                    problem = f"there is no {kinds} in '{path}'{f'; {left_line}' if left_line else ''}"
                    if not warn:
                        raise RecordingError(problem)
                    warn(problem)
            for file in inside:
                key = file if file == STDIN else file.resolve()
                earlier = found.get(key, InputFile(file, named=False))
                found[key] = InputFile(earlier.path, earlier.named or file == given)
    return FoundInputs(list(found.values()), [path for path in ignored if path.resolve() not in found])


def input_path(named: str | Path) -> Path:
    """Return the path of recordings that are named: of an object or a journal, if it is a URL.

    Raises:
        UsageError: it is a URL that names neither a journal nor anything in object storage.
    """
    if isinstance(named, UrlPath):
        return named
    text = restore_url(str(named)) if isinstance(named, Path) else named  # of another scheme, it stays a URL
    return path_of_url(text) if is_url(text) else Path(named)


def _matches(given: Path, other: OtherFormats | None) -> Iterator[InputMatch]:
    """Yield what a path, a URL or a pattern stands for."""
    if isinstance(given, UrlPath):
        from tapehead.recording.url_inputs import expand_url  # which opens stores

        yield from expand_url(given, PATTERNS, other.recognises if other else lambda _path: False)
        return
    exists = glob.glob(glob.escape(str(given)))  # noqa: PTH207 - Path.glob takes no absolute patterns
    matches = exists or sorted(glob.glob(str(given), recursive=True))  # noqa: PTH207
    for path in map(Path, matches or [str(given)]):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir may raise
            yield InputMatch(path, *find_recordings(path, other), is_folder=True)
        else:
            yield InputMatch(path, [path], [])


def find_recordings(folder: Path, other: OtherFormats | None = None) -> tuple[list[Path], list[Path]]:
    """Return the recordings in a folder and its subfolders, and the other files there that are not hidden.

    They are sorted by name: a full recording before the one that came after it.
    """
    inside = {path for pattern in PATTERNS for path in folder.rglob(pattern) if path.is_file()}
    left: list[Path] = []
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path in inside or is_hidden or not path.is_file():
            continue
        if other and other.recognises(path):
            inside.add(path)
        else:
            left.append(path)
    return sorted(inside), left


def ignored_line(paths: Sequence[Path], other: OtherFormats | None = None) -> str:
    """Return a line on files in folders that are not read, saved traffic first; empty if there are none."""
    if not paths:
        return ""
    described = {path: other.describe_traffic(path) if other else None for path in paths}
    ordered = sorted(
        paths, key=lambda path: (described[path] is None, TRAFFIC_SUFFIXES.isdisjoint(path.name.lower().split(".")))
    )
    ordered = ordered[:MOST_NAMED]
    names = ", ".join(f"{path.name} ({described[path]})" if described[path] else path.name for path in ordered)
    more = len(paths) - MOST_NAMED
    return f"{count_of(len(paths), 'other file')} not read: {names}{f' and {more} more' if more > 0 else ''}"
