"""Between a message and the wire: content codings undone and put back, hop-by-hop headers left behind."""

from tapehead.coding import CodingError, decode_content, encode_content
from tapehead.exchange import Headers, Request, Response

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


def unpack[M: (Request, Response)](message: M, raw: bytes) -> M:
    """`message` with the body `raw`, its Content-Encoding undone; left on and marked where that cannot be."""
    try:
        content = decode_content(raw, _coding(message)) if raw else raw
    except CodingError:
        return message.with_content(raw, coded=True)
    return message.with_content(content)


def pack(message: Request | Response) -> bytes:
    """The body's bytes for the wire, under the Content-Encoding that the headers name."""
    content = message.content()
    if message.coded or not content:
        return content
    try:
        return encode_content(content, _coding(message))
    except CodingError:
        return content


def end_to_end(headers: Headers) -> Headers:
    """The headers that travel on with a message, without those of one connection and without Content-Length."""
    return [(name, value) for name, value in headers if name.lower() not in _PER_CONNECTION]


def _coding(message: Request | Response) -> str:
    return ",".join(message.header_values("Content-Encoding"))
