"""An engine as a plain ASGI application under uvicorn: no proxy, no framework.

ASGI cannot express a broken connection, and recorded or injected failures need one: `Protocol` puts uvicorn's own
transport into the scope's extensions. Under another server a broken connection becomes a 502.
"""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tapehead.answers import Answer, Arrival, Capture, Engine, Observer, Outcome
from tapehead.internal_errors import InternalErrors
from tapehead.network.access_policy import ClientFilter
from tapehead.network.connection_reserve import LEAST_IDLE_SECONDS, ConnectionReserve, readable
from tapehead.protocol.http_wire import HTTP2_PREFACE, header_bytes, pack, unpack
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.request_key import KeyedRequest, RequestKey, strip_key
from tapehead.protocol.responses import FAILED, failure
from tapehead.server.forwarding import ForwardingError
from tapehead.server.http2_refusal import Http2Refusal
from tapehead.simulator.keyed_engine import keyed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
# Returns the answer of a real endpoint, or raises a ForwardingError.
Forward = Callable[[Request], Awaitable[Response]]

logger = logging.getLogger(__name__)

TRANSPORT = "tapehead.transport"
# The arrival of a request that was counted already.
ARRIVAL = "tapehead.arrival"
# Statuses that uvicorn can send.
STATUSES = range(100, 600)


# What other protocols begin with, which clients speak that were given a wrong URL or setting; and what to do.
_OTHER_PROTOCOLS = (
    (b"\x16\x03", "a TLS handshake", "use http:// instead of https://"),
    (b"\x05", "SOCKS", "this server is not a proxy: send requests to it directly"),
    (b"\x04", "SOCKS", "this server is not a proxy: send requests to it directly"),
)
_HTTP2 = "HTTP/2 without an upgrade", "let the client use HTTP/1.1"
_OFFERS = frozenset({b"upgrade", b"http2-settings"})


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the connection's transport in the scope's extensions.

    Offers of another protocol (Upgrade: h2c, which Java's HttpClient makes by default) are ignored, as a server may
    (RFC 9110, section 7.8); httptools itself drops the bodies of such requests.
    """

    _warned: ClassVar[set[str]] = set()
    _reserves: ClassVar[WeakKeyDictionary[ServerState, ConnectionReserve]] = WeakKeyDictionary()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection, and close idle ones if few more fit."""
        super().connection_made(transport)
        self._is_new = True
        self._http2: Http2Refusal | None = None
        self._running: RequestResponseCycle | None = None
        self._idle_since = self.loop.time()
        if self.server_state not in self._reserves:
            self._reserves[self.server_state] = reserve_of(self.connections)
        self._reserves[self.server_state].add()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection, and the request that is being answered; uvicorn ends the one that came last."""
        super().connection_lost(exc)
        if self._running and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def idle_since(self) -> float | None:
        """Return the time of the event loop since which no request is in hand; None while one is."""
        is_waiting = self._is_new or self.timeout_keep_alive_task is not None
        return self._idle_since if is_waiting and not self.transport.is_closing() else None

    def on_response_complete(self) -> None:
        """End a request with its response."""
        super().on_response_complete()
        self._idle_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Receive some bytes of a request, or the first ones of another protocol."""
        if self._is_new:
            self._is_new = False
            if other := next((other for other in _OTHER_PROTOCOLS if data.startswith(other[0])), None):
                self.transport.abort()
                self._warn(*other[1:])
                return
            if data.startswith(HTTP2_PREFACE[:14]):
                self._http2 = Http2Refusal(self.transport)
                self._warn(*_HTTP2)
        self._unset_keepalive_if_required()
        if self._http2:
            self._http2.feed(data)
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._method == b"CONNECT":
                self.send_400_response("this server is not a proxy; send requests to it directly")
                return
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.data_received(self._head_without_offer() + data[offer.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def _warn(self, protocol: str, remedy: str) -> None:
        if protocol not in self._warned:
            self._warned.add(protocol)
            logger.warning("%s came to the plain HTTP port; %s", protocol, remedy)

    def _head_without_offer(self) -> bytes:
        lines = [b"%s %s HTTP/%s" % (self._method, self.url, self._version)]
        for name, value in self.headers:
            if name == b"connection":
                words = [word.strip() for word in value.split(b",")]
                value = b", ".join(word for word in words if word.lower() not in _OFFERS)
            if name not in _OFFERS and (value or name != b"connection"):
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the request comes again without its offer."""
        self._method, self._version = self.parser.get_method(), self.parser.get_http_version().encode()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        if not self.parser.should_upgrade():
            super().on_message_complete()


def reserve_of(connections: set[Any]) -> ConnectionReserve:
    """Return the reserve of a server that has those connections."""

    def count() -> int:
        return sum(not each.transport.is_closing() for each in connections)

    def close_idle(wanted: int) -> int:
        latest = asyncio.get_running_loop().time() - LEAST_IDLE_SECONDS
        idle = [(since, each) for each in connections if (since := each.idle_since()) is not None and since <= latest]
        oldest = [each for _, each in heapq.nsmallest(wanted, idle, key=lambda pair: pair[0])]
        sockets = {each.transport.get_extra_info("socket").fileno(): each for each in oldest}
        closed = sockets.keys() - readable(sockets)
        for descriptor in closed:
            sockets[descriptor].transport.close()
        return len(closed)

    return ConnectionReserve(count, close_idle)


def filtered(protocol: type[Protocol], client_filter: ClientFilter) -> type[Protocol]:
    """Return `protocol` with a client filter: refused connections are closed before anything is read from them."""

    class FilteredProtocol(protocol):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            """Accept a connection, or close it."""
            super().connection_made(transport)
            if not client_filter.admits(self.client and self.client[0]):
                transport.abort()

    return FilteredProtocol


class PendingAnswer(NamedTuple):
    """An answer that was not sent yet.

    Attributes:
        request: the request, without the key of a test.
        key: that key.
        answer: the engine's answer.
        arrival: the arrival, as the capture counts it; None without a capture.
        now: the arrival in seconds since 1970.
    """

    request: Request
    key: RequestKey
    answer: Answer
    arrival: Arrival | None
    now: float


class App:
    """An ASGI application that answers from an engine.

    Args:
        engine: answers the requests, those of each key from an engine of its own if it can.
        internal_errors: records exceptions of the engine, which the player gets as a 500, and of the observers.
        observers: called in turn with each request without its key, its answer, and its arrival in seconds since 1970.
        capture: takes each call before its answer is sent; None where nothing reads them.
        forward: answers what the engine forwards; None where nothing may leave this machine.
    """

    def __init__(
        self,
        engine: Engine,
        internal_errors: InternalErrors,
        observers: Sequence[Observer] = (),
        capture: Capture | None = None,
        forward: Forward | None = None,
    ) -> None:
        self._engine = keyed(engine)
        self._internal_errors = internal_errors
        self._observers = observers
        self._capture = capture
        self._forward = forward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or acknowledge the server's start and end."""
        if scope["type"] == "http":
            await self._receive(scope, receive, send)
        elif scope["type"] == "lifespan":
            message = None
            while message != "lifespan.shutdown":
                message = (await receive())["type"]
                await send({"type": f"{message}.complete"})

    async def _receive(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = bytearray(), True
        arrival = scope.get("extensions", {}).get(ARRIVAL) or self.begin()
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                if arrival and (stored := self._take(arrival, strip_key(request_of_scope(scope)).request, None, scope)):
                    await stored
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        pending = self.answer(strip_key(unpack(request_of_scope(scope), bytes(body))), arrival)
        await self.complete(pending, scope, receive, send)

    def begin(self) -> Arrival | None:
        """Count a call that begins to arrive, if anything takes the calls."""
        return self._capture.begin() if self._capture else None

    def answer(self, request_and_key: KeyedRequest, arrival: Arrival | None) -> PendingAnswer:
        """Return the answer to a request that has arrived; a failure of the engine is one, too."""
        now = time.time()
        request, key = request_and_key
        try:
            answer = self._engine.answer_keyed(request_and_key, now)
            if arrival and self._capture and (answer.delay_ms or answer.forward):
                self._capture.hold(arrival, request, answer.key)
        except Exception as error:  # noqa: BLE001 - the player gets an answer in any case
            answer = self._fail(error, request, now)
        return PendingAnswer(request, key, answer, arrival, now)

    def _fail(self, error: Exception, request: Request, now: float) -> Answer:
        self._internal_errors.record("answering a call", error, lambda: (request, None))
        return Answer(response=failure(500, FAILED, now))

    async def complete(self, pending: PendingAnswer, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request whose answer says so, wait as long as it says, and send the answer."""
        request, key, answer, arrival, now = pending
        if answer.forward and self._forward:
            try:
                answer = self._engine.with_key(await self._forwarded(self._forward, request, answer, now), key)
            except Exception as error:  # noqa: BLE001 - the player gets an answer in any case
                answer = self._fail(error, request, now)
        if answer.delay_ms:
            await asyncio.sleep(answer.delay_ms / 1000)
        answer = answer_as_sent(answer, scope)
        if arrival and (stored := self._take(arrival, request, answer, scope)):
            await stored
        await send_answer(answer, scope, receive, send)
        self.observe(request, answer, now)

    def observe(self, request: Request, answer: Answer, now: float) -> None:
        """Show an answer that was sent to the observers."""
        for observe in self._observers:
            try:
                observe(request, answer, now)
            except Exception as error:  # noqa: BLE001 - the player has its answer
                self._internal_errors.record("showing a call", error, lambda: (request, answer.response))

    async def _forwarded(self, forward: Forward, request: Request, answer: Answer, now: float) -> Answer:
        try:
            return msgspec.structs.replace(answer, response=await forward(request))
        except ForwardingError as error:
            response = failure(error.status, str(error), now)
            return msgspec.structs.replace(
                answer, response=response, forward=False, outcome=Outcome.MISS, reason=str(error)
            )

    def _take(self, arrival: Arrival, request: Request, answer: Answer | None, scope: Scope) -> Awaitable[None] | None:
        transport = scope.get("extensions", {}).get(TRANSPORT)
        has_left = transport is not None and transport.is_closing()
        return self.take(arrival, request, answer, has_left=has_left)

    def take(
        self, arrival: Arrival, request: Request, answer: Answer | None, *, has_left: bool = False
    ) -> Awaitable[None] | None:
        """Have a call taken; return what its answer has to wait for, if anything, which raises nothing."""
        try:
            stored = self._capture.add(arrival, request, answer, has_left=has_left) if self._capture else None
        except Exception as error:  # noqa: BLE001 - the player gets its answer in any case
            self._record_lost(error, request, answer)
            return None
        return None if stored is None else self._wait(stored, request, answer)

    async def _wait(self, stored: Awaitable[None], request: Request, answer: Answer | None) -> None:
        try:
            await stored
        except Exception as error:  # noqa: BLE001 - the player gets its answer in any case
            self._record_lost(error, request, answer)

    def _record_lost(self, error: Exception, request: Request, answer: Answer | None) -> None:
        self._internal_errors.record("storing a call", error, lambda: (request, answer.response if answer else None))


def request_of_scope(scope: Scope) -> Request:
    """Return the request of an ASGI scope, without its body."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), "localhost")
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{host}{path}{'?' if query else ''}{query}"
    return Request(method=scope["method"], url=url, headers=headers)


def answer_as_sent(answer: Answer, scope: Scope) -> Answer:
    """Return an answer as it can be sent: without the server's transport no connection can be broken."""
    response, cut = answer.response, answer.cut
    if (cut or response is None) and TRANSPORT not in scope.get("extensions", {}):
        message = "this server cannot break a connection; the recorded answer is a broken one"
        cut, response = False, failure(502, message, time.time())
    if response is not None and response.status not in STATUSES:
        response = failure(502, f"this server cannot send the recorded status {response.status}", time.time())
    if response is answer.response:
        return answer
    return msgspec.structs.replace(answer, response=response, cut=cut)


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer that can be sent: a response, the first half of one, or a broken connection."""
    response = answer.response
    breaks = answer.cut or response is None
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if response is None or (breaks and response.status == 204):
        # A 204 has no body that could be cut, so its head does not arrive either.
        transport.abort()
        await receive()
        return
    body = pack(response)
    if not breaks:
        await send_response(response, body, len(body), send)
        return
    # Where there is no body to cut, one is announced that never comes.
    await send_response(response, body[: len(body) // 2], max(len(body), 1), send)
    transport.close()
    await receive()


async def send_response(response: Response, body: bytes, length: int, send: Send) -> None:
    """Send a response of which `body` is all, or the beginning, of `length` announced bytes."""
    headers = header_bytes(response.headers)
    if response.status != 204:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": len(body) < length})
