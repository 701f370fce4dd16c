"""Bodies that cannot be searched for what identifies people."""

from json import detect_encoding

# The first bytes of compressed data: gzip, zstd, zlib.
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
# Characters that text hardly has, and the number of bytes per one of them in text.
_CONTROLS, MOST_CONTROLS = bytes({*range(32)} - {*b"\t\n\f\r"}), 50


def is_opaque(content: bytes, *, coded: bool) -> bool:
    """Return whether a body cannot be searched: it is compressed, or its encoding does not contain ASCII.

    Compressed data, with or without a word of text in it, has control characters throughout.
    """
    if detect_encoding(content) not in ("utf-8", "utf-8-sig"):
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        controls = len(content) - len(content.translate(None, _CONTROLS))
        return coded or content.startswith(_COMPRESSED) or controls > len(content) // MOST_CONTROLS
    return False
