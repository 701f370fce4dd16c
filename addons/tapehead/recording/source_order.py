"""Sorting of a stream of entries by the numbers that their sources gave them, in bounded memory.

Lines stand in the order of answers. An entry waits until all calls with lower numbers of its source have come. A call
that is missing is either still in flight or not in the recording, which nobody can tell; so the wait ends once answers
of two minutes, a thousand entries or 32 MB have come by. A call that is answered later than that is passed on when it
comes: the audit puts it in its place and evaluates its session anew.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tapehead.protocol.arrival import LONGEST_ANSWER_MS
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry, Exchange

MOST_HELD = 1000
MOST_BYTES = 32_000_000


class _Held(NamedTuple):
    """An entry that waits for calls with lower numbers: its number, its place in the stream, the time of its answer."""

    order: int
    place: int
    answered_ms: float
    entry: Entry


class _Source:
    """The calls of one source: the number that is due, the calls after it, and the time of the latest answer."""

    __slots__ = ("answered_ms", "due", "held", "places")

    def __init__(self) -> None:
        self.due = 1
        self.answered_ms = 0.0
        self.held: list[_Held] = []
        self.places = _Places()


class _Places:
    """The places of entries that wait: a heap from which those that wait no more are taken out late."""

    def __init__(self) -> None:
        self.waiting: set[int] = set()
        self._heap: list[int] = []

    def add(self, place: int) -> None:
        """Add the place of an entry that waits from now on."""
        self.waiting.add(place)
        heapq.heappush(self._heap, place)

    def first(self) -> int | None:
        """Return the first place; None if nothing waits."""
        while self._heap and self._heap[0] not in self.waiting:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None


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
        self._places = _Places()
        self._bytes = 0
        # By place, that of the first call that waited for it, and by number.
        self._ready: list[tuple[int, int, int, Entry]] = []

    def is_due(self, exchange: Exchange) -> bool:
        """Return whether the next exchange can be passed on at once, since nothing waits, and count it if so."""
        if self._places.waiting or self._ready:
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
        self._bytes += _size(entry.exchange)
        order = entry.exchange.order
        if order is None:
            heapq.heappush(self._ready, (place, 0, place, entry))
            return
        source = self._source_of(entry.exchange)
        held = _Held(order, place, (arrival_of(entry.exchange) or 0.0) + entry.exchange.elapsed_ms, entry)
        source.answered_ms = max(source.answered_ms, held.answered_ms)
        self._places.add(place)
        source.places.add(place)
        heapq.heappush(source.held, held)
        self._release(source)
        while len(self._places.waiting) + len(self._ready) > MOST_HELD or self._bytes > MOST_BYTES:
            first = next((each for each in self._sources.values() if each.held), None)
            if first is None:
                return
            first.due = first.held[0].order
            self._release(first)

    def ready(self) -> Iterator[Entry]:
        """Yield the entries that nothing before them waits for."""
        first = self._places.first()
        while self._ready and (first is None or first >= self._ready[0][0]):
            entry = heapq.heappop(self._ready)[-1]
            self._bytes -= _size(entry.exchange)
            yield entry

    def rest(self) -> Iterator[Entry]:
        """Yield everything that is left; nothing more comes."""
        for source in self._sources.values():
            self._pass_on(source, sorted(source.held))
        yield from self.ready()

    def _release(self, source: _Source) -> None:
        """Pass on the calls of a source that are due, and those that waited too long."""
        released: list[_Held] = []
        while source.held and (
            source.held[0].order <= source.due or source.answered_ms - source.held[0].answered_ms > LONGEST_ANSWER_MS
        ):
            released.append(heapq.heappop(source.held))
            source.due = max(source.due, released[-1].order + 1)
        self._pass_on(source, released)

    def _pass_on(self, source: _Source, released: list[_Held]) -> None:
        for places in (self._places, source.places):
            places.waiting.difference_update(held.place for held in released)
        following = source.places.first()
        for held in reversed(released):
            following = held.place if following is None else min(following, held.place)
            heapq.heappush(self._ready, (following, held.order, held.place, held.entry))


def _size(exchange: Exchange) -> int:
    """Return the approximate size of an exchange in memory, in bytes."""
    messages = filter(None, (exchange.request, exchange.response))
    return 4000 + sum(len(each.body) + len(each.text or "") + len(each.base64 or "") for each in messages)
