"""Values that identify people by their shape alone, under whatever name.

An ECID has 38 digits; as a number of JavaScript, it has lost all but the first seventeen of them. An Analytics visitor
id is two numbers of sixteen hexadecimal digits. A JSON Web Token names an account, and lets in whoever has it.
"""

import re
from collections.abc import Iterator

# They may follow a percent-encoded character, which ends in a digit or a letter.
_ECID = re.compile(rb"(?:(?<![0-9])|(?<=%[0-9A-Fa-f][0-9]))[0-9]{38}(?![0-9])")
_ECID_AS_FLOAT = re.compile(rb"(?<![0-9.])[0-9]\.[0-9]{9,20}[eE]\+?3[67](?![0-9])")
_AID = re.compile(rb"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2}))[0-9A-F]{16}-[0-9A-F]{16}(?![0-9A-Za-z])")
_WEB_TOKEN = re.compile(rb"eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*")
# Signs of them in a text of which each digit and each A to F is a zero: plain searches take a fraction of the time.
# Each with the number of bytes before the sign at which the value may begin.
_ZEROS = bytes(ord("0") if byte in b"0123456789ABCDEF" else byte for byte in range(256))
_SIGNS = (
    ("0" * 38, _ECID, 0),
    ("0" * 16 + "-" + "0" * 16, _AID, 0),
    ("e+00", _ECID_AS_FLOAT, 22),
    ("0+00", _ECID_AS_FLOAT, 22),
)
# Parts of them: nearly every text has none.
_RUN, _POWER, _SECOND_PART = "0" * 16, "+00", ".eyJ"


def values_by_shape(content: bytes) -> Iterator[str]:
    """Yield the values of those shapes in a text."""
    # Searches in strings take a fraction of the time of those in bytes.
    zeros = content.translate(_ZEROS).decode("latin-1")
    if _RUN in zeros or _POWER in zeros or _SECOND_PART in zeros:
        yield from _values_by_signs(content, zeros)


def _values_by_signs(content: bytes, zeros: str) -> Iterator[str]:
    if _SECOND_PART in zeros:
        for match in _WEB_TOKEN.finditer(content):
            yield match[0].decode()
    for sign, shape, before in _SIGNS:
        at = zeros.find(sign)
        while at >= 0:
            end = at + len(sign)
            while zeros.startswith("0", end):
                end += 1
            for match in shape.finditer(content, max(0, at - before), end + 1):
                yield match[0].decode()
            at = zeros.find(sign, end)
