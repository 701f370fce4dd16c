"""tapehead inside mitmproxy: picks out the collection calls, records them, answers them from an engine.

Nothing here decides anything about the protocol. Whatever fails here is logged, and the traffic flows on untouched.
"""

import asyncio
import functools
import logging
import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec
from mitmproxy import http
from mitmproxy.proxy import mode_specs, server_hooks

from tapehead.answer import Answer, Engine
from tapehead.api import ENDPOINT_HOST, Call, Route, find_call, find_route, sid_of_location
from tapehead.checks import check_exchange
from tapehead.exchange import FORMAT_VERSION, Exchange, Headers, Request, Response
from tapehead.launch import ProxySettings
from tapehead.schemas import Schemas
from tapehead.simulate import failure
from tapehead.tape import served_schema
from tapehead.wire import end_to_end, pack, unpack

logger = logging.getLogger(__name__)

_ROUTE = "tapehead.route"
STOPPED = "tapehead was stopped before the answer came"
PORT = r"(?::\d+)?"
NO_CALL = "tapehead answers Media Collection calls only, offline, and {url} is none; see --allow"

# Called with each request, its answer, and when it came, seconds since 1970.
Observer = Callable[[Request, Answer, float], None]


def shielded[**P](hook: Callable[P, None]) -> Callable[P, None]:
    """A hook whose failure is logged with its traceback and never reaches the flow."""

    @functools.wraps(hook)
    def shield(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(*args, **kwargs)
        except Exception:
            logger.exception("tapehead failed in %s; the traffic goes on untouched", hook.__qualname__)

    return shield


class Hosts:
    """The hosts that count as the endpoint: the vendor's own, those named, and in reverse mode all.

    Args:
        named: host names, each with or without a port.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.named = frozenset(name.lower() for name in named)

    def counts(self, flow: http.HTTPFlow) -> bool:
        """Whether `flow` goes to the endpoint."""
        if isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            return True
        return any(self.has(host, flow.request.port) for host in (flow.request.pretty_host, flow.request.host))

    def has(self, host: str, port: int) -> bool:
        """Whether `host` is the endpoint's."""
        return bool(ENDPOINT_HOST.search(host)) or self.names(host, port)

    def names(self, host: str, port: int) -> bool:
        """Whether `host` is one of those named, alone or with `port`."""
        return not self.named.isdisjoint({host.lower(), f"{host.lower()}:{port}"})

    def limit(self, proxy: ProxySettings) -> ProxySettings:
        """The settings under which only the endpoint's TLS is opened; all other TLS is a tunnel.

        Reverse mode has one upstream, which is the endpoint, so nothing is limited there.
        """
        if proxy.is_reverse():
            return proxy
        targets = (mode.partition("://")[2] for mode in proxy.modes if mode.startswith("reverse:"))
        exact = (f"^{re.escape(name)}{'' if ':' in name else PORT}$" for name in sorted({*self.named, *targets}))
        return msgspec.structs.replace(proxy, tls_hosts=(rf"(?:^|\.)hb-api\.omtrdc\.net{PORT}$", *exact))


class Pick:
    """Marks the collection calls, and lets everything else stream through without a look at it.

    Args:
        hosts: which hosts count.
        prefix: in reverse mode, a path that stands before the endpoint's own at the upstream.
    """

    def __init__(self, hosts: Hosts, prefix: str = "") -> None:
        self._hosts = hosts
        self._prefix = prefix.rstrip("/")

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
            flow.request.stream = True
        if self._prefix and not flow.request.path.startswith(f"{self._prefix}/"):
            flow.request.path = self._prefix + flow.request.path

    def mark(self, flow: http.HTTPFlow) -> bool:
        """Whether `flow` is a collection call; `route_of` knows it from now on."""
        route = find_call(flow.request.method, flow.request.path) if self._hosts.counts(flow) else None
        if route:
            flow.metadata[_ROUTE] = route
        return route is not None

    @shielded
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Let the answers to other requests stream."""
        if route_of(flow) is None and flow.response:
            flow.response.stream = True


def route_of(flow: http.HTTPFlow) -> Route | None:
    """The collection call that `Pick` saw in `flow`, or None."""
    route: Route | None = flow.metadata.get(_ROUTE)
    return route


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


def exchange_of(flow: http.HTTPFlow, error: str | None, schemas: Schemas) -> Exchange:
    """The exchange in `flow`, a collection call that `Pick` marked; `error` says why there is no answer."""
    route = route_of(flow)
    call = route.call if route else Call.EVENT
    request = request_of(flow.request)
    response = _response_of(flow.response) if flow.response and error is None else None
    location = response.header("Location") if response else None
    sid = (route.sid if route else None) or sid_of_location(location)
    started = flow.request.timestamp_start
    ended = (flow.response and flow.response.timestamp_end) or time.time()
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=_iso(started),
        elapsed_ms=round(max(0.0, ended - started) * 1000, 1),
        call=call,
        session=sid,
        request=request,
        response=response,
        error=error,
        findings=check_exchange(call, request, response, error, started * 1000, schemas),
    )


def request_of(request: http.Request) -> Request:
    """A request as the core knows it."""
    message = Request(method=request.method, url=request.pretty_url, headers=_headers(request.headers))
    return unpack(message, request.raw_content or b"")


def _response_of(response: http.Response) -> Response:
    message = Response(status=response.status_code, reason=response.reason, headers=_headers(response.headers))
    return unpack(message, response.raw_content or b"")


def _headers(headers: http.Headers) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.fields]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Play:
    """Answers collection calls from an engine, and lets nothing reach the network.

    Args:
        engine: what answers.
        hosts: which hosts count as the endpoint.
        allow: hosts whose requests may pass through to the network.
        observer: called with each request, its answer and the time in seconds since 1970.
        record: records what is forwarded; None where nothing is.
    """

    def __init__(
        self,
        engine: Engine,
        hosts: Hosts,
        allow: Iterable[str] = (),
        observer: Observer | None = None,
        record: Record | None = None,
    ) -> None:
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
            logger.exception("tapehead failed to answer %s", flow.request.path)
            flow.response = _to_mitmproxy(failure(500, "tapehead failed; its log says why", time.time()))

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
        elif answer.response is None or (answer.cut and not _can_cut(flow, answer.response)):
            flow.kill()
        else:
            flow.response = _to_mitmproxy(answer.response)
            if answer.cut:
                _cut(flow.response)

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
            flow.response = _to_mitmproxy(failure(501, NO_CALL.format(url=flow.request.pretty_url), now))

    @shielded
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel that is neither to the endpoint nor allowed."""
        host, port = flow.request.host, flow.request.port
        if flow.response is None and not self._allow.names(host, port):
            flow.response = _to_mitmproxy(failure(501, NO_CALL.format(url=f"{host}:{port}"), time.time()))

    @shielded
    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Let no connection go out but to the hosts that are allowed."""
        host, port, *_ = data.server.address or ("", 0)
        if not self._record and not self._allow.names(host, port):
            data.server.error = f"tapehead replays offline and does not connect to {host}:{port}; see --allow"


def _can_cut(flow: http.HTTPFlow, response: Response) -> bool:
    """Whether an answer can break in its middle: in HTTP/1, where it has a body or at least might have one."""
    return flow.request.http_version.startswith("HTTP/1") and response.status != 204


def _cut(response: http.Response) -> None:
    """Let an answer announce more than comes before the connection closes."""
    whole = response.raw_content or b""
    response.raw_content = whole[: len(whole) // 2]
    response.headers["content-length"] = str(max(len(whole), 1))
    response.headers["connection"] = "close"


def _to_mitmproxy(response: Response) -> http.Response:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in end_to_end(response.headers)]
    made = http.Response.make(response.status, b"", headers)
    made.reason, made.raw_content = response.reason, pack(response)
    if response.status != 204:
        made.headers["content-length"] = str(len(made.raw_content))
    return made
