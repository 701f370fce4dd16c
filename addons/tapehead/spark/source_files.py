"""Recordings that executors read: plain files that all machines see at the same path, and URLs that Spark reads."""

import os
import socket
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.errors import RecordingError
from tapehead.recording.reader import file_chunks

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext

_PIECE_BYTES = 1024 * 1024
# Bytes of files that one task reads, unless there are more files.
_TASK_BYTES = 64_000_000

# A file, and its stored bytes.
Opened = tuple["SourceFile", Iterator[bytes]]


class SourceFile(NamedTuple):
    """A recording that executors read.

    Attributes:
        number: its number among the recordings.
        name: its name in messages and reports.
        location: where it is, on any machine: an absolute path, or a URL.
        is_url: whether Spark reads it.
        size: its bytes.
    """

    number: int
    name: str
    location: str
    is_url: bool
    size: int


def map_files[Made](
    context: "SparkContext", files: Sequence[SourceFile], function: Callable[[Opened], Iterable[Made]]
) -> "RDD[Made]":
    """Return what a function makes of files and their bytes, where they are read by executors."""
    plain, by_url = [file for file in files if not file.is_url], {file.location: file for file in files if file.is_url}
    made: list[RDD[Made]] = []
    if plain:
        tasks = max(context.defaultParallelism * 4, sum(file.size for file in plain) // _TASK_BYTES + 1)
        made.append(context.parallelize(plain, min(len(plain), tasks)).map(_open_plain).flatMap(function))
    if by_url:
        contents = context.binaryFiles(",".join(map(escape_pattern, by_url)), len(by_url))
        made.append(contents.map(partial(_open_url, by_url)).flatMap(function))
    return context.union(made) if len(made) > 1 else made[0]


def _open_plain(file: SourceFile) -> Opened:
    return file, _read_plain(file)


def _read_plain(file: SourceFile) -> Iterator[bytes]:
    """Yield the bytes of a file.

    Raises:
        RecordingError: it is not on this machine.
        OSError: it cannot be read.
    """
    if not os.path.exists(file.location):  # noqa: PTH110 - Path.exists may raise
        raise RecordingError(
            f"'{file.name}' is not on {socket.gethostname()}, where an executor runs; all machines of the cluster need"
            " the file at the same path, or pass a URL that Spark reads"
        )
    yield from file_chunks(Path(file.location))


def _open_url(files: dict[str, SourceFile], content: tuple[str, bytes]) -> Opened:
    url, whole = content
    return files[url], (whole[start : start + _PIECE_BYTES] for start in range(0, len(whole), _PIECE_BYTES))


def escape_pattern(url: str) -> str:
    """Return a URL as a pattern that matches it alone."""
    return "".join(f"\\{each}" if each in "\\{}[]*?," else each for each in url)


def pack(rows: Iterable[Any]) -> bytes:
    """Return plain objects as bytes."""
    import marshal

    return zlib.compress(marshal.dumps(list(rows)), 1)


def unpack(content: bytes) -> list[Any]:
    """Return the objects of which `pack` has made bytes."""
    import marshal

    listed: list[Any] = marshal.loads(zlib.decompress(content))  # noqa: S302 - from this audit's processes
    return listed
