"""tapehead inside mitmproxy: picks out the collection calls, records them, answers them from an engine.

Nothing here decides anything about the protocol. Whatever fails here is told and counted, and the traffic flows on
untouched.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from mitmproxy import http
from mitmproxy.proxy import server_hooks

from tapehead.answers import Answer, Engine, Observer
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request
from tapehead.protocol.responses import FAILED, failure
from tapehead.protocol.routes import find_call, find_route
from tapehead.proxy.error_boundary import contained, contained_async, messages_of
from tapehead.proxy.flows import can_cut, capture, cut, mark, request_of, route_of, to_mitmproxy
from tapehead.proxy.hosts import Hosts
from tapehead.recording.capture import CapturedCall

# How long an answer may take to be sent.
SENDING_SECONDS = 0.1
STOPPED = "tapehead was stopped before the answer came"
NO_CALL = "tapehead answers Media Collection calls only, offline, and {asked} is none; see --allow"


class ExchangeSink(Protocol):
    """Where what was seen of calls goes."""

    async def store(self, item: CapturedCall, size: int) -> None:
        """Store it, and come back when that is done, or has taken too long."""
        ...

    def put(self, item: CapturedCall, size: int) -> object:
        """Store it soon."""
        ...


class CallSelector:
    """Marks the collection calls, and lets everything else stream through without a look at it.

    Args:
        hosts: which hosts count.
        prefix: in reverse mode, a path that stands before the endpoint's own at the upstream.
        stray: called with method, path and status of other requests to the endpoint; None for nobody.
        stream: whether other requests go on as they come; where they may be refused, they have to be whole.
        failures: what failed of it.
    """

    def __init__(
        self,
        hosts: Hosts,
        prefix: str = "",
        stray: Callable[[str, str, int], None] | None = None,
        *,
        stream: bool = True,
        failures: InternalErrors,
    ) -> None:
        self.failures = failures
        self._hosts = hosts
        self._prefix = prefix.rstrip("/")
        self._stray = stray
        self._stream = stream

    @contained
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Open a tunnel to the endpoint before it is known to be up, so that a call to a dead one can be recorded."""
        if self._hosts.has(flow.request.host, flow.request.port):
            flow.response = http.Response.make(200)
            flow.response.reason = "Connection established"
            flow.response.headers.clear()

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a call before its body comes, and let other requests stream."""
        # First of all, since a call without it goes elsewhere.
        if self._prefix and not flow.request.path.startswith(f"{self._prefix}/"):
            flow.request.path = self._prefix + flow.request.path
        if not self.mark(flow):
            flow.request.stream = self._stream

    def mark(self, flow: http.HTTPFlow) -> bool:
        """Whether `flow` is a collection call; `route_of` knows it from now on."""
        route = find_call(flow.request.method, flow.request.path) if self._hosts.counts(flow) else None
        if route:
            mark(flow, route)
        return route is not None

    @contained
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Let the answers to other requests stream."""
        if route_of(flow) is None and flow.response:
            flow.response.stream = True
            if self._stray and self._hosts.counts(flow):
                self._stray(flow.request.method, flow.request.path, flow.response.status_code)


class RecorderAddon:
    """Hands every finished call on, and at the end those whose answer never came.

    Args:
        sink: where they go, before the answer goes to the player.
        failures: what failed of it.
        forwarded_only: whether only calls count that `begin` is called with.
    """

    def __init__(self, sink: ExchangeSink, failures: InternalErrors, *, forwarded_only: bool = False) -> None:
        self.failures = failures
        self._sink = sink
        self._forwarded_only = forwarded_only
        self._open: dict[str, http.HTTPFlow] = {}
        self._storing = 0

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Remember a call that has begun."""
        if route_of(flow) and not self._forwarded_only:
            self.begin(flow)

    def begin(self, flow: http.HTTPFlow) -> None:
        """Remember a call whose answer is to be recorded."""
        self._open[flow.id] = flow

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Hand on a call that was answered."""
        await self._finish(flow, None)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Hand on a call that failed."""
        await self._finish(flow, flow.error.msg if flow.error else "unknown failure")

    async def drain(self, patience: float) -> None:
        """Wait until the calls in hand are answered, `patience` seconds at most."""
        deadline = time.monotonic() + patience
        while (self._open or self._storing) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        # An answer is sent once it is stored.
        await asyncio.sleep(SENDING_SECONDS)

    @contained
    def done(self) -> None:
        """Hand on what is still open: those calls have no answer, or none that could be handed on."""
        while self._open:
            self._give_up(self._open.pop(next(iter(self._open))))

    @contained
    def _give_up(self, flow: http.HTTPFlow) -> None:
        answered = flow.response is not None and flow.response.timestamp_end is not None
        seen = capture(flow, None if answered else flow.error.msg if flow.error else STOPPED)
        self._sink.put(seen, seen.size)

    async def _finish(self, flow: http.HTTPFlow, error: str | None) -> None:
        if self._open.pop(flow.id, None) is not None:
            seen = capture(flow, error)
            self._storing += 1
            try:
                await self._sink.store(seen, seen.size)
            finally:
                self._storing -= 1


class ReplayAddon:
    """Answers collection calls from an engine, and lets nothing reach the network.

    Args:
        engine: what answers.
        hosts: which hosts count as the endpoint.
        allow: hosts whose requests may pass through to the network.
        observer: called with each request, its answer and the time in seconds since 1970.
        record: records what is forwarded; None where nothing is.
        stray: called with method, path and status of other requests that are refused; None for nobody.
        failures: what failed of it.
    """

    def __init__(
        self,
        engine: Engine,
        hosts: Hosts,
        allow: Iterable[str] = (),
        observer: Observer | None = None,
        record: RecorderAddon | None = None,
        stray: Callable[[str, str, int], None] | None = None,
        *,
        failures: InternalErrors,
    ) -> None:
        self.failures = failures
        self._stray = stray
        self._engine = engine
        self._hosts = hosts
        self._allow = Hosts(allow)
        self._observer = observer
        self._record = record
        self._waiting = 0

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a request."""
        try:
            await self._answer(flow)
        except Exception as error:  # noqa: BLE001 - the player gets an answer, whatever it is
            self.failures.record("answering a call", error, lambda: messages_of((flow,)))
            flow.response = to_mitmproxy(failure(500, FAILED, time.time()))

    async def _answer(self, flow: http.HTTPFlow) -> None:
        now = time.time()
        if find_route(flow.request.path) is None or not self._hosts.counts(flow):
            self._refuse(flow, now)
            return
        request = request_of(flow.request)
        answer = self._engine.answer(request, now)
        if answer.delay_ms:
            await self._wait(answer.delay_ms / 1000)
        self._give(flow, answer)
        self._observe(request, answer, now)

    @contained
    def _observe(self, request: Request, answer: Answer, now: float) -> None:
        if self._observer:
            self._observer(request, answer, now)

    async def _wait(self, seconds: float) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

    def _give(self, flow: http.HTTPFlow, answer: Answer) -> None:
        """Give an answer to a flow: a response, a broken connection, or the way to the real endpoint."""
        if answer.forward and self._record:
            self._record.begin(flow)
        elif answer.response is None or (answer.cut and not can_cut(flow, answer.response)):
            flow.kill()
        else:
            flow.response = to_mitmproxy(answer.response)
            if answer.cut:
                cut(flow.response)

    async def drain(self, patience: float) -> None:
        """Wait until the answers that are late, or forwarded, are given, `patience` seconds at most."""
        deadline = time.monotonic() + patience
        while self._waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._record:
            await self._record.drain(deadline - time.monotonic())

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Let no request stream that is to be refused: it would be refused by the connection, in words not ours."""
        if not self._allow.names(flow.request.pretty_host, flow.request.port):
            flow.request.stream = False

    def _refuse(self, flow: http.HTTPFlow, now: float) -> None:
        if not self._allow.names(flow.request.pretty_host, flow.request.port):
            asked = flow.request.path if self._hosts.counts(flow) else flow.request.pretty_url
            flow.response = to_mitmproxy(failure(501, NO_CALL.format(asked=f"{flow.request.method} {asked}"), now))
            if self._stray and self._hosts.counts(flow):
                self._stray(flow.request.method, flow.request.path, 501)

    @contained
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel that is neither to the endpoint nor allowed."""
        host, port = flow.request.host, flow.request.port
        if flow.response is None and not self._allow.names(host, port):
            flow.response = to_mitmproxy(failure(501, NO_CALL.format(asked=f"CONNECT {host}:{port}"), time.time()))

    @contained
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Let no connection go out but to the hosts that are allowed."""
        host, port, *_ = data.server.address or ("", 0)
        if not self._record and not self._allow.names(host, port):
            data.server.error = f"tapehead replays offline and does not connect to {host}:{port}; see --allow"
