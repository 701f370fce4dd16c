"""tapehead inside mitmproxy: picks out the collection calls, records them, answers them from an engine.

Nothing here decides anything about the protocol. Whatever fails here is logged, and the traffic flows on untouched.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Iterable

from mitmproxy import http
from mitmproxy.proxy import server_hooks

from tapehead.answer import Answer, Engine, Observer
from tapehead.api import Call, find_call, find_route
from tapehead.exchange import Exchange
from tapehead.flows import can_cut, cut, exchange_of, mark, request_of, route_of, to_mitmproxy
from tapehead.hosts import Hosts
from tapehead.schemas import Schemas
from tapehead.simulate import failure
from tapehead.tape import served_schema

logger = logging.getLogger(__name__)

STOPPED = "tapehead was stopped before the answer came"
NO_CALL = "tapehead answers Media Collection calls only, offline, and {asked} is none; see --allow"


def shielded[**P](hook: Callable[P, None]) -> Callable[P, None]:
    """A hook whose failure is logged with its traceback and never reaches the flow."""

    @functools.wraps(hook)
    def shield(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(*args, **kwargs)
        except Exception:
            logger.exception("tapehead failed in %s; the traffic goes on untouched", hook.__qualname__)

    return shield


class Pick:
    """Marks the collection calls, and lets everything else stream through without a look at it.

    Args:
        hosts: which hosts count.
        prefix: in reverse mode, a path that stands before the endpoint's own at the upstream.
        stray: called with method, path and status of other requests to the endpoint; None for nobody.
        stream: whether other requests go on as they come; where they may be refused, they have to be whole.
    """

    def __init__(
        self,
        hosts: Hosts,
        prefix: str = "",
        stray: Callable[[str, str, int], None] | None = None,
        *,
        stream: bool = True,
    ) -> None:
        self._hosts = hosts
        self._prefix = prefix.rstrip("/")
        self._stray = stray
        self._stream = stream

    @shielded
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Open a tunnel to the endpoint before it is known to be up, so that a call to a dead one can be recorded."""
        if self._hosts.has(flow.request.host, flow.request.port):
            flow.response = http.Response.make(200)
            flow.response.reason = "Connection established"
            flow.response.headers.clear()

    @shielded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a call before its body comes, and let other requests stream."""
        if not self.mark(flow):
            flow.request.stream = self._stream
        if self._prefix and not flow.request.path.startswith(f"{self._prefix}/"):
            flow.request.path = self._prefix + flow.request.path

    def mark(self, flow: http.HTTPFlow) -> bool:
        """Whether `flow` is a collection call; `route_of` knows it from now on."""
        route = find_call(flow.request.method, flow.request.path) if self._hosts.counts(flow) else None
        if route:
            mark(flow, route)
        return route is not None

    @shielded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Let the answers to other requests stream."""
        if route_of(flow) is None and flow.response:
            flow.response.stream = True
            if self._stray and self._hosts.counts(flow):
                self._stray(flow.request.method, flow.request.path, flow.response.status_code)


class Record:
    """Hands every finished exchange on, and at the end those whose answer never came.

    Args:
        schemas: the schemas in use.
        tell: called with each exchange before its answer goes to the player.
        forwarded_only: whether only calls count that `begin` is called with.
    """

    def __init__(self, schemas: Schemas, tell: Callable[[Exchange], None], *, forwarded_only: bool = False) -> None:
        self._schemas = schemas
        self._tell = tell
        self._forwarded_only = forwarded_only
        self._open: dict[str, http.HTTPFlow] = {}

    @shielded
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Remember a call that has begun."""
        if route_of(flow) and not self._forwarded_only:
            self.begin(flow)

    def begin(self, flow: http.HTTPFlow) -> None:
        """Remember a call whose answer is to be recorded."""
        self._open[flow.id] = flow

    @shielded
    def response(self, flow: http.HTTPFlow) -> None:
        """Hand on an exchange that was answered."""
        self._finish(flow, None)

    @shielded
    def error(self, flow: http.HTTPFlow) -> None:
        """Hand on an exchange that failed."""
        self._finish(flow, flow.error.msg if flow.error else "unknown failure")

    async def drain(self, patience: float) -> None:
        """Wait until the calls in hand are answered, `patience` seconds at most."""
        deadline = time.monotonic() + patience
        while self._open and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

    @shielded
    def done(self) -> None:
        """Hand on what is still open: those calls have no answer."""
        for flow in list(self._open.values()):
            self._finish(flow, STOPPED)

    def _finish(self, flow: http.HTTPFlow, error: str | None) -> None:
        if self._open.pop(flow.id, None) is None:
            return
        exchange = exchange_of(flow, error, self._schemas)
        self._tell(exchange)
        if exchange.call is Call.SCHEMA:
            self._learn(exchange)

    def _learn(self, exchange: Exchange) -> None:
        """Check what comes from now on by a schema that the endpoint itself serves."""
        route, schema = find_route(exchange.request.path), served_schema(exchange)
        if route and route.event_type and schema is not None:
            self._schemas.learn(route.event_type, schema)


class Play:
    """Answers collection calls from an engine, and lets nothing reach the network.

    Args:
        engine: what answers.
        hosts: which hosts count as the endpoint.
        allow: hosts whose requests may pass through to the network.
        observer: called with each request, its answer and the time in seconds since 1970.
        record: records what is forwarded; None where nothing is.
        stray: called with method, path and status of other requests that are refused; None for nobody.
    """

    def __init__(
        self,
        engine: Engine,
        hosts: Hosts,
        allow: Iterable[str] = (),
        observer: Observer | None = None,
        record: Record | None = None,
        stray: Callable[[str, str, int], None] | None = None,
    ) -> None:
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
        except Exception:
            logger.exception("tapehead failed to answer %s", flow.request.path.partition("?")[0])
            flow.response = to_mitmproxy(failure(500, "tapehead failed; its log says why", time.time()))

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

    @shielded
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

    @shielded
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel that is neither to the endpoint nor allowed."""
        host, port = flow.request.host, flow.request.port
        if flow.response is None and not self._allow.names(host, port):
            flow.response = to_mitmproxy(failure(501, NO_CALL.format(asked=f"CONNECT {host}:{port}"), time.time()))

    @shielded
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Let no connection go out but to the hosts that are allowed."""
        host, port, *_ = data.server.address or ("", 0)
        if not self._record and not self._allow.names(host, port):
            data.server.error = f"tapehead replays offline and does not connect to {host}:{port}; see --allow"
