"""Answers without the detour over ASGI, for requests as nearly all are: whole, and answered at once.

ASGI costs a task, a scope and several messages for each request, more than the answer itself. What is special in any
way goes the long way: `Protocol` and `App` are the definition of what this has to do.
"""

import asyncio
import re
from collections.abc import Awaitable
from functools import partial
from typing import Any, NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from tapehead.answers import Arrival
from tapehead.protocol.http_wire import header_bytes, pack, unpack
from tapehead.protocol.messages import Request, Response, request_on
from tapehead.protocol.request_key import NO_KEY, KeyedRequest, may_name_key, strip_key
from tapehead.protocol.routes import Route, call_on, find_route
from tapehead.server.asgi import (
    ARRIVAL,
    STATUSES,
    App,
    AsgiApp,
    PendingAnswer,
    Protocol,
    Receive,
    Scope,
    Send,
    send_answer,
)

# Header lines that are kept for the next answers: nearly all of an endpoint's are the same.
MOST_LINES = 4_096
# Answers up to this length keep their bytes: engines give the same one again and again.
MOST_ENCODED = 4_096
# Blocks of headers that are kept for the next requests, and the longest: a player sends the same again and again.
MOST_HEADS, MOST_HEAD_BYTES = 1_024, 2_048
# Request lines that are kept, and the longest: those of a session's events are the same.
MOST_REQUEST_LINES, MOST_LINE_BYTES = 4_096, 256
_METHODS = {b"POST": "POST", b"GET": "GET", b"OPTIONS": "OPTIONS"}
# Paths and queries that need no parsing; most are.
_TARGET_PATTERN = rb"/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*(?:\?[A-Za-z0-9._~%!$&'()*+,;=:@/?-]+)?"
_TARGET = re.compile(_TARGET_PATTERN)
_REQUEST_LINE = re.compile(rb"(POST|GET|OPTIONS) (%s) HTTP/1\.1" % _TARGET_PATTERN)
_LINE_END, _END = b"\r\n", b"\r\n\r\n"


class KnownLine(NamedTuple):
    """The line of a plain request, without a key.

    Attributes:
        method: the method.
        target: the path and the query.
        route: the route of the path; None if it is no path of the API.
        call: the call; likewise.
    """

    method: str
    target: str
    route: Route | None
    call: Route | None


class KnownHead(NamedTuple):
    """The headers of a plain request that was parsed, without a key or a content coding.

    Attributes:
        headers: names and values.
        origin: the beginning of the URL.
        length: the length of the body.
    """

    headers: list[tuple[str, str]]
    origin: str
    length: int


class RequestLines(dict[bytes, KnownLine | None]):
    """The lines of plain requests by their bytes; None for others."""

    def __missing__(self, line: bytes) -> KnownLine | None:
        """Parse a line."""
        match = _REQUEST_LINE.fullmatch(line)
        known = None
        if match and not may_name_key(target := match[2].decode("ascii")):
            method, route = _METHODS[match[1]], find_route(target)
            known = KnownLine(method, target, route, call_on(route, method))
        if len(line) <= MOST_LINE_BYTES:
            if len(self) >= MOST_REQUEST_LINES:
                self.clear()
            self[line] = known
        return known


class HeaderLines(dict[tuple[str, str], bytes]):
    """Headers as lines on the wire; empty for those that are not sent."""

    def __missing__(self, header: tuple[str, str]) -> bytes:
        """Encode a header."""
        if len(self) >= MOST_LINES:
            self.clear()
        line = b"".join(b"%s: %s\r\n" % (name.lower(), value) for name, value in header_bytes([header]))
        self[header] = line
        return line


_REQUEST_LINES = RequestLines()
_LINES = HeaderLines()
# By their bytes between the request line and the body.
_HEADS: dict[bytes, KnownHead] = {}


def encode_response(response: Response) -> bytes:
    """Return a response that can be sent, as `send_response` sends it to a client that keeps its connection."""
    encoded: bytes | None = response.__dict__.get("encoded")
    if encoded is not None:
        return encoded
    body = pack(response)
    lines = [STATUS_LINE[response.status], *map(_LINES.__getitem__, response.headers)]
    lines.append(b"\r\n" if response.status == 204 else b"content-length: %d\r\n\r\n" % len(body))
    lines.append(body)
    encoded = b"".join(lines)
    if len(encoded) <= MOST_ENCODED:
        response.__dict__["encoded"] = encoded
    return encoded


class DirectProtocol(Protocol):
    """An HTTP protocol that answers most requests to an `App` as soon as they are there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._engine = self.app if isinstance(self.app, App) else None
        # Whether the request that is arriving, with this body so far, can be answered at once.
        self._is_plain = False
        self._body = b""
        # Whether the parser waits for the beginning of a request, and what it was given last.
        self._is_between = True
        self._data = b""
        # When the request began whose body did not come with its head.
        self._arrival: Arrival | None = None

    def data_received(self, data: bytes) -> None:
        """Receive some bytes of requests; one that did not come in one piece, or two, is given to the application."""
        if self._is_between and self._answers_known(data):
            return
        was_begun = self._is_plain
        self._data = self._data + data if was_begun else data
        super().data_received(data)
        if self._is_plain and (was_begun or self._body):
            self._give_to_application()
        elif self._is_plain and self._engine:
            # Many clients send the body in a piece of its own. The head may have come twice, without an offer.
            self._arrival = self._arrival or self._engine.begin()
            return
        self._data = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection; the application handles a request that is not complete."""
        if self._is_plain:
            self._give_to_application()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection, once a request that has begun is answered."""
        if self._is_plain:
            self._give_to_application()
        super().shutdown()

    def _answers_known(self, data: bytes) -> bool:
        """Answer a request whose headers were parsed before; return whether it was one, and nothing else."""
        app, first = self._engine, data.find(_LINE_END)
        begin = first + 2
        last = data.find(_END, begin)
        end = last + 4
        head = _HEADS.get(data[begin:last])
        if last < 0 or head is None or app is None or len(data) != end + head.length or not self._is_free():
            return False
        line = _REQUEST_LINES[data[:first]]
        if line is None:
            return False
        self._is_new = False
        method, target, route, call = line
        request = request_on(route, call, method, head.origin + target, head.headers, data[end:])
        self._answer(app, KeyedRequest(request, NO_KEY))
        return True

    def _is_free(self) -> bool:
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless requests came that left the timer alone."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Begin a request; a scope is made for those alone that are given to the application."""
        self._is_between = False
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """End the head of a request."""
        parser = self.parser
        self._body = b""
        self._method, self._version = parser.get_method(), parser.get_http_version().encode()
        self._is_plain = (
            self._engine is not None
            and self._is_free()
            and self._method in _METHODS
            and not self.expect_100_continue
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and self._version == b"1.1"
            and _TARGET.fullmatch(self.url) is not None
        )
        if not self._is_plain:
            self._give_to_application()

    def on_body(self, body: bytes) -> None:
        """Take a body, or a part of one."""
        if self._is_plain and not self._body:
            self._body = body
            return
        if self._is_plain:
            self._give_to_application()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, and answer it if it is plain."""
        self._is_between = True
        if not (self._is_plain and (app := self._engine)):
            super().on_message_complete()
            return
        self._is_plain = False
        try:
            keyed = strip_key(request := unpack(self._request(), self._body))
        except Exception as error:  # noqa: BLE001 - it is raised again, where uvicorn handles it
            self._continue_with(partial(_raise, error), self._method.decode("ascii"))
            return
        if keyed.request is request and request.header("Content-Encoding") is None:
            self._remember_head(request)
        self._answer(app, keyed)

    def _remember_head(self, request: Request) -> None:
        start = self._data.find(_LINE_END) + len(_LINE_END)
        end = self._data.find(_END)
        is_alone = len(self._data) == end + len(_END) + len(self._body)
        target = self.url.decode("ascii")
        # So that a path alone tells the route.
        is_of_host = request.path == target.partition("?")[0]
        if (
            start < end <= start + MOST_HEAD_BYTES
            and is_alone
            and is_of_host
            and request.header("Transfer-Encoding") is None
        ):
            if len(_HEADS) >= MOST_HEADS:
                _HEADS.clear()
            head = KnownHead(request.headers.copy(), request.url.removesuffix(target), len(self._body))
            _HEADS[self._data[start:end]] = head

    def _give_to_application(self) -> None:
        """Have the application answer a request of which the head is complete."""
        self._is_plain = False
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        if self._arrival:
            cast(dict[str, Any], self.scope["extensions"])[ARRIVAL] = self._arrival
            self._arrival = None
        super().on_headers_complete()
        if self._body:
            super().on_body(self._body)

    def _answer(self, app: App, request_and_key: KeyedRequest) -> None:
        arrival, self._arrival = self._arrival or app.begin(), None
        pending = app.answer(request_and_key, arrival)
        answer, response = pending.answer, pending.answer.response
        sent = None
        if response and response.status in STATUSES and not (answer.delay_ms or answer.cut or answer.forward):
            try:
                sent = encode_response(response)
            except Exception:  # noqa: BLE001 - the application meets it again, and handles it
                sent = None
        if sent is None:
            self._continue_with(partial(app.complete, pending), pending.request.method)
        elif pending.arrival and (stored := app.take(pending.arrival, pending.request, answer)):
            self._continue_with(partial(_send_when_stored, app, pending, stored), pending.request.method)
        else:
            self.transport.write(sent)
            self.server_state.total_requests += 1
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            app.observe(pending.request, answer, pending.now)

    def _request(self) -> Request:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers]
        host = next((value for name, value in headers if name == "host"), "localhost")
        url = f"{self.scheme}://{host}{self.url.decode('ascii')}"
        return Request(method=self._method.decode("ascii"), url=url, headers=headers)

    def _continue_with(self, app: AsgiApp, method: str) -> None:
        """Have an application answer a request that was received already."""
        super().on_message_begin()
        self.scope["method"] = method
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        self._unset_keepalive_if_required()
        self._start_asgi_task(self.cycle, cast(Any, app))


async def _raise(error: Exception, _scope: Scope, _receive: Receive, _send: Send) -> None:
    raise error


async def _send_when_stored(
    app: App, pending: PendingAnswer, stored: Awaitable[None], scope: Scope, receive: Receive, send: Send
) -> None:
    await stored
    await send_answer(pending.answer, scope, receive, send)
    app.observe(pending.request, pending.answer, pending.now)
