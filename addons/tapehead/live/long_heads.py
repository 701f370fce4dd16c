"""The answer to a request whose head is too long."""

import asyncio

from tapehead.live.api_model import ErrorBody, as_json
from tapehead.text import format_number

MOST_HEAD = 32_000
# Bytes that are read beyond that, so that the client gets its answer instead of a broken connection.
MOST_UNREAD = 1_000_000
URI_TOO_LONG, HEAD_TOO_LARGE = 414, 431
_REASONS = {URI_TOO_LONG: "URI Too Long", HEAD_TOO_LARGE: "Request Header Fields Too Large"}


def refuse_long_head(transport: asyncio.Transport, url: bytes) -> None:
    """Answer that a request's head is too long, of which `url` came, and end the sending side of its connection."""
    status = URI_TOO_LONG if len(url) > MOST_HEAD // 2 else HEAD_TOO_LARGE
    what, remedy = ("URL", "use fewer or shorter filters") if status == URI_TOO_LONG else ("head", "send fewer headers")
    limit = f"{format_number(MOST_HEAD)} bytes for a request's URL and headers together"
    response = as_json(ErrorBody(f"the request's {what} is too long: at most {limit}; {remedy}"), status)
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS[status].encode()), b"connection: close"]
    lines += [b"%s: %s" % header for header in response.raw_headers]
    transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
    transport.write_eof()
