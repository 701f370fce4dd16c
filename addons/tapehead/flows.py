"""Between mitmproxy's flows and exchanges."""

import string
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from mitmproxy import http

from tapehead.api import Route, sid_of_location
from tapehead.exchange import FORMAT_VERSION, Exchange, Headers, Request, Response
from tapehead.wire import header_bytes, pack, reason_bytes, unpack

_ROUTE = "tapehead.route"


def mark(flow: http.HTTPFlow, route: Route) -> None:
    """Note the collection call that `flow` is."""
    flow.metadata[_ROUTE] = route


def route_of(flow: http.HTTPFlow) -> Route | None:
    """The collection call that `flow` is marked as, or None."""
    route: Route | None = flow.metadata.get(_ROUTE)
    return route


RawHeaders = tuple[tuple[bytes, bytes], ...]


class Asked(NamedTuple):
    """A request as it came, in values that nobody changes any more; the body with its content coding on."""

    method: str
    url: str
    headers: RawHeaders
    body: bytes


class Told(NamedTuple):
    """The same of a response."""

    status: int
    reason: str
    headers: RawHeaders
    body: bytes


class Seen(NamedTuple):
    """What was seen of a call, by the time its answer goes to the player; all else can be worked out later.

    Attributes:
        route: what was called.
        request: the request.
        response: the answer; None with `error`.
        error: why there is none.
        started, ended: when the request's first and the answer's last byte came, seconds since 1970.
    """

    route: Route
    request: Asked
    response: Told | None
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


def see(flow: http.HTTPFlow, error: str | None) -> Seen:
    """What was seen of `flow`; `error` says why there is no answer.

    Raises:
        ValueError: the flow is not marked as a collection call.
    """
    route = route_of(flow)
    if route is None:
        raise ValueError("the flow is no collection call")
    response = flow.response if error is None else None
    ended = (flow.response and flow.response.timestamp_end) or time.time()
    told = _told(response) if response else None
    return Seen(route, _asked(flow.request), told, error, flow.request.timestamp_start, ended)


def _asked(request: http.Request) -> Asked:
    return Asked(request.method, request.pretty_url, request.headers.fields, request.raw_content or b"")


def _told(response: http.Response) -> Told:
    return Told(response.status_code, response.reason, response.headers.fields, response.raw_content or b"")


def exchange_of(seen: Seen) -> Exchange:
    """What was seen, as an exchange that nobody has checked yet."""
    request = _request(seen.request)
    response = _response(seen.response) if seen.response else None
    location = response.header("Location") if response else None
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=_iso(seen.started),
        elapsed_ms=round(max(0.0, seen.ended - seen.started) * 1000, 1),
        call=seen.route.call,
        session=_quote(seen.route.sid) if seen.route.sid else sid_of_location(location),
        request=request,
        response=response,
        error=None if seen.error is None else seen.error.encode("utf-8", "replace").decode(),
        findings=[],
    )


def request_of(request: http.Request) -> Request:
    """A request as the core knows it."""
    return _request(_asked(request))


def response_of(response: http.Response) -> Response:
    """A response as the core knows it."""
    return _response(_told(response))


def _quote(text: str) -> str:
    """Text from a request's first line, as the recording has it: bytes beyond ASCII with percent signs."""
    return quote(text.encode("utf-8", "surrogateescape"), safe=string.punctuation)


def _request(asked: Asked) -> Request:
    message = Request(method=_quote(asked.method), url=_quote(asked.url), headers=_headers(asked.headers))
    return unpack(message, asked.body)


def _response(told: Told) -> Response:
    return unpack(Response(status=told.status, reason=told.reason, headers=_headers(told.headers)), told.body)


def _headers(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def can_cut(flow: http.HTTPFlow, response: Response) -> bool:
    """Whether an answer can break in its middle: in HTTP/1, where it has a body or at least might have one."""
    return flow.request.http_version.startswith("HTTP/1") and response.status != 204


def cut(response: http.Response) -> None:
    """Let an answer announce more than comes before the connection closes."""
    whole = response.raw_content or b""
    response.raw_content = whole[: len(whole) // 2]
    response.headers["content-length"] = str(max(len(whole), 1))
    response.headers["connection"] = "close"


def to_mitmproxy(response: Response) -> http.Response:
    """A response as mitmproxy sends it."""
    made = http.Response.make(response.status, b"", header_bytes(response.headers))
    made.data.reason, made.raw_content = reason_bytes(response), pack(response)
    if response.status != 204:
        made.headers["content-length"] = str(len(made.raw_content))
    return made
