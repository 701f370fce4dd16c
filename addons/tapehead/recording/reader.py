"""Recordings on disk, read back: plain or compressed, from a file or from stdin."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry
from tapehead.recording.format_versions import BadLine, NewerFormatError, read_lines
from tapehead.recording.paths import STDIN, name_of, unreadable
from tapehead.recording.zstd_frames import MAGIC

# What of a compressed recording is unpacked at once; a few bytes may become a hundred thousand.
PIECE_BYTES = 4096
# Lines of one file that are complained of one by one.
MOST_COMPLAINTS = 20
# Lines of a file that say whether it is a recording.
LINES_LOOKED_AT = 20


def read_recording(path: Path) -> Iterator[Entry | BadLine]:
    """The entries and the bad lines of the recording at `path`, in file order.

    Raises:
        RecordingError: there is no such file, it cannot be read, a later tapehead wrote it, or no line of it is an
            exchange.
    """
    exchanges = 0
    first_bad: BadLine | None = None
    for item in _read_file(path):
        exchanges += isinstance(item, Entry)
        if isinstance(item, BadLine):
            first_bad = first_bad or item
        yield item
    if not exchanges and first_bad:
        raise RecordingError(f"{name_of(path)} is no recording: line {first_bad.line}: {first_bad.reason}")
    if not exchanges:
        raise RecordingError(f"{name_of(path)} is empty: no exchange was recorded")


def check_recording(path: Path) -> None:
    """Look into a file that is to be written to.

    Raises:
        RecordingError: it is no recording that this tapehead can add to.
    """
    looked_at = list(itertools.islice(_read_file(path), LINES_LOOKED_AT))
    if looked_at and not any(isinstance(item, Entry) or item.torn for item in looked_at):
        raise RecordingError(f"{path} is no recording; name another file")


def read_entries(path: Path, warn: Callable[[str], None]) -> list[Entry]:
    """The entries of the recording at `path`; each line that is no exchange is complained of in one line.

    Raises:
        RecordingError: as `read_recording` does.
    """
    entries: list[Entry] = []
    bad: list[BadLine] = []
    for item in read_recording(path):
        if isinstance(item, Entry):
            entries.append(item)
        else:
            bad.append(item)
    for line in bad[:MOST_COMPLAINTS]:
        warn(f"{name_of(path)}:{line.line}: skipped, {line.reason}")
    if len(bad) > MOST_COMPLAINTS:
        warn(f"{name_of(path)}: skipped {len(bad) - MOST_COMPLAINTS} more lines that are no exchanges")
    return entries


def _read_file(path: Path) -> Iterator[Entry | BadLine]:
    number = 0
    try:
        with _open(path) as lines:
            for item in read_lines(lines):
                yield item
                number = item.line
    except zstandard.ZstdError as error:
        yield BadLine(number + 1, f"the file is damaged, and cannot be read from here on: {error}", False)
    except NewerFormatError as error:
        raise RecordingError(f"{name_of(path)}: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error


@contextmanager
def _open(path: Path) -> Iterator[Iterable[bytes]]:
    """A recording as its lines, unpacked if they are compressed."""
    if path == STDIN:
        yield _lines_of(sys.stdin.buffer)
        return
    with path.open("rb") as file:
        yield _lines_of(file)


def _lines_of(file: BinaryIO) -> Iterable[bytes]:
    start = file.read(len(MAGIC))
    if start == MAGIC:
        return _split(_unpack(file, start))
    first = start if start.endswith(b"\n") else start + file.readline()
    return itertools.chain(_split([first]), file)


def _unpack(file: BinaryIO, piece: bytes) -> Iterator[bytes]:
    """What frames of zstd hold, as far as they go: a crash may have left the last one unfinished."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    while piece:
        if decoder.eof:
            decoder = zstandard.ZstdDecompressor().decompressobj()
        yield decoder.decompress(piece)
        piece = decoder.unused_data or file.read(PIECE_BYTES)


def _split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in pieces that are cut anywhere."""
    rest: list[bytes] = []
    for piece in pieces:
        *lines, last = piece.split(b"\n")
        for line in lines:
            yield b"".join((*rest, line, b"\n"))
            rest.clear()
        if last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
