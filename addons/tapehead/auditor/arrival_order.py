"""The order of arrival, the same however the exchanges were spread over files.

Recordings hold exchanges in the order of their answers, and files are merged by time, so an exchange comes no later
than its answer after others that arrived with it. Of equal times, the content of the exchanges decides.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from math import inf

from tapehead.protocol.arrival import LONGEST_ANSWER_MS
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry

# The exchanges that wait for earlier ones.
MOST_WAITING = 2000


def _content_of(entry: Entry) -> tuple[str, str, bytes, int]:
    exchange = entry.exchange
    status = exchange.response.status if exchange.response else 0
    return exchange.session or "", exchange.request.url, exchange.request.content(), status


class ArrivalQueue:
    """Exchanges put in the order of arrival, as far as they stand out of it by two minutes and 2000 exchanges.

    An exchange without a time keeps its place after the one before it.
    """

    def __init__(self) -> None:
        # In order: the time, number and duration of each exchange that waits, and the exchange. Most come last.
        self._keys: deque[tuple[float, int, float]] = deque()
        self._waiting: deque[Entry] = deque()
        self._latest_ms = self._arrived_ms = -inf

    def put(self, entry: Entry) -> None:
        """Take the next exchange."""
        exchange, keys, waiting = entry.exchange, self._keys, self._waiting
        known_ms = arrival_of(exchange)
        if known_ms is not None:
            self._arrived_ms = known_ms
            self._latest_ms = max(self._latest_ms, known_ms)
        key = (self._arrived_ms, exchange.order or 0, exchange.elapsed_ms)
        if not keys or key > keys[-1]:
            keys.append(key)
            waiting.append(entry)
            return
        place = bisect_right(keys, key)
        while place and keys[place - 1] == key and _content_of(entry) < _content_of(waiting[place - 1]):
            place -= 1
        keys.insert(place, key)
        waiting.insert(place, entry)

    def take(self) -> Entry | None:
        """Remove the first exchange, and return it; None if others may still come before it."""
        if not self._keys or (
            self._keys[0][0] >= self._latest_ms - LONGEST_ANSWER_MS and len(self._keys) <= MOST_WAITING
        ):
            return None
        self._keys.popleft()
        return self._waiting.popleft()

    def add(self, entry: Entry) -> Iterator[Entry]:
        """Take the next exchange; yield those that none can come before any more."""
        self.put(entry)
        while due := self.take():
            yield due

    def remove(self, sid: str) -> list[Entry]:
        """Remove the exchanges of a session that wait, and return them."""
        kept = [
            (key, each) for key, each in zip(self._keys, self._waiting, strict=True) if each.exchange.session != sid
        ]
        removed = [each for each in self._waiting if each.exchange.session == sid]
        self._keys, self._waiting = deque(key for key, _ in kept), deque(each for _, each in kept)
        return removed

    def close(self) -> Iterator[Entry]:
        """Yield the exchanges that are left."""
        while self._waiting:
            self._keys.popleft()
            yield self._waiting.popleft()


def sort_by_arrival(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield exchanges in the order of arrival, as `ArrivalQueue` puts them."""
    queue = ArrivalQueue()
    for entry in entries:
        queue.put(entry)
        while due := queue.take():
            yield due
    yield from queue.close()
