"""What was seen of a call, before anybody worked anything out; and how it becomes an exchange."""

import string
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from tapehead.protocol.exchange import FORMAT_VERSION, Exchange, format_time
from tapehead.protocol.http_wire import unpack
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.routes import Route, sid_of_location

RawHeaders = tuple[tuple[bytes, bytes], ...]


class RawRequest(NamedTuple):
    """A request as it came, in values that nobody changes any more; the body with its content coding on, or `bare`."""

    method: str
    url: str
    headers: RawHeaders
    body: bytes
    bare: bool = False


class RawResponse(NamedTuple):
    """The same of a response."""

    status: int
    reason: str
    headers: RawHeaders
    body: bytes
    bare: bool = False


class CapturedCall(NamedTuple):
    """What was seen of a call, by the time its answer goes to the player; all else can be worked out later.

    Attributes:
        route: what was called.
        request: the request.
        response: the answer; None with `error`.
        error: why there is none.
        started, ended: when the request's first and the answer's last byte came, seconds since 1970.
    """

    route: Route
    request: RawRequest
    response: RawResponse | None
    error: str | None
    started: float
    ended: float

    @property
    def size(self) -> int:
        """About how many bytes it holds in memory."""
        answer = len(self.response.body) if self.response else 0
        return _OVERHEAD + len(self.request.body) + answer


# What a call takes besides its bodies, in bytes.
_OVERHEAD = 4_000


def build_exchange(seen: CapturedCall) -> Exchange:
    """What was seen, as an exchange that nobody has checked yet."""
    request = request_from(seen.request)
    response = response_from(seen.response) if seen.response else None
    location = response.header("Location") if response else None
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=format_time(seen.started),
        elapsed_ms=round(max(0.0, seen.ended - seen.started) * 1000, 1),
        call=seen.route.call,
        session=_quote(seen.route.sid) if seen.route.sid else sid_of_location(location),
        request=request,
        response=response,
        error=None if seen.error is None else seen.error.encode("utf-8", "replace").decode(),
        findings=[],
    )


def _quote(text: str) -> str:
    """Text from a request's first line, as the recording has it: bytes beyond ASCII with percent signs."""
    return quote(text.encode("utf-8", "surrogateescape"), safe=string.punctuation)


def request_from(asked: RawRequest) -> Request:
    """A request as the core knows it."""
    message = Request(method=_quote(asked.method), url=_quote(asked.url), headers=_headers(asked.headers))
    return message.with_content(asked.body) if asked.bare else unpack(message, asked.body)


def response_from(told: RawResponse) -> Response:
    """A response as the core knows it."""
    message = Response(status=told.status, reason=told.reason, headers=_headers(told.headers))
    return message.with_content(told.body) if told.bare else unpack(message, told.body)


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]
