"""Content codings: gzip, deflate, br and zstd, undone and done, within bounds.

A few kilobytes can unpack to gigabytes, so decoding stops at a limit instead of stalling every other player.
"""

import gzip
import zlib
from collections.abc import Callable

import brotli
import zstandard

MAX_DECODED = 16 * 1024 * 1024
# Codings on top of each other; each may be a bomb of its own.
MOST_CODINGS = 5
_PIECE = 256
# So much of a gzip body is copied for each of its members.
_GZIP_PIECE = 4096


class CodingError(ValueError):
    """A body that does not unpack: an unknown coding, broken data, or more than the limit."""


def decode_content(content: bytes, coding: str | None, limit: int = MAX_DECODED) -> bytes:
    """`content` without its content coding.

    Args:
        content: the body's bytes as on the wire.
        coding: the Content-Encoding header, several codings with commas between them, or None.
        limit: the most bytes that may come out.

    Raises:
        CodingError: it cannot be undone.
    """
    for name in reversed(_names(coding)):
        content = _decode_one(content, name, limit)
    return content


def encode_content(content: bytes, coding: str | None) -> bytes:
    """`content` with a content coding put on, such as `gzip`.

    Raises:
        CodingError: an unknown coding.
    """
    for name in _names(coding):
        if name not in _ENCODERS:
            raise CodingError(f"unknown content coding {name}")
        content = _ENCODERS[name](content)
    return content


def _names(coding: str | None) -> list[str]:
    words = (name.strip().lower() for name in (coding or "").split(","))
    names = [name for name in words if name not in ("", "identity")]
    if len(names) > MOST_CODINGS:
        raise CodingError(f"{len(names)} content codings, one on the other; expected {MOST_CODINGS} at most")
    return names


def _decode_one(content: bytes, name: str, limit: int) -> bytes:
    if name not in _DECODERS:
        raise CodingError(f"unknown content coding {name}")
    try:
        decoded = _DECODERS[name](content, limit + 1)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
        raise CodingError(f"the body is no valid {name}: {error}") from error
    if len(decoded) > limit:
        raise CodingError(f"the body unpacks to more than {limit} bytes")
    return decoded


def _gunzip(content: bytes, limit: int) -> bytes:
    """Undo gzip, which may be of several members, one behind the other."""
    decoded, decoder = bytearray(), _gzip_decoder()
    for start in range(0, len(content), _GZIP_PIECE):
        piece = content[start : start + _GZIP_PIECE]
        while piece and len(decoded) < limit:
            if decoder.eof:
                decoder = _gzip_decoder()
            decoded += decoder.decompress(piece, limit - len(decoded))
            piece = decoder.unused_data
    if not decoder.eof and len(decoded) < limit:
        raise EOFError("it ends too early")
    return bytes(decoded)


def _gzip_decoder() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _inflate(content: bytes, limit: int) -> bytes:
    # The standard means zlib's format by deflate; some clients send the bare stream.
    try:
        return _inflate_as(zlib.MAX_WBITS, content, limit)
    except zlib.error:
        return _inflate_as(-zlib.MAX_WBITS, content, limit)


def _inflate_as(wbits: int, content: bytes, limit: int) -> bytes:
    decoder = zlib.decompressobj(wbits=wbits)
    decoded = _whole(decoder, decoder.decompress(content, limit), limit)
    if decoder.unused_data:
        raise EOFError("something follows its end")
    return decoded


def _whole(decoder: "zlib._Decompress", decoded: bytes, limit: int) -> bytes:
    if not decoder.eof and len(decoded) < limit:
        raise EOFError("it ends too early")
    return decoded


def _unbrotli(content: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    decoded = bytearray(decoder.process(content, output_buffer_limit=limit))
    while len(decoded) < limit and not decoder.is_finished() and not decoder.can_accept_more_data():
        decoded += decoder.process(b"", output_buffer_limit=limit - len(decoded))
    if not decoder.is_finished() and len(decoded) < limit:
        raise EOFError("it ends too early")
    return bytes(decoded)


def _unzstd(content: bytes, limit: int) -> bytes:
    """Undo zstd, in pieces so small that none unpacks to much more than the limit before it is noticed."""
    decoded, decoder = bytearray(), zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(content), _PIECE):
        piece = content[start : start + _PIECE]
        while piece and len(decoded) < limit:
            if decoder.eof:
                decoder = zstandard.ZstdDecompressor().decompressobj()
            decoded += decoder.decompress(piece)
            piece = decoder.unused_data
    if not decoder.eof and len(decoded) < limit:
        raise EOFError("it ends too early")
    return bytes(decoded[:limit])


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "x-gzip": lambda content: gzip.compress(content, mtime=0),
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
