"""Between mitmproxy's flows and exchanges."""

import time

from mitmproxy import http

from tapehead.protocol.http_wire import header_bytes, pack, reason_bytes
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Route
from tapehead.recording.capture import CapturedCall, RawRequest, RawResponse, request_from, response_from

_ROUTE = "tapehead.route"


def mark(flow: http.HTTPFlow, route: Route) -> None:
    """Note the collection call that `flow` is."""
    flow.metadata[_ROUTE] = route


def route_of(flow: http.HTTPFlow) -> Route | None:
    """The collection call that `flow` is marked as, or None."""
    route: Route | None = flow.metadata.get(_ROUTE)
    return route


def capture(flow: http.HTTPFlow, error: str | None, ended: float | None = None) -> CapturedCall:
    """What was seen of `flow`.

    Args:
        flow: a flow that is marked.
        error: why there is no answer; None if there is one.
        ended: when it ended, seconds since 1970, if no answer says so; None for now.

    Raises:
        ValueError: the flow is not marked as a collection call.
    """
    route = route_of(flow)
    if route is None:
        raise ValueError("the flow is no collection call")
    response = flow.response if error is None else None
    ended = (flow.response and flow.response.timestamp_end) or ended or time.time()
    told = _told(response) if response else None
    return CapturedCall(route, _asked(flow.request), told, error, flow.request.timestamp_start, ended)


def _asked(request: http.Request) -> RawRequest:
    return RawRequest(request.method, request.pretty_url, request.headers.fields, request.raw_content or b"")


def _told(response: http.Response) -> RawResponse:
    return RawResponse(response.status_code, response.reason, response.headers.fields, response.raw_content or b"")


def request_of(request: http.Request) -> Request:
    """A request as the core knows it."""
    return request_from(_asked(request))


def response_of(response: http.Response) -> Response:
    """A response as the core knows it."""
    return response_from(_told(response))


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
