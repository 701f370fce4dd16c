"""Conversion between mitmproxy's flows and our messages."""

import time
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.flow import Error

from tapehead.answers import Answer
from tapehead.protocol.exchange import ClosedBy
from tapehead.protocol.http_wire import header_bytes, pack, reason_bytes
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Route
from tapehead.proxy.request_fields import url_of
from tapehead.recording.capture import (
    CapturedCall,
    RawRequest,
    RawResponse,
    failure_of,
    origin_of,
    request_from,
    response_from,
)

_ROUTE = "tapehead.route"
_LEFT = "tapehead.left"
# Not in the metadata, which mitmproxy saves with the flow: a flow file takes plain values alone.
_answers: WeakKeyDictionary[http.HTTPFlow, tuple[Answer, str]] = WeakKeyDictionary()
# It is between the player or tapehead and a proxy; the endpoint never gets it.
_PROXY_LOGIN = b"proxy-authorization"
# What mitmproxy says if the client closed its connection, or cancelled its stream.
_CLIENT_LEFT = ("Client disconnected.", "stream reset by client (CANCEL)")
# And if the endpoint closed its connection, in a request that was whole.
_ENDPOINT_LEFT = ("server closed connection", "HTTP/1 protocol error: peer closed connection")


def mark(flow: http.HTTPFlow, route: Route) -> None:
    """Mark `flow` as the collection call of a route."""
    flow.metadata[_ROUTE] = route


def route_of(flow: http.HTTPFlow) -> Route | None:
    """Return the route that `flow` is marked with, or None."""
    route: Route | None = flow.metadata.get(_ROUTE)
    return route


def mark_left(flow: http.HTTPFlow) -> None:
    """Mark `flow` as one whose client closed the connection, or cancelled the stream, before the answer."""
    flow.metadata[_LEFT] = True


def mark_answered(flow: http.HTTPFlow, answer: Answer, url: str) -> None:
    """Mark `flow` as one that an engine answers, to the URL that the player called."""
    _answers[flow] = answer, url


def capture(flow: http.HTTPFlow, error: str | None, ended: float | None = None) -> CapturedCall:
    """Return a flow as a captured call.

    Args:
        flow: a flow that is marked.
        error: the failure that came instead of an answer; None if there is an answer.
        ended: the end of a flow without an answer, in seconds since 1970; None for now.

    Raises:
        ValueError: the flow is not marked as a collection call.
    """
    route = route_of(flow)
    if route is None:
        raise ValueError("the flow is no collection call")
    answer, url = _answers.get(flow, (None, "")) if _answers else (None, "")
    request, closer = raw_request_of(flow.request), closed_by(flow) if error is not None else None
    if answer and not answer.forward:
        request = request._replace(url=url)
        if failure := failure_of(answer):
            error, closer = failure, "endpoint"
    response = flow.response if error is None else None
    ended = (flow.response and flow.response.timestamp_end) or ended or time.time()
    return CapturedCall(
        route,
        request,
        raw_response_of(response) if response else None,
        error,
        flow.request.timestamp_start,
        ended,
        closed_by=closer if error is not None else "client" if _LEFT in flow.metadata else None,
        answered=origin_of(answer) if answer else None,
    )


def closed_by(flow: http.HTTPFlow) -> ClosedBy | None:
    """Return who closed the connection of a flow that failed; None if nobody did, or it is not known.

    Both connections of a flow that was saved are closed; what mitmproxy said has to tell then.
    """
    message, client, server = flow.error.msg if flow.error else "", flow.client_conn, flow.server_conn
    if message.startswith(_CLIENT_LEFT) or (not message and _LEFT in flow.metadata):
        return "client"
    if not message or message == Error.KILLED_MESSAGE:
        return None
    is_cut = flow.request.timestamp_end is None
    if client.state is ConnectionState.CLOSED and (is_cut or server.state is ConnectionState.OPEN):
        return "client"
    is_closed = server.timestamp_start is not None and server.state is ConnectionState.CLOSED
    is_certain = client.state is ConnectionState.OPEN or message.startswith(_ENDPOINT_LEFT)
    return "endpoint" if is_closed and is_certain else None


def raw_request_of(request: http.Request) -> RawRequest:
    """Return the bytes of a request without a login for a proxy; a body that was streamed or cut was not saved."""
    body = request.raw_content
    headers = tuple(field for field in request.headers.fields if field[0].lower() != _PROXY_LOGIN)
    return RawRequest(request.method, url_of(request), headers, body or b"", saved=body is not None)


def raw_response_of(response: http.Response) -> RawResponse:
    """Return the bytes of a response; a body that was streamed was not saved."""
    body = response.raw_content
    return RawResponse(
        response.status_code, response.reason, response.headers.fields, body or b"", saved=body is not None
    )


def request_of(request: http.Request) -> Request:
    """Return one of mitmproxy's requests as ours."""
    return request_from(raw_request_of(request))


def response_of(response: http.Response) -> Response:
    """Return one of mitmproxy's responses as ours."""
    return response_from(raw_response_of(response))


def can_cut(flow: http.HTTPFlow, response: Response) -> bool:
    """Return whether an answer can be cut off: in HTTP/1, where its status allows a body."""
    return flow.request.http_version.startswith("HTTP/1") and response.status != 204


def cut(response: http.Response) -> None:
    """Make an answer announce more bytes than arrive before the connection closes."""
    whole = response.raw_content or b""
    response.raw_content = whole[: len(whole) // 2]
    response.headers["content-length"] = str(max(len(whole), 1))
    response.headers["connection"] = "close"


def to_mitmproxy(response: Response) -> http.Response:
    """Return one of our responses as mitmproxy sends it."""
    converted = http.Response.make(response.status, b"", header_bytes(response.headers))
    converted.data.reason, converted.raw_content = reason_bytes(response), pack(response)
    if response.status != 204:
        converted.headers["content-length"] = str(len(converted.raw_content))
    return converted
