"""Sockets that listen, for one process or for several on one address, and the signals that end a server."""

import contextlib
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from functools import partial

from tapehead.errors import StartupError

BACKLOG = 2048
# Connections that are taken from another process at a time, ten times a second.
MOST_TAKEN = 8
STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


def listen(host: str, port: int, option: str | None = None) -> socket.socket:
    """Return a socket that listens on `host:port`; port 0 picks a free one.

    Args:
        host: the address.
        port: the port.
        option: the command line's option that named the address; None if there was none.

    Raises:
        StartupError: the address is in use, or not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartupError.of_listening(host, port, error, option) from error


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close sockets; connections to them are refused once all processes that have them have done so."""
    for each in sockets:
        each.close()


@contextlib.contextmanager
def listen_together(host: str, port: int, count: int, option: str | None = None) -> Iterator[list[socket.socket]]:
    """Yield a socket for each of some processes, all on one address; arguments and errors as for `listen`.

    Linux spreads connections evenly over them; where a system does not, it is one socket for all.
    """
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(listen(host, port, option))
        if count == 1 or sys.platform != "linux":
            yield [first] * count
            return
        # It has shown that the address is free, of sockets that would share it, too.
        address = first.getsockname()[:2]
        first.close()
        shared = partial(socket.create_server, address, family=first.family, backlog=BACKLOG, reuse_port=True)
        try:
            sockets = [stack.enter_context(shared()) for _ in range(count)]
        except OSError as error:
            raise StartupError.of_listening(host, address[1], error, option) from error
        yield sockets
