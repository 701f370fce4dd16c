"""Closing of connections that are idle longest, where descriptors run low, and a wait for some to be had.

A client that keeps its connection open takes two descriptors: its own, and that of its connection upstream. Without
this, enough idle clients leave none for the calls of others, which would get a 502.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast
from weakref import WeakSet

from mitmproxy.addons import proxyserver
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from tapehead.internal_errors import InternalErrors
from tapehead.network.connection_reserve import LEAST_IDLE_SECONDS, ConnectionReserve, has_room, readable
from tapehead.proxy.client_admission import CONNECTIONS_PER_CLIENT
from tapehead.proxy.error_boundary import contained, contained_async
from tapehead.proxy.whole_requests import WholeRequestLayer

# A client that has sent nothing so far may be far away; a tunnel whose content is not known may wait for an answer.
SILENT_IDLE_SECONDS, TUNNEL_IDLE_SECONDS = 5.0, 30.0
# The time that a new connection upstream waits for a descriptor, and the pause between attempts.
WAIT_SECONDS, PAUSE_SECONDS = 5.0, 0.05


class _Idle(NamedTuple):
    """An idle client: whether it has a tunnel, when it was active, its socket, and its connections."""

    is_tunnel: bool
    active: float
    descriptor: int
    handler: ProxyConnectionHandler


class IdleConnections:
    """An addon that closes idle connections of clients for new ones.

    Args:
        server: mitmproxy's server.
        http_layer_of: returns a client's innermost HTTP layer, or None.
        internal_errors: records failures of the hooks.
    """

    def __init__(
        self,
        server: proxyserver.Proxyserver,
        http_layer_of: Callable[[Client], WholeRequestLayer | None],
        internal_errors: InternalErrors,
    ) -> None:
        self.internal_errors = internal_errors
        self._server = server
        self._http_layer_of = http_layer_of
        self._reserve = ConnectionReserve(self._count, self._close_idle)
        self._opening: WeakSet[Server] = WeakSet()
        self._heard: WeakSet[Client] = WeakSet()

    @contained
    def client_connected(self, client: Client) -> None:
        """Count a client."""
        if client.transport_protocol == "tcp":
            self._reserve.add()

    @contained
    def next_layer(self, choice: NextLayer) -> None:
        """Remember a client that has sent something."""
        if choice.data_client():
            self._heard.add(choice.context.client)

    @contained_async
    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Count a connection upstream, and wait for a descriptor where there is none."""
        if data.server.error:  # it is not to be opened
            return
        self._reserve.add()
        deadline = time.monotonic() + WAIT_SECONDS
        while not has_room(1 + sum(map(_is_opening, self._opening))) and time.monotonic() < deadline:
            self._reserve.make_room()
            await asyncio.sleep(PAUSE_SECONDS)
        self._opening.add(data.server)

    def make_room(self) -> None:
        """Close idle connections where few more fit."""
        self._reserve.make_room()

    def _count(self) -> int:
        return sum(_size(each) for each in self._server.connections.values() if not _is_closing(each))

    def _close_idle(self, wanted: int) -> int:
        idle = heapq.nsmallest(wanted, self._idle(), key=lambda each: each[:2])
        busy, freed, closed = readable(each.descriptor for each in idle), 0, 0
        for each in idle:
            if freed < wanted and each.descriptor not in busy:
                freed += _size(each.handler)
                closed += 1
                cast(Any, _client_io(each.handler)).handler.cancel("closed to make room")
        return closed

    def _idle(self) -> Iterator[_Idle]:
        now = time.time()
        for handler in self._server.connections.values():
            watchdog, opened = handler.timeout_watchdog, _client_io(handler)
            # A hook may be in progress, and bytes may wait to be handled or sent.
            if opened is None or _is_closing(handler) or not watchdog.can_timeout.is_set() or _has_bytes(opened):
                continue
            http = self._http_layer_of(handler.client)
            if http and not http.is_idle and not http.is_tunnel:
                continue
            is_tunnel = not http.is_idle if http else handler.client in self._heard
            least = TUNNEL_IDLE_SECONDS if is_tunnel else LEAST_IDLE_SECONDS if http else SILENT_IDLE_SECONDS
            # The clock may have been set in the meantime.
            if abs(now - watchdog.last_activity) >= least:
                descriptor = cast(Any, opened.writer).get_extra_info("socket").fileno()
                yield _Idle(is_tunnel, watchdog.last_activity, descriptor, handler)


def _size(handler: ProxyConnectionHandler) -> int:
    """Return a client's connections, with that upstream which it has not opened yet."""
    return max(CONNECTIONS_PER_CLIENT, len(handler.transports))


def _client_io(handler: ProxyConnectionHandler) -> ConnectionIO | None:
    """Return a client's connection if it takes a descriptor, which those of WireGuard and local mode do not."""
    opened = handler.transports.get(handler.client)
    if opened and opened.handler and opened.writer and opened.writer.get_extra_info("socket", None):
        return opened
    return None


def _is_closing(handler: ProxyConnectionHandler) -> bool:
    opened = handler.transports.get(handler.client)
    return opened is None or bool(opened.handler and opened.handler.cancelling())


def _has_bytes(opened: ConnectionIO) -> bool:
    reader, writer = cast(Any, opened.reader), cast(Any, opened.writer)
    return bool(reader._buffer) or writer.transport.is_closing() or writer.transport.get_write_buffer_size() > 0


def _is_opening(server: Server) -> bool:
    return server.state is ConnectionState.CLOSED and server.error is None and server.timestamp_end is None
