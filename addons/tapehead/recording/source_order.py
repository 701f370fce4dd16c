"""Sorting of a stream of entries by the numbers that their sources gave them, in bounded memory.

Lines stand in the order of answers. An entry waits until all calls with lower numbers of its source have come. A call
that is missing is either still in flight or not in the recording, which nobody can tell; so the wait ends once answers
of two minutes, a thousand entries or 32 MB have come by. A call that is answered later than that is passed on when it
comes: the audit puts it in its place and evaluates its session anew.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from tapehead.protocol.arrival import LONGEST_ANSWER_MS
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry, Exchange

MOST_HELD = 1000
MOST_BYTES = 32_000_000

# An entry that waits for calls with lower numbers: its number, its place in the stream, the time of its answer, its
# size, and the entry. Plain tuples, which are made and compared several times for each call.
_Held = tuple[int, int, float, int, Entry]


class _Source:
    """The calls of one source: the number that is due, the calls after it, and the time of the latest answer.

    Attributes:
        places: the places of the calls that wait, in order, of which those that wait no more are taken out late.
    """

    __slots__ = ("answered_ms", "due", "held", "places")

    def __init__(self) -> None:
        self.due = 1
        self.answered_ms = 0.0
        self.held: list[_Held] = []
        self.places = deque[int]()


def sort_by_number(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries with the calls of each source in the order of their numbers, and else as they come."""
    sorter = _NumberSorter()
    for place, entry in enumerate(entries):
        if sorter.is_due(entry.exchange):
            yield entry
        else:
            sorter.add(place, entry)
            yield from sorter.ready()
    yield from sorter.rest()


class _NumberSorter:
    """The entries that wait, and those that are ready to be passed on.

    What comes after an entry that waits is passed on after it, so that other sources do not run ahead.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._waiting = set[int]()
        # The places of all entries that wait, as those of a source.
        self._places = deque[int]()
        self._count = self._bytes = 0
        # By place, that of the first call that waited for it, and by number; then size and entry.
        self._ready: list[tuple[int, int, int, int, Entry]] = []

    def is_due(self, exchange: Exchange) -> bool:
        """Return whether the next exchange can be passed on at once, since nothing waits, and count it if so."""
        if self._waiting or self._ready:
            return False
        if exchange.order is not None:
            source = self._source_of(exchange)
            if exchange.order > source.due:
                return False
            source.due = max(source.due, exchange.order + 1)
        return True

    def _source_of(self, exchange: Exchange) -> _Source:
        source = self._sources.get(exchange.source)
        if source is None:
            source = self._sources[exchange.source] = _Source()
        return source

    def add(self, place: int, entry: Entry) -> None:
        """Take the next entry, at that place of the stream."""
        exchange = entry.exchange
        order, size = exchange.order, _size(exchange)
        self._count += 1
        self._bytes += size
        if order is None:
            heappush(self._ready, (place, 0, place, size, entry))
            return
        source = self._source_of(exchange)
        answered_ms = (arrival_of(exchange) or 0.0) + exchange.elapsed_ms
        if answered_ms > source.answered_ms:
            source.answered_ms = answered_ms
        self._waiting.add(place)
        self._places.append(place)
        source.places.append(place)
        heappush(source.held, (order, place, answered_ms, size, entry))
        self._release(source)
        while self._count > MOST_HELD or self._bytes > MOST_BYTES:
            first = next((each for each in self._sources.values() if each.held), None)
            if first is None:
                return
            first.due = first.held[0][0]
            self._release(first)

    def ready(self) -> Iterator[Entry]:
        """Yield the entries that nothing before them waits for."""
        if not self._ready:
            return
        first = self._first_of(self._places)
        while self._ready and (first is None or first >= self._ready[0][0]):
            _, _, _, size, entry = heappop(self._ready)
            self._count -= 1
            self._bytes -= size
            yield entry

    def rest(self) -> Iterator[Entry]:
        """Yield everything that is left; nothing more comes."""
        for source in self._sources.values():
            self._pass_on(source, sorted(source.held))
        yield from self.ready()

    def _release(self, source: _Source) -> None:
        """Pass on the calls of a source that are due, and those that waited too long."""
        held, oldest_ms = source.held, source.answered_ms - LONGEST_ANSWER_MS
        if held[0][0] > source.due and held[0][2] >= oldest_ms:  # as in most cases
            return
        released: list[_Held] = []
        while held and (held[0][0] <= source.due or held[0][2] < oldest_ms):
            released.append(heappop(held))
            source.due = max(source.due, released[-1][0] + 1)
        self._pass_on(source, released)

    def _pass_on(self, source: _Source, released: list[_Held]) -> None:
        self._waiting.difference_update([held[1] for held in released])
        following = self._first_of(source.places)
        for order, place, _, size, entry in reversed(released):
            following = place if following is None else min(following, place)
            heappush(self._ready, (following, order, place, size, entry))

    def _first_of(self, places: deque[int]) -> int | None:
        """Return the first of the places that still waits; None if none does."""
        while places and places[0] not in self._waiting:
            places.popleft()
        return places[0] if places else None


def _size(exchange: Exchange) -> int:
    """Return the approximate size of an exchange in memory, in bytes."""
    size = 4000
    for message in (exchange.request, exchange.response):
        if message is not None:
            size += len(message.body)
            if message.text is not None or message.base64 is not None:
                size += len(message.text or "") + len(message.base64 or "")
    return size
