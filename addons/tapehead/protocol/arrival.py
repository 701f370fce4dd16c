"""Order of arrival: by the numbers that a source gave to its calls, and by time between sources.

The lines of a recording stand in the order of answers, times may be equal, and the clock of a machine may be set back.
Numbers tell the order in all of these cases; calls of format 1 have none and are taken by time alone.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry, Exchange

# Longer than a player, or a proxy, waits for an answer.
LONGEST_ANSWER_MS = 120_000
# A later call with an earlier time, by more than this, shows that the clock was set back.
CLOCK_STEP_MS = 1000.0


class _Time(NamedTuple):
    """The latest call of a source: its number, its time, and by how much times are shifted since a clock was set."""

    order: int
    arrived_ms: float
    shift_ms: float


class ArrivalClock:
    """Times of arrival that never go back from one call of a source to the next.

    Where a clock was set back, all later times of that source are shifted so that they go on from there.
    """

    def __init__(self) -> None:
        self._latest: dict[str, _Time] = {}

    def arrived_ms(self, exchange: Exchange) -> float | None:
        """Return when a call arrived, in milliseconds since 1970; None if the recording has no such time.

        Calls are taken in their order, as far as that is possible. One that comes too late is never later than those
        that it preceded; if its own time is, its number is of another count.
        """
        time = arrival_of(exchange)
        if time is None or exchange.order is None:
            return time
        latest = self._latest.get(exchange.source)
        if latest is None:
            latest = self._latest[exchange.source] = _Time(exchange.order, time, 0.0)
        shifted = time + latest.shift_ms
        if exchange.order < latest.order:
            if time <= latest.arrived_ms + LONGEST_ANSWER_MS:
                return min(shifted, latest.arrived_ms)
            # Another file of that name, imported on its own, whose numbers begin again.
            self._latest[exchange.source] = _Time(exchange.order, time, 0.0)
            return time
        back = latest.arrived_ms - shifted
        shift = latest.shift_ms + (back if back > CLOCK_STEP_MS else 0.0)
        arrived = max(shifted, latest.arrived_ms)
        self._latest[exchange.source] = _Time(exchange.order, arrived, shift)
        return arrived


def in_order_of_arrival(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries in order of arrival; those whose time is unknown stay behind the one before."""
    by_source: dict[str, list[tuple[int, Entry]]] = {}
    everything = list(entries)
    for place, entry in enumerate(everything):
        if entry.exchange.order is not None:
            by_source.setdefault(entry.exchange.source, []).append((place, entry))
    clock, keys = ArrivalClock(), dict[int, tuple[float, int]]()
    for counted in by_source.values():
        for place, entry in sorted(counted, key=lambda item: item[1].exchange.order or 0):
            keys[place] = (clock.arrived_ms(entry.exchange) or 0.0, entry.exchange.order or 0)
    latest = 0.0
    for place, entry in enumerate(everything):
        if place not in keys:
            arrived = arrival_of(entry.exchange)
            keys[place] = (latest if arrived is None else arrived, 0)
        latest = keys[place][0]
    return [everything[place] for place in sorted(range(len(everything)), key=keys.__getitem__)]
