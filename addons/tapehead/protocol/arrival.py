"""Order of arrival: by the numbers that a source gave to its calls, and by time between sources.

The lines of a recording stand in the order of answers, times may be equal, and the clock of a machine may be set back.
Numbers tell the order in all of these cases; calls of format 1 have none and are taken by time alone.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from tapehead.protocol.events import parse_time

# Longer than a player, or a proxy, waits for an answer.
LONGEST_ANSWER_MS = 120_000
# A later call with an earlier time, by more than this, shows that the clock was set back.
CLOCK_STEP_MS = 1000.0


class Arrived(Protocol):
    """A call that came from a source at a time: an exchange, or a part of one."""

    @property
    def started(self) -> str:
        """The time at which its request came, as `Exchange.started`."""
        ...

    @property
    def order(self) -> int | None:
        """The number of its arrival, as `Exchange.order`."""
        ...

    @property
    def source(self) -> str:
        """The source that counted its number, as `Exchange.source`."""
        ...


class _Latest:
    """The latest call of a source: its number, its time, and by how much times are shifted since a clock was set."""

    __slots__ = ("arrived_ms", "order", "shift_ms")

    def __init__(self, order: int, arrived_ms: float) -> None:
        self.order = order
        self.arrived_ms = arrived_ms
        self.shift_ms = 0.0


class ArrivalClock:
    """Times of arrival that never go back from one call of a source to the next.

    Where a clock was set back, all later times of that source are shifted so that they go on from there.
    """

    def __init__(self) -> None:
        self._latest: dict[str, _Latest] = {}

    def arrived_ms(self, exchange: Arrived) -> float | None:
        """Return when a call arrived, in milliseconds since 1970; None if the recording has no such time.

        Calls are taken in their order, as far as that is possible. One that comes too late is never later than those
        that it preceded; if its own time is, its number is of another count.
        """
        time = parse_time(exchange.started)
        if time is None or exchange.order is None:
            return time
        latest = self._latest.get(exchange.source)
        if latest is None:
            latest = self._latest[exchange.source] = _Latest(exchange.order, time)
        shifted = time + latest.shift_ms
        if exchange.order < latest.order:
            if time <= latest.arrived_ms + LONGEST_ANSWER_MS:
                return min(shifted, latest.arrived_ms)
            # Another file of that name, imported on its own, whose numbers begin again.
            self._latest[exchange.source] = _Latest(exchange.order, time)
            return time
        back = latest.arrived_ms - shifted
        if back > CLOCK_STEP_MS:
            latest.shift_ms += back
        latest.order = exchange.order
        if back < 0:
            latest.arrived_ms = shifted
        return latest.arrived_ms


def in_order_of_arrival[Call: Arrived](calls: Iterable[Call]) -> list[Call]:
    """Return calls in order of arrival; those whose time is unknown stay behind the one before."""
    everything = list(calls)
    if is_in_order(everything):
        return everything
    by_source: dict[str, list[tuple[int, Call]]] = {}
    for place, call in enumerate(everything):
        if call.order is not None:
            by_source.setdefault(call.source, []).append((place, call))
    clock, keys = ArrivalClock(), dict[int, tuple[float, int]]()
    for counted in by_source.values():
        for place, call in sorted(counted, key=lambda item: item[1].order or 0):
            keys[place] = (clock.arrived_ms(call) or 0.0, call.order or 0)
    latest = 0.0
    for place, call in enumerate(everything):
        if place not in keys:
            arrived = parse_time(call.started)
            keys[place] = (latest if arrived is None else arrived, 0)
        latest = keys[place][0]
    return [everything[place] for place in sorted(range(len(everything)), key=keys.__getitem__)]


def is_in_order(calls: Sequence[Arrived]) -> bool:
    """Return whether calls are in order of arrival by times and by numbers, as in most recordings."""
    latest, number, orders = datetime.min.replace(tzinfo=UTC), 0, dict[str, int]()
    for call in calls:
        try:
            time, order = datetime.fromisoformat(call.started), call.order
        except ValueError:
            return False
        if time.tzinfo is None or time < latest or (time == latest and (order or 0) < number):
            return False
        latest, number = time, order or 0
        if order is not None:
            if order <= orders.get(call.source, -1):
                return False
            orders[call.source] = order
    return True
