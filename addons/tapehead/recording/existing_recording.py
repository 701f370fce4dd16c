"""Recordings that are added to: whether they can be, and how many lines and exchanges they have."""

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry
from tapehead.recording.documents import is_appendable
from tapehead.recording.format_versions import BadLine, is_whole
from tapehead.recording.reader import CHUNK_BYTES, SAMPLE_LINES, file_chunks, read_chunks, stored_lines, unpacked
from tapehead.recording.unpacking import GZIP_MAGIC, StreamError
from tapehead.recording.zstd_frames import MAGIC

_LINE_START = b'{"tapehead"'


def check_recording(path: Path) -> None:
    """Check that a file can be added to.

    Raises:
        RecordingError: it is not a recording that this tapehead can add to.
    """
    sample = list(itertools.islice(read_chunks(path, file_chunks(path)), SAMPLE_LINES))
    if next(file_chunks(path), b"").startswith(GZIP_MAGIC):
        raise RecordingError(f"'{path}' is packed with gzip, so nothing can be added to it; name another file")
    start = b""
    with suppress(StreamError):
        start = next(filter(None, unpacked(file_chunks(path))), b"")
    if sample and not is_appendable(start):
        raise RecordingError(f"'{path}' is not JSON Lines in UTF-8, so nothing can be added to it; name another file")
    # A crash may have left nothing but the beginning of a line, which other JSON on one line does not have.
    is_torn = any(isinstance(item, BadLine) and item.torn for item in sample)
    is_begun = is_torn and any(begin.startswith(start[: len(begin)]) for begin in (_LINE_START, MAGIC))
    if sample and not is_begun and not any(isinstance(item, Entry) for item in sample):
        raise RecordingError(f"'{path}' is not a recording; name another file")


def count_exchanges(file: int, start: int, end: int) -> int:
    """Return the number of exchanges between two places of a file that is open; 0 if it is damaged."""
    with suppress(StreamError):
        return sum(map(is_whole, filter(None, _lines_between(file, start, end))))
    return 0


def count_lines(file: int, end: int) -> int:
    """Return the number of lines before a place of a file that is open, as far as they can be read."""
    count = 0
    with suppress(StreamError):
        for _ in _lines_between(file, 0, end):
            count += 1
    return count


def _lines_between(file: int, start: int, end: int) -> Iterator[bytes | None]:
    offsets = range(start, end, CHUNK_BYTES)
    return stored_lines(os.pread(file, min(CHUNK_BYTES, end - offset), offset) for offset in offsets)
