"""Room for new connections: those that are idle longest are closed where few descriptors are left."""

import asyncio
import logging
import os
import select
import time
from collections.abc import Callable, Iterable

from tapehead.network.open_files import connections_that_fit
from tapehead.text import count_of

logger = logging.getLogger(__name__)

# A sixteenth of the connections that fit is kept free, as nginx does, within these numbers.
FRACTION, LEAST_FREE, MOST_FREE = 16, 4, 256
# A connection without a request is closed after this time; a younger one may just be sending its first.
LEAST_IDLE_SECONDS = 1.0
# The time after which room is looked for again, and the pause between lines.
AGAIN_SECONDS, SILENT_SECONDS = 1.0, 60.0
# Descriptors that the look-up of a name and a new TLS connection take for a moment.
PASSING_FILES = 3


class ConnectionReserve:
    """A limit on connections, which keeps room for new ones.

    Args:
        count: returns the number of open connections, without those that are being closed.
        close_idle: closes connections of idle clients, those that are idle longest first, until as many are closed as
            it is called with; returns how many clients they were of.
    """

    def __init__(self, count: Callable[[], int], close_idle: Callable[[int], int]) -> None:
        self._count = count
        self._close_idle = close_idle
        self._room = 0
        self._closed = 0
        self._silent_until = 0.0
        self._again: asyncio.TimerHandle | None = None

    def add(self) -> None:
        """Count a new connection, and make room where little is left."""
        self._room -= 1
        if self._room <= 0:
            self.make_room()

    def make_room(self) -> None:
        """Close idle connections if few more fit, now and every second until more do."""
        fitting = connections_that_fit()
        if fitting is None:
            self._room = MOST_FREE
            return
        wanted = max(LEAST_FREE, min(fitting // FRACTION, MOST_FREE))
        room = fitting - self._count()
        # At most as many are opened before all are counted again.
        self._room = max(1, min(room - wanted, MOST_FREE), wanted // FRACTION)
        if room < wanted:
            self._closed += self._close_idle(2 * wanted - room)
            self._tell(fitting)
            if self._again is None:
                self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._make_room_again)

    def _make_room_again(self) -> None:
        self._again = None
        self.make_room()

    def _tell(self, fitting: int) -> None:
        if self._closed and time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + SILENT_SECONDS
            limit = f"the limit of open files leaves room for {fitting} connections, raise it with ulimit -n"
            logger.warning("closed %s for new ones; %s", count_of(self._closed, "idle connection"), limit)
            self._closed = 0


def has_room(connections: int) -> bool:
    """Return whether as many connections can be opened now, by trying it with files."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(connections + PASSING_FILES))
    except OSError:
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True


def readable(descriptors: Iterable[int]) -> set[int]:
    """Return those sockets from which something can be read: a request that has come, or the end of the connection."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(0)}
