"""Between mitmproxy's flows and exchanges."""

import string
import time
from datetime import UTC, datetime
from urllib.parse import quote

from mitmproxy import http

from tapehead.api import Route, sid_of_location
from tapehead.checks import check_exchange
from tapehead.exchange import FORMAT_VERSION, Exchange, Headers, Request, Response
from tapehead.schemas import Schemas
from tapehead.wire import header_bytes, pack, reason_bytes, unpack

_ROUTE = "tapehead.route"


def mark(flow: http.HTTPFlow, route: Route) -> None:
    """Note the collection call that `flow` is."""
    flow.metadata[_ROUTE] = route


def route_of(flow: http.HTTPFlow) -> Route | None:
    """The collection call that `flow` is marked as, or None."""
    route: Route | None = flow.metadata.get(_ROUTE)
    return route


def exchange_of(flow: http.HTTPFlow, error: str | None, schemas: Schemas) -> Exchange:
    """The exchange in `flow`; `error` says why there is no answer.

    Raises:
        ValueError: the flow is not marked as a collection call.
    """
    route = route_of(flow)
    if route is None:
        raise ValueError("the flow is no collection call")
    request = request_of(flow.request)
    response = _response_of(flow.response) if flow.response and error is None else None
    error = None if error is None else error.encode("utf-8", "replace").decode()
    location = response.header("Location") if response else None
    sid = _quote(route.sid) if route.sid else sid_of_location(location)
    started = flow.request.timestamp_start
    ended = (flow.response and flow.response.timestamp_end) or time.time()
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=_iso(started),
        elapsed_ms=round(max(0.0, ended - started) * 1000, 1),
        call=route.call,
        session=sid,
        request=request,
        response=response,
        error=error,
        findings=check_exchange(route.call, request, response, error, started * 1000, schemas),
    )


def request_of(request: http.Request) -> Request:
    """A request as the core knows it."""
    message = Request(method=_quote(request.method), url=_quote(request.pretty_url), headers=_headers(request.headers))
    return unpack(message, request.raw_content or b"")


def _quote(text: str) -> str:
    """Text from a request's first line, as the recording has it: bytes beyond ASCII with percent signs."""
    return quote(text.encode("utf-8", "surrogateescape"), safe=string.punctuation)


def _response_of(response: http.Response) -> Response:
    message = Response(status=response.status_code, reason=response.reason, headers=_headers(response.headers))
    return unpack(message, response.raw_content or b"")


def _headers(headers: http.Headers) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.fields]


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
