"""New clients, accepted as long as there is room for their connections upstream, too.

asyncio accepts all that wait, as long as there are descriptors. Where there are few, clients would take them all and
none would be left for any call's connection upstream: all of them would wait, so that none is idle and can be closed.
"""

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mitmproxy.addons import proxyserver
from mitmproxy.proxy import mode_servers

from tapehead.network.open_files import connections_that_fit
from tapehead.server.listening import BACKLOG

logger = logging.getLogger(__name__)

# A client's own connection, and that upstream.
CONNECTIONS_PER_CLIENT = 2
# As many are accepted even where the limit of open files leaves room for none, on paper.
LEAST_CLIENTS = 4
# Clients that are accepted in one turn of the event loop.
MOST_ACCEPTED = 16
# The pause where there is no room, that between attempts to make some, and that between lines.
PAUSE_SECONDS, MAKE_ROOM_SECONDS, SILENT_SECONDS = 0.05, 0.25, 60.0

Instance = mode_servers.AsyncioServerInstance[Any]
# mitmproxy's own way to listen, which returns what listens; and one instead of it.
OwnListen = Callable[[], Awaitable[list[Any]]]
Listen = Callable[[Instance, OwnListen], Awaitable[list[Any]]]


class ClientAdmission:
    """A limit on clients.

    Args:
        server: mitmproxy's server.
        make_room: called now and then while clients wait; it closes the connections of idle ones.
    """

    def __init__(self, server: proxyserver.Proxyserver, make_room: Callable[[], None]) -> None:
        self._server = server
        self._make_room = make_room
        self._arriving: set[asyncio.Task[Any]] = set()
        self._next_attempt = 0.0
        self._silent_until = 0.0

    def accept(self, instance: Instance, listener: socket.socket, most: int = MOST_ACCEPTED) -> int:
        """Accept clients that wait on a socket, which does not block; return as how many there is room for, at most.

        Raises:
            OSError: no more wait, as BlockingIOError, or none can be accepted.
        """
        room = max(0, min(most, _clients_that_fit() - len(self._server.connections) - len(self._arriving)))
        for _ in range(room):
            connection, _ = listener.accept()
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            task = loop.create_task(loop.connect_accepted_socket(partial(_protocol_of, instance), connection))
            self._arriving.add(task)
            task.add_done_callback(self._arrived)
        return room

    def ask_for_room(self) -> None:
        """Have idle clients closed while others wait, and say so now and then."""
        now = time.monotonic()
        if now >= self._next_attempt:
            self._next_attempt = now + MAKE_ROOM_SECONDS
            self._make_room()
        if now >= self._silent_until:
            self._silent_until = now + SILENT_SECONDS
            limit = f"the limit of open files leaves room for {_clients_that_fit()} at a time, raise it with ulimit -n"
            logger.warning("new players wait until others are idle; %s", limit)

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self._arriving.discard(task)
        if not task.cancelled():
            task.exception()  # of a client that has gone already, which asyncio does not tell either


def _clients_that_fit() -> int:
    fitting = connections_that_fit()
    return sys.maxsize if fitting is None else max(LEAST_CLIENTS, fitting // CONNECTIONS_PER_CLIENT)


def _protocol_of(instance: Instance) -> asyncio.StreamReaderProtocol:
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(), instance.handle_stream)


class _Listener:
    """The sockets of one of mitmproxy's servers, on which clients are accepted.

    Args:
        admission: the limit on clients.
        instance: mitmproxy's server.
        sockets: the sockets, which are closed with this.
    """

    def __init__(self, admission: ClientAdmission, instance: Instance, sockets: Sequence[socket.socket]) -> None:
        self._admission = admission
        self._instance = instance
        self.sockets = tuple(sockets)
        self._loop = asyncio.get_running_loop()
        for each in self.sockets:
            each.setblocking(False)
            self._listen(each)

    def close(self) -> None:
        """Listen no more."""
        for each in self.sockets:
            self._loop.remove_reader(each)
            each.close()

    def _listen(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:  # it may have been closed in the pause
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            if self._admission.accept(self._instance, listener):
                return
            self._admission.ask_for_room()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            self._loop.call_exception_handler({"message": "no client can be accepted", "exception": error})
        self._loop.remove_reader(listener)
        self._loop.call_later(PAUSE_SECONDS, self._listen, listener)


@contextlib.contextmanager
def listening(listen: Listen) -> Iterator[None]:
    """Have mitmproxy call a function to listen, instead of its own."""
    kind: Any = mode_servers.AsyncioServerInstance
    own = kind.listen

    async def listen_instead(instance: Instance, host: str, port: int) -> list[Any]:
        return await listen(instance, partial(own, instance, host, port))

    kind.listen = listen_instead
    try:
        yield
    finally:
        kind.listen = own


@contextlib.contextmanager
def limited_clients(admission: ClientAdmission) -> Iterator[None]:
    """Have mitmproxy accept clients as far as there is room, where there is a limit of open files."""

    async def listen(instance: Instance, own: OwnListen) -> list[Any]:
        opened = await own()
        if connections_that_fit() is None:
            return opened
        return [_take_over(admission, instance, each) if isinstance(each, asyncio.Server) else each for each in opened]

    with listening(listen):
        yield


def _take_over(admission: ClientAdmission, instance: Instance, server: asyncio.Server) -> _Listener:
    """Return what listens on copies of a server's sockets, and so goes on where that is closed."""
    sockets = [each.dup() for each in server.sockets]
    for each in sockets:
        each.listen(BACKLOG)  # players that find no place in it are not even connected
    server.close()
    return _Listener(admission, instance, sockets)
