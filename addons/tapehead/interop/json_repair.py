"""JSON that other tools write and the standard refuses: halves of surrogate pairs, NaN and Infinity."""

import re

# An escaped backslash escapes nothing; a whole pair stays; a half is the third group.
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD]([89a-fA-F][0-9a-fA-F]{2}))"
)
# Private characters, one for each byte that is not UTF-8, which mitmproxy writes as such a half.
_STANDS_FOR_A_BYTE = re.compile("[\U0010f880-\U0010f8ff]")
_REPLACEMENT = rb"\ufffd"
# A string, also one that is cut short, so that none is searched twice; or a number that JSON does not have.
_NO_NUMBER = re.compile(rb'("(?:[^"\\]|\\.)*+(?:"|\\?\Z))|-?\b(?:NaN|Infinity)\b', re.DOTALL)


def mend(data: bytes) -> bytes:
    """Return JSON in which another character replaces each half of a surrogate pair, and null NaN and Infinity."""

    def replace(match: re.Match[bytes]) -> bytes:
        if match[2]:
            return match[0]
        half = int(match[3], 16)
        return match[1] + (b"\\udbfe\\udc%02x" % (half - 0xC00) if 0xC80 <= half <= 0xCFF else _REPLACEMENT)

    mended = _HALF.sub(replace, data)
    if b"NaN" in mended or b"Infinity" in mended:
        return _NO_NUMBER.sub(lambda match: match[1] or b"null", mended)
    return mended


def unmend(text: str) -> bytes:
    """Return the bytes of a text out of mended JSON."""
    halves = _STANDS_FOR_A_BYTE.sub(lambda match: chr(ord(match[0]) - 0x10F880 + 0xDC80), text)
    return halves.encode("utf-8", "surrogateescape")
