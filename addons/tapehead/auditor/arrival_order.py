"""The order of arrival, the same however the exchanges were spread over files.

Recordings hold exchanges in the order of their answers, and files are merged by time, so an exchange comes no later
than its answer after others that arrived with it. Of equal times, the content of the exchanges decides.
"""

import heapq
from collections.abc import Iterable, Iterator
from math import inf

from tapehead.protocol.arrival import LONGEST_ANSWER_MS
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry

# The exchanges that wait for earlier ones.
MOST_WAITING = 2000


class _Content:
    """The content of an exchange, compared only where all else is equal."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def __lt__(self, other: "_Content") -> bool:
        return _content_of(self.entry) < _content_of(other.entry)


def _content_of(entry: Entry) -> tuple[str, str, bytes, int]:
    exchange = entry.exchange
    status = exchange.response.status if exchange.response else 0
    return exchange.session or "", exchange.request.url, exchange.request.content(), status


class ArrivalQueue:
    """Puts exchanges in the order of arrival, as far as they stand out of it by two minutes and 2000 exchanges.

    An exchange without a time keeps its place after the one before it.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, float, _Content]] = []
        self._latest_ms = self._arrived_ms = -inf

    def add(self, entry: Entry) -> Iterator[Entry]:
        """Take the next exchange; yield those that none can come before any more."""
        exchange, waiting = entry.exchange, self._waiting
        known_ms = arrival_of(exchange)
        self._arrived_ms = self._arrived_ms if known_ms is None else known_ms
        self._latest_ms = max(self._latest_ms, self._arrived_ms)
        heapq.heappush(waiting, (self._arrived_ms, exchange.order or 0, exchange.elapsed_ms, _Content(entry)))
        while waiting and (waiting[0][0] < self._latest_ms - LONGEST_ANSWER_MS or len(waiting) > MOST_WAITING):
            yield heapq.heappop(waiting)[3].entry

    def remove(self, sid: str) -> list[Entry]:
        """Remove the exchanges of a session that wait, and return them."""
        removed = [each[3].entry for each in self._waiting if each[3].entry.exchange.session == sid]
        self._waiting[:] = [each for each in self._waiting if each[3].entry.exchange.session != sid]
        heapq.heapify(self._waiting)
        return removed

    def close(self) -> Iterator[Entry]:
        """Yield the exchanges that are left."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[3].entry


def sort_by_arrival(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield exchanges in the order of arrival, as `ArrivalQueue` puts them."""
    queue = ArrivalQueue()
    for entry in entries:
        yield from queue.add(entry)
    yield from queue.close()
