"""Detection of the intact part of a zstd stream that a crash cut short (RFC 8878, section 3.1.1).

A frame is a header and blocks; each block begins with three bytes that say whether it is the last, of what type it is,
and how long. The writer ends a block after every exchange, so a frame can lose its end and still be read up to there;
an empty last block ends it again.
"""

from collections.abc import Callable
from typing import NamedTuple

from tapehead.recording.unpacking import ZSTD_MAGIC

# The last block of a frame, raw, of no bytes.
END = b"\x01\x00\x00"
MAGIC = ZSTD_MAGIC

_MAX_HEADER = 18
_BLOCK_HEADER = 3
_RLE = 1
_CHECKSUM = 4

# Returns the bytes from an offset on, up to a number of bytes.
ReadAt = Callable[[int, int], bytes]


class Extent(NamedTuple):
    """The intact part of a stream: the end of its last whole block, and whether the frame there is unfinished."""

    end: int
    is_open: bool


class _Header(NamedTuple):
    size: int
    checksum: int


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
        has_checksum = zstandard.get_frame_parameters(start).has_checksum
    except zstandard.ZstdError:
        return None
    return _Header(size, _CHECKSUM if has_checksum else 0) if len(start) >= size else None


def walk_blocks(read_at: ReadAt, offset: int, checksum: int) -> Extent:
    """Return the extent of the frame whose blocks begin at `offset`."""
    while True:
        head = read_at(offset, _BLOCK_HEADER)
        if len(head) < _BLOCK_HEADER:
            return Extent(offset, True)
        fields = int.from_bytes(head, "little")
        is_last, is_rle, size = fields & 1, fields >> 1 & 3 == _RLE, fields >> 3
        end = offset + _BLOCK_HEADER + (1 if is_rle else size) + (checksum if is_last else 0)
        if not read_at(end - 1, 1):
            return Extent(offset, True)
        if is_last:
            return Extent(end, False)
        offset = end
