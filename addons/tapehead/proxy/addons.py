"""tapehead inside mitmproxy: select the collection calls, and record them.

Nothing here decides anything about the protocol. A failure here is logged and counted, and the traffic continues
unchanged.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from mitmproxy import http
from mitmproxy.proxy import mode_specs

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.hosts import carried_url
from tapehead.protocol.routes import SESSION_CREATED, Route, find_call, sid_of_location
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.flow_keys import is_of, key_of, take_key
from tapehead.proxy.flows import capture, mark, route_of
from tapehead.proxy.hosts import Hosts
from tapehead.recording.capture import CapturedCall
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.simulator.keyed_engine import MOST_SESSIONS

# Time for an answer to be sent, and for a call to come that was sent before the stop.
SENDING_SECONDS = 0.1
STOPPED = "tapehead was stopped before the answer came"

# Called with method, path and status of a request to the endpoint that is no collection call.
OnUnmatched = Callable[[str, str, int], None]


async def wait_until_idle(is_busy: Callable[[], bool], timeout_seconds: float) -> None:
    """Wait until nothing was in hand for `SENDING_SECONDS`, at most for `timeout_seconds`."""
    now = busy_at = time.monotonic()
    deadline = now + timeout_seconds
    while now < min(deadline, busy_at + SENDING_SECONDS):
        await asyncio.sleep(0.02)
        now = time.monotonic()
        if is_busy():
            busy_at = now


class CallSink(Protocol):
    """A store of captured calls."""

    def store(self, item: CapturedCall, size: int) -> Awaitable[None] | None:
        """Store a call; return what its answer has to wait for, until that is done or has taken too long."""
        ...

    def put(self, item: CapturedCall, size: int) -> object:
        """Store a call soon."""
        ...


class CallSelector:
    """An addon that marks the collection calls, and streams everything else through unseen.

    Args:
        hosts: the hosts that count as the endpoint.
        prefix: in reverse mode, a path before the endpoint's own at the upstream.
        on_unmatched: called for other requests to the endpoint.
        stream: whether other requests are streamed; they cannot be where they may be refused.
        internal_errors: records failures of the hooks.
    """

    def __init__(
        self,
        hosts: Hosts,
        prefix: str = "",
        on_unmatched: OnUnmatched | None = None,
        *,
        stream: bool = True,
        internal_errors: InternalErrors,
    ) -> None:
        self.internal_errors = internal_errors
        self._hosts = hosts
        self._prefix = prefix.rstrip("/")
        self._on_unmatched = on_unmatched
        self._stream = stream

    @contained
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Open a tunnel to the endpoint before that is known to be up, so that a call to a dead one is recorded."""
        if self._hosts.has(flow.request.host, flow.request.port):
            flow.response = http.Response.make(200)
            flow.response.reason = "Connection established"
            flow.response.headers.clear()

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark a call before its body arrives, and stream other requests."""
        if carried := carried_url(flow.request.path):
            self._address(flow, carried)
        self.take_key(flow)
        # This comes first, since a call without its prefix goes elsewhere.
        if self._prefix and not flow.request.path.startswith(f"{self._prefix}/"):
            flow.request.path = self._prefix + flow.request.path
        if not self.mark(flow):
            flow.request.stream = self._stream

    def _address(self, flow: http.HTTPFlow, url: str) -> None:
        """Send a request to the URL that its path carries; in reverse mode, one to the endpoint, which is upstream."""
        parts = urlsplit(url)
        if not isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            flow.request.url, flow.request.host_header = url, parts.netloc
        elif self._hosts.has(parts.hostname or "", parts.port or 443):
            flow.request.path = parts._replace(scheme="", netloc="", fragment="").geturl()

    def take_key(self, flow: http.HTTPFlow) -> None:
        """Take the key of a test out of a request to the endpoint."""
        if self._hosts.counts(flow):
            take_key(flow)

    def mark(self, flow: http.HTTPFlow) -> bool:
        """Return whether `flow` is a collection call, for which `route_of` gives its route from now on."""
        route = find_call(flow.request.method, flow.request.path) if self._hosts.counts(flow) else None
        if route:
            mark(flow, route)
        return route is not None

    @contained
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the answers to other requests."""
        if route_of(flow) is None and flow.response:
            flow.response.stream = True
            if self._on_unmatched and self._hosts.counts(flow):
                self._on_unmatched(flow.request.method, flow.request.path, flow.response.status_code)


class _OpenCall(NamedTuple):
    """A call in flight.

    Attributes:
        flow: its flow.
        order: the number of its arrival.
        begun: when it began, by a clock that is never set.
        replaces: as `CapturedCall.replaces`.
    """

    flow: http.HTTPFlow
    order: int
    begun: float
    replaces: str | None


class RecorderAddon:
    """An addon that captures every finished call, and at the end those that have no answer.

    Args:
        sink: stores each call before its answer goes to the player.
        internal_errors: records failures of the hooks.
        forwarded_only: whether to capture only the calls that `begin` is called with.

    Attributes:
        source: the name of this run in the recording, which tells its numbers from those of other runs.
        on_begin: called with each call that begins, its number and its key.
        on_end: called when a call is not in flight any more.
    """

    def __init__(self, sink: CallSink, internal_errors: InternalErrors, *, forwarded_only: bool = False) -> None:
        self.internal_errors = internal_errors
        self._sink, self._forwarded_only = sink, forwarded_only
        self.source = ""
        self.on_begin: Callable[[Route, int, str], object] = lambda _route, _number, _key: None
        self.on_end: Callable[[], object] = lambda: None
        # mitmproxy takes one addon of a name.
        self.name = "tapehead-forwarded" if forwarded_only else "tapehead-recorder"
        self._open, self._storing = dict[str, _OpenCall](), dict[str, _OpenCall]()
        self._keys, self._sessions = dict[str, str](), EntryLimit(MOST_SESSIONS)
        self._begun = 0

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Remember a call that has begun."""
        if (route := route_of(flow)) and not self._forwarded_only:
            self.begin(flow)
            self.on_begin(route, self._begun, key_of(flow).key)

    def begin(self, flow: http.HTTPFlow, replaces: str | None = None) -> None:
        """Remember a call whose answer is to be recorded, if it is not yet; `replaces` as `CapturedCall.replaces`."""
        if flow.id in self._open:
            return
        self._begun += 1
        self._open[flow.id] = _OpenCall(flow, self._begun, time.monotonic(), replaces)

    def take_over(self, other: "RecorderAddon") -> list[http.HTTPFlow]:
        """Go on with the calls that are in flight in another recorder, which ends; return their flows."""
        self._keys, self._sessions = other._keys, other._sessions
        for flow_id, call in other._open.items():
            self._begun += 1
            self._open[flow_id] = call._replace(order=self._begun)
        other._open = {}
        return [call.flow for call in self._open.values()]

    def order_of(self, flow: http.HTTPFlow) -> int | None:
        """Return the number of a call in flight; None if it is not to be stored."""
        call = self._open.get(flow.id)
        return call.order if call else None

    @contained_async
    async def response(self, flow: http.HTTPFlow) -> None:
        """Store a call that was answered."""
        await self._store(flow, None)

    @contained_async
    async def error(self, flow: http.HTTPFlow) -> None:
        """Store a call that failed."""
        await self._store(flow, flow.error.msg if flow.error else "unknown failure")

    def has_call(self, key: str | None, sid: str | None) -> bool:
        """Return whether a call of a key, and of a session, is in flight; None for any."""
        return any(is_of(call.flow, self._keys, key, sid) for call in [*self._open.values(), *self._storing.values()])

    async def drain(self, timeout_seconds: float) -> None:
        """Wait until the calls in hand are answered, at most for `timeout_seconds`."""
        await wait_until_idle(lambda: bool(self._open or self._storing), timeout_seconds)

    @contained
    def done(self) -> None:
        """Store the calls that are still open: they have no answer, or one that could not be stored."""
        while self._open:
            call = self._open.pop(next(iter(self._open)))
            self._store_unfinished(call.flow, call)

    @contained
    def _store_unfinished(self, flow: http.HTTPFlow, call: "_OpenCall") -> None:
        is_answered = flow.response is not None and flow.response.timestamp_end is not None
        captured = self._capture(call, None if is_answered else flow.error.msg if flow.error else STOPPED)
        self._sink.put(captured, captured.size)

    def _capture(self, call: "_OpenCall", error: str | None) -> CapturedCall:
        captured = capture(call.flow, error)
        # The clock of the machine may be set in the meantime.
        ended = captured.started + time.monotonic() - call.begun
        key = self._key_of(call.flow)
        return captured._replace(order=call.order, source=self.source, ended=ended, replaces=call.replaces, key=key)

    def _key_of(self, flow: http.HTTPFlow) -> str:
        """Return the key of a call, or of its session; that of a session which is opened is remembered."""
        key, route = key_of(flow).key, route_of(flow)
        if not key:
            return self._keys.get((route.sid if route else None) or "", "") if self._keys else ""
        answer = flow.response
        location = answer.headers.get("location") if answer and answer.status_code == SESSION_CREATED else None
        if sid := sid_of_location(location):
            if sid not in self._keys:
                self._sessions.make_room(self._keys, sid)
            self._keys[sid] = key
        return key

    async def _store(self, flow: http.HTTPFlow, error: str | None) -> None:
        if (call := self._open.get(flow.id)) is not None:
            self._storing[flow.id] = call  # first, so that it is in flight all the time
            del self._open[flow.id]
            try:
                captured = self._capture(call, error)
                if stored := self._sink.store(captured, captured.size):
                    await stored
            finally:
                del self._storing[flow.id]
                self.on_end()
