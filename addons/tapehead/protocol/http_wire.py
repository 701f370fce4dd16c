"""Conversion between messages and bytes on the wire: content codings, hop-by-hop headers, unsendable bytes."""

import re

from tapehead.protocol.content_coding import CodingError, decode_content, encode_content
from tapehead.protocol.messages import Headers, Request, Response

# The connection preface of a client that knows its server to speak HTTP/2 (RFC 9113, section 3.4).
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Headers of a connection, not of the message (RFC 9110, section 7.6.1), and Content-Length, which each sender computes.
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

# Characters of a header's name, and those that no value may contain (RFC 9110, sections 5.1 and 5.5).
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BODILESS = frozenset({204, 304})


def unpack[M: (Request, Response)](message: M, raw: bytes) -> M:
    """Return `message` with `raw` decoded as its body; with `raw` itself and `coded` set if that fails."""
    try:
        content = decode_content(raw, coding) if raw and (coding := _coding(message)) else raw
    except CodingError:
        return message.with_content(raw, coded=True)
    return message.with_content(content)


def pack(message: Request | Response) -> bytes:
    """Return the body's bytes for the wire, encoded by the message's Content-Encoding; as they are if that fails."""
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
    """Return the end-to-end headers: without hop-by-hop headers and Content-Length."""
    return [(name, value) for name, value in headers if name.lower() not in _PER_CONNECTION]


def header_bytes(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the end-to-end headers for the wire; invalid names, as in an edited recording, are left out."""
    sent = ((name.encode("latin-1", "replace"), _value_bytes(value)) for name, value in end_to_end(headers))
    return [(name, value) for name, value in sent if _TOKEN.fullmatch(name)]


def reason_bytes(response: Response) -> bytes:
    """Return the reason phrase for the wire."""
    return _value_bytes(response.reason)


def _value_bytes(text: str) -> bytes:
    return _UNSENDABLE.sub(b" ", text.encode("latin-1", "replace"))


def _coding(message: Request | Response) -> str:
    if message.header("Content-Encoding") is None:
        return ""
    return ",".join(message.header_values("Content-Encoding"))
