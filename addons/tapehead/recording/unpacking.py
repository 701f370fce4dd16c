"""Unpacking of files as a stream of pieces, each of bounded size, whatever the next packed bytes stand for."""

import zlib
from collections.abc import Iterable, Iterator
from io import RawIOBase

from tapehead.recording.zstd_frames import EMPTY_BLOCK, MAGIC, FrameTracker

PIECE_BYTES = 128 * 1024
# The content of a packed HAR or flow file beyond which its size is compared with the packed one, and how many times
# that it may be. Real traffic stays far below; files that are made to fill memory have up to 30,000 times their packed
# size. So have recordings of a single large body, which are read line by line and need no such bound.
FREE_BYTES = 16 * 1024 * 1024
MOST_RATIO = 1000
GZIP_MAGIC = b"\x1f\x8b"
# Both gzip and zlib, by their first bytes.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class StreamError(ValueError):
    """The rest of a stream that cannot be read."""


class CutStreamError(StreamError):
    """A packed stream that ends too early."""

    def __init__(self) -> None:
        super().__init__("it ends too early")


_DAMAGED = "its compressed content is invalid"


def recording_coding(start: bytes) -> str | None:
    """Return the content coding of a recording that begins so; None for a plain one."""
    if start.startswith(MAGIC):
        return "zstd"
    return "gzip" if start.startswith(GZIP_MAGIC) else None


class _Source:
    """Packed chunks as a file, whose bytes are counted, and followed if they are of zstd."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.size = 0
        self.frames: FrameTracker | None = None
        self._has_ended = False
        self._chunks = iter(chunks)

    def read(self, _size: int = -1) -> bytes:
        """Return the next chunk; empty at the end."""
        chunk = next(self._chunks, b"")
        self.size += len(chunk)
        if self.frames:
            self.frames.feed(chunk)
            if not chunk and self.frames.is_between_blocks and not self._has_ended:
                # Without more input, the reader never returns what it has unpacked, and its last piece had no room for.
                self._has_ended = True
                return EMPTY_BLOCK
        return chunk


def unpack(coding: str, chunks: Iterable[bytes], most_ratio: float = MOST_RATIO) -> Iterator[bytes]:
    """Yield the content of packed chunks, as soon as they come.

    Args:
        coding: `gzip`, `deflate` or `zstd`. In zstd, a frame may lack its end after a whole block, which is how a file
            is left by a recorder that has not ended.
        chunks: the packed bytes.
        most_ratio: how many times their size the content may have.

    Raises:
        StreamError: it is far larger than what is packed, it is damaged, or it ends too early (`CutStreamError`).
    """
    source, size = _Source(chunks), 0
    for piece in _unpack_zstd(source) if coding == "zstd" else _unpack_zlib(source):
        size += len(piece)
        if size > FREE_BYTES and size > most_ratio * source.size:
            raise StreamError(f"it unpacks to more than {most_ratio:,} times its size")
        yield piece


def _unpack_zstd(source: _Source) -> Iterator[bytes]:
    import zstandard  # which few need, and which takes long to load

    source.frames = FrameTracker()
    reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)  # type: ignore[arg-type]
    try:
        while piece := reader.read1(PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise StreamError(_DAMAGED) from error
    if source.frames.is_cut:
        raise CutStreamError


def _unpack_zlib(source: _Source) -> Iterator[bytes]:
    decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
    while chunk := source.read():
        while chunk:
            if decoder.eof:
                # Tapes and block devices fill the last block with zeros, which gzip passes over, too.
                if not (chunk := chunk.lstrip(b"\0")):
                    break
                decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            try:
                piece = decoder.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise StreamError(_DAMAGED) from error
            yield piece
            chunk = decoder.unconsumed_tail or decoder.unused_data
    yield decoder.flush()
    if not decoder.eof:
        raise CutStreamError


class UnpackedFile(RawIOBase):
    """The content of packed chunks as a file; its errors are those of `unpack`."""

    def __init__(self, coding: str, chunks: Iterable[bytes]) -> None:
        self._pieces = filter(None, unpack(coding, chunks))
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, as far as the next piece goes."""
        self._rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
