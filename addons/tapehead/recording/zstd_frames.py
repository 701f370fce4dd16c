"""Detection of the intact part of a zstd stream that a crash cut short (RFC 8878, section 3.1.1).

A frame is a header and blocks; each block begins with three bytes that say whether it is the last, of what type it is,
and how long. The writer ends a block after every exchange, so a frame can lose its end and still be read up to there;
an empty last block ends it again.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

# The last block of a frame, raw, of no bytes.
END = b"\x01\x00\x00"
# A block within a frame, raw, of no bytes.
EMPTY_BLOCK = b"\x00\x00\x00"
MAGIC = b"\x28\xb5\x2f\xfd"

_MAX_HEADER = 18
_BLOCK_HEADER = 3
_RLE = 1
_CHECKSUM = 4
# Frames that hold nothing of the content: a magic number, a size of four bytes, and so many bytes.
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_SKIPPABLE_HEADER = 8

# Returns the bytes from an offset on, up to a number of bytes.
ReadAt = Callable[[int, int], bytes]


class Extent(NamedTuple):
    """The intact part of a stream: the end of its last whole block, and whether the frame there is unfinished."""

    end: int
    is_open: bool


class _Header(NamedTuple):
    size: int
    checksum: int
    tells_size: bool


def whole_extent(read_at: ReadAt) -> Extent:
    """Return the intact part of the stream that `read_at` reads.

    Raises:
        ValueError: there is something else where a frame should begin.
    """
    offset = 0
    while (header := parse_header(read_at(offset, _MAX_HEADER), offset)) is not None:
        extent = walk_blocks(read_at, offset + header.size, header.checksum)
        if extent.is_open:
            return extent
        offset = extent.end
    return Extent(offset, False)


def parse_header(start: bytes, offset: int) -> _Header | None:
    """Return the header of a frame that begins with `start`; None if it is cut short."""
    if not MAGIC.startswith(start[: len(MAGIC)]):
        raise ValueError(f"no zstd frame begins at byte {offset}")
    import zstandard

    try:
        size = zstandard.frame_header_size(start)
        parameters = zstandard.get_frame_parameters(start)
    except zstandard.ZstdError:
        return None
    tells_size = parameters.content_size != zstandard.CONTENTSIZE_UNKNOWN
    return _Header(size, _CHECKSUM if parameters.has_checksum else 0, tells_size) if len(start) >= size else None


def walk_blocks(read_at: ReadAt, offset: int, checksum: int) -> Extent:
    """Return the extent of the frame whose blocks begin at `offset`."""
    while True:
        head = read_at(offset, _BLOCK_HEADER)
        if len(head) < _BLOCK_HEADER:
            return Extent(offset, True)
        is_last, size = _parse_block_header(head, checksum)
        end = offset + size
        if not read_at(end - 1, 1):
            return Extent(offset, True)
        if is_last:
            return Extent(end, False)
        offset = end


def _parse_block_header(head: bytes, checksum: int) -> tuple[bool, int]:
    """Return whether a block is the last one of its frame, and its size with its header, and a checksum after it."""
    fields = int.from_bytes(head, "little")
    is_last, is_rle, size = bool(fields & 1), fields >> 1 & 3 == _RLE, fields >> 3
    return is_last, _BLOCK_HEADER + (1 if is_rle else size) + (checksum if is_last else 0)


class FrameTracker:
    """A tracker of the frames of a zstd stream as its bytes come, which tells whether it was cut short."""

    def __init__(self) -> None:
        self._rest = b""
        # Bytes that are still to come of a block or of a frame that is skipped.
        self._left = 0
        self._frame: _Header | None = None
        # Whether something else came where a frame should begin, which whoever unpacks the stream judges.
        self._is_lost = False

    @property
    def is_cut(self) -> bool:
        """True if the stream so far ends within a header or a block, or lacks a part of what its frame announces.

        A frame that does not tell its size may lack its end after any block: a recorder has written no more yet.
        """
        is_incomplete = self._frame is not None and self._frame.tells_size
        return not self._is_lost and (self._left > 0 or bool(self._rest) or is_incomplete)

    @property
    def is_between_blocks(self) -> bool:
        """True if the stream so far ends after a header or a block of a frame that goes on."""
        return self._frame is not None and not (self._is_lost or self._left or self._rest)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        data, offset, size = self._rest + chunk, 0, len(self._rest) + len(chunk)
        while not self._is_lost:
            step = min(self._left, size - offset)
            offset, self._left = offset + step, self._left - step
            if self._left or offset == size:
                break
            if self._frame is None:
                if not self._begin_frame(data[offset : offset + _MAX_HEADER]):
                    break
            elif size - offset < _BLOCK_HEADER:
                break
            else:
                is_last, self._left = _parse_block_header(data[offset : offset + _BLOCK_HEADER], self._frame.checksum)
                if is_last:
                    self._frame = None
        self._rest = data[offset:]

    def _begin_frame(self, start: bytes) -> bool:
        """Take the header of a frame; return False if it is cut short."""
        if len(start) < len(MAGIC):
            return False
        if _SKIPPABLE.match(start):
            if is_whole := len(start) >= _SKIPPABLE_HEADER:
                self._left = _SKIPPABLE_HEADER + int.from_bytes(start[4:8], "little")
            return is_whole
        try:
            self._frame = parse_header(start, 0)
        except ValueError:
            self._is_lost = True
        else:
            self._left = self._frame.size if self._frame else 0
        return self._frame is not None
