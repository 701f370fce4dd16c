"""Decoding and encoding of content codings (gzip, deflate, br, zstd), with limits on the decoded size.

A few kilobytes can unpack to gigabytes, so decoding stops at a limit instead of blocking every other player.
"""

import gzip
import zlib
from collections.abc import Callable

MAX_DECODED = 16 * 1024 * 1024
# Nested codings; each may be a decompression bomb of its own.
MOST_CODINGS = 5
_CHUNK = 256
# For each member of a gzip body, at most one chunk of the rest is copied.
_GZIP_CHUNK = 4096
_GZIP = zlib.MAX_WBITS | 16
_INVALID, _CUT = "it is damaged, or coded in another way", "it ends too early"


class CodingError(ValueError):
    """A body that cannot be decoded or encoded: an unknown coding, corrupt data, or more than the limit."""


class _DamagedError(ValueError):
    """Encoded content that cannot be decoded, and why."""


def decode_content(content: bytes, coding: str | None, limit: int = MAX_DECODED) -> bytes:
    """Return `content` without its content coding.

    Args:
        content: the body's bytes as on the wire.
        coding: the Content-Encoding header, codings separated by commas, or None.
        limit: the maximum size of the decoded body, in bytes.

    Raises:
        CodingError: the content cannot be decoded.
    """
    for name in reversed(_names(coding)):
        content = _decode_one(content, name, limit)
    return content


def encode_content(content: bytes, coding: str | None) -> bytes:
    """Return `content` encoded with a content coding, such as `gzip`.

    Raises:
        CodingError: the coding is unknown.
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
    except (_DamagedError, zlib.error) as error:
        # The texts of libraries are no help, such as "Error -3 while decompressing data".
        reason = str(error) if isinstance(error, _DamagedError) else _INVALID
        raise CodingError(f"the body is no valid {name}: {reason}") from error
    if len(decoded) > limit:
        raise CodingError(f"the body unpacks to more than {limit} bytes")
    return decoded


def _gunzip(content: bytes, limit: int) -> bytes:
    """Decode gzip, which may consist of several members in a row."""
    decoded, decoder = bytearray(), zlib.decompressobj(_GZIP)
    for start in range(0, len(content), _GZIP_CHUNK):
        chunk = content[start : start + _GZIP_CHUNK]
        while chunk and len(decoded) < limit:
            if decoder.eof:
                decoder = zlib.decompressobj(_GZIP)
            decoded += decoder.decompress(chunk, limit - len(decoded))
            chunk = decoder.unused_data
    if not decoder.eof and len(decoded) < limit:
        raise _DamagedError(_CUT)
    return bytes(decoded)


def _inflate(content: bytes, limit: int) -> bytes:
    # By the standard, deflate is zlib's format; some clients send the bare stream.
    decoder = zlib.decompressobj()
    try:
        decoded = decoder.decompress(content, limit)
    except zlib.error:
        decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        decoded = decoder.decompress(content, limit)
    if not decoder.eof and len(decoded) < limit:
        raise _DamagedError(_CUT)
    if decoder.unused_data:
        raise _DamagedError("something follows its end")
    return decoded


def _unbrotli(content: bytes, limit: int) -> bytes:
    import brotli  # which few need, and which takes long to load

    decoder = brotli.Decompressor()
    try:
        decoded = bytearray(decoder.process(content, output_buffer_limit=limit))
        while len(decoded) < limit and not decoder.is_finished() and not decoder.can_accept_more_data():
            decoded += decoder.process(b"", output_buffer_limit=limit - len(decoded))
    except brotli.error as error:
        raise _DamagedError(_INVALID) from error
    if not decoder.is_finished() and len(decoded) < limit:
        raise _DamagedError(_CUT)
    return bytes(decoded)


def _unzstd(content: bytes, limit: int) -> bytes:
    """Decode zstd, in chunks so small that none exceeds the limit by much before that is noticed."""
    import zstandard  # which few need, and which takes long to load

    decoded, decoder = bytearray(), zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        while chunk and len(decoded) < limit:
            if decoder.eof:
                decoder = zstandard.ZstdDecompressor().decompressobj()
            try:
                decoded += decoder.decompress(chunk)
            except zstandard.ZstdError as error:
                raise _DamagedError(_INVALID) from error
            chunk = decoder.unused_data
    if not decoder.eof and len(decoded) < limit:
        raise _DamagedError(_CUT)
    return bytes(decoded[:limit])


def _to_brotli(content: bytes) -> bytes:
    import brotli

    return bytes(brotli.compress(content))


def _to_zstd(content: bytes) -> bytes:
    import zstandard

    return zstandard.compress(content)


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
    "br": _to_brotli,
    "zstd": _to_zstd,
}
