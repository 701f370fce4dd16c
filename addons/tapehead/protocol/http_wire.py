"""Between a message and the wire: content codings undone and put back, hop-by-hop headers left behind."""

import re

from tapehead.protocol.content_coding import CodingError, decode_content, encode_content
from tapehead.protocol.messages import Headers, Request, Response

# What belongs to one connection and not to the message (RFC 9110, section 7.6.1), and what the sender of the
# message works out anew.
_PER_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    }
)

# What the name of a header is made of, and what no value can hold (RFC 9110, sections 5.1 and 5.5).
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS = frozenset({204, 304})


def unpack[M: (Request, Response)](message: M, raw: bytes) -> M:
    """`message` with the body `raw`, its Content-Encoding undone; left on and marked where that cannot be."""
    try:
        content = decode_content(raw, _coding(message)) if raw else raw
    except CodingError:
        return message.with_content(raw, coded=True)
    return message.with_content(content)


def pack(message: Request | Response) -> bytes:
    """Return the body's bytes for the wire, under the Content-Encoding that the headers name."""
    if isinstance(message, Response) and message.status in _BODILESS:
        return b""
    content = message.content()
    if message.coded or not content:
        return content
    try:
        return encode_content(content, _coding(message))
    except CodingError:
        return content


def end_to_end(headers: Headers) -> Headers:
    """Return the headers that travel on with a message, without those of one connection and without Content-Length."""
    return [(name, value) for name, value in headers if name.lower() not in _PER_CONNECTION]


def header_bytes(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers that travel on, for the wire; of a recording that somebody edited, only what can be sent."""
    sent = ((name.encode("latin-1", "replace"), _value_bytes(value)) for name, value in end_to_end(headers))
    return [(name, value) for name, value in sent if _TOKEN.fullmatch(name)]


def reason_bytes(response: Response) -> bytes:
    """Return the reason phrase for the wire."""
    return _value_bytes(response.reason)


def _value_bytes(text: str) -> bytes:
    return _UNSENDABLE.sub(b" ", text.encode("latin-1", "replace"))


def _coding(message: Request | Response) -> str:
    return ",".join(message.header_values("Content-Encoding"))
