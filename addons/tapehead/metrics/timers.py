"""Clocks of the metrics: plain ones, intervals that begin and end, ads and chapters, player states.

All count milliseconds. What is still open when a session ends is counted or left out by `with_open`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from operator import not_
from typing import Any

from tapehead.protocol import backend_limits
from tapehead.protocol.events import Event
from tapehead.protocol.keys import STATE_NAME, STATES_END, STATES_START
from tapehead.protocol.parameters import STANDARD_STATES

_STANDARD = frozenset(map(str.lower, STANDARD_STATES))


def seconds(elapsed_ms: int) -> float:
    """Return milliseconds as seconds, rounded to milliseconds."""
    return round(elapsed_ms / 1000, 3)


class Clock:
    """Milliseconds that add up."""

    __slots__ = ("ms",)

    def __init__(self) -> None:
        self.ms = 0


class Interval:
    """A condition that begins and ends, again and again: a pause, a buffer, a state."""

    __slots__ = ("count", "is_open", "ms", "open_ms")

    def __init__(self) -> None:
        self.count = 0
        self.ms = 0
        self.open_ms = 0
        self.is_open = False

    def begin(self) -> None:
        """Begin, unless it is open."""
        self.count += not self.is_open
        self.is_open = True

    def pass_time(self, elapsed_ms: int) -> None:
        """Note that `elapsed_ms` passed."""
        if self.is_open:
            self.open_ms += elapsed_ms

    def end(self) -> None:
        """End, if it is open."""
        self.ms += self.open_ms
        self.open_ms = 0
        self.is_open = False

    def total_ms(self, *, with_open: bool) -> int:
        """Return how long it lasted in all, with or without the time since it last began."""
        return self.ms + (self.open_ms if with_open else 0)


class Rest:
    """The latest rest of a session's content: a pause, a buffer, or a playhead that stands still.

    Attributes:
        longest_ms: the longest rest after which content went on.
    """

    def __init__(self) -> None:
        self._since: int | None = None
        self._playhead: float | None = None
        self._moved_at = 0
        self.longest_ms = 0

    def note(self, event: Event, playhead: float | None, *, stalls: bool) -> None:
        """Note the next event; `stalls` says that the playhead of playing content stood still before it."""
        if event.ts is None:
            return
        if event.type in ("pauseStart", "bufferStart") and self._since is None:
            self._since = event.ts
        elif event.type == "play" and self._since is not None:
            self.longest_ms = max(self.longest_ms, event.ts - self._since)
            self._since = None
        if playhead is not None and playhead != self._playhead:
            if stalls:
                self.longest_ms = max(self.longest_ms, event.ts - self._moved_at)
            self._playhead, self._moved_at = playhead, event.ts


class Segment(Clock):
    """An ad or a chapter.

    Attributes:
        names: the values that name it.
        is_open: whether it goes on.
        completed: whether it came to its end.
        is_ignored: whether it does not count.
        within: of an ad, how long it played in each chapter, in milliseconds.
    """

    __slots__ = ("completed", "is_ignored", "is_open", "names", "within")

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__()
        self.names = names
        self.is_open = True
        self.completed = self.is_ignored = False
        self.within: dict[Segment, int] = {}

    def counted_ms(self, *, with_open: bool) -> int:
        """Return how long it played; 0 if it is still open, unless `with_open`."""
        return self.ms if with_open or not self.is_open else 0


class Segments:
    """The ads or the chapters of a session, in their order; at most one is open."""

    def __init__(self) -> None:
        self.all: list[Segment] = []
        self.open: Segment | None = None

    def begin(self, names: dict[str, Any]) -> None:
        """Begin another one; one that is open is abandoned."""
        self.end(completed=False)
        self.open = Segment(names)
        self.all.append(self.open)

    def end(self, *, completed: bool) -> None:
        """End the one that is open, if any."""
        if self.open:
            self.open.completed, self.open.is_open = completed, False
        self.open = None

    def counted(self) -> list[Segment]:
        """Return those that are not ignored."""
        return [segment for segment in self.all if not segment.is_ignored]

    def total_ms(self, *, with_open: bool) -> int:
        """Return how long they played in all, with or without the one that is open."""
        return sum(segment.counted_ms(with_open=with_open) for segment in self.counted())

    def rows(self, name: str, *, with_open: bool, more_ms: Callable[[Segment], int]) -> list[dict[str, Any]]:
        """Return the metrics of each; `name` is `ad` or `chapter`, `more_ms` returns what it played besides."""
        return [
            {
                **segment.names,
                f"{name}_completes": int(segment.completed),
                f"{name}_time_spent": seconds(segment.counted_ms(with_open=with_open) + more_ms(segment)),
            }
            for segment in self.counted()
        ]


def sum_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the session's metrics of its ads or chapters, from those of each."""
    return {
        f"{name}_starts": len(rows),
        f"{name}_completes": sum(row[f"{name}_completes"] for row in rows),
        f"{name}_time_spent": round(sum((row[f"{name}_time_spent"] for row in rows), 0.0), 3),
        f"{name}_count": len(rows),
    }


class States:
    """The player states of a session, each an interval by its name; standard ones by the name they are reported by."""

    def __init__(self) -> None:
        self._intervals: dict[str, Interval] = {}

    def intervals(self) -> Iterable[Interval]:
        """Return the interval of each state that ever began."""
        return self._intervals.values()

    def begin(self, params: Mapping[str, Any]) -> None:
        """Begin the state that `params` names; each start counts, even that of an open state."""
        name = _state_name(params)
        if name is None or (name not in self._intervals and len(self._intervals) == backend_limits.STATES):
            return
        interval = self._intervals.setdefault(name, Interval())
        interval.count += interval.is_open
        interval.begin()

    def end(self, params: Mapping[str, Any]) -> None:
        """End the state that `params` names, if it is open."""
        if interval := self._intervals.get(_state_name(params) or ""):
            interval.end()

    def update(self, params: Mapping[str, Any]) -> None:
        """Apply a statesUpdate in the order of the session machine: what is open ends first."""
        ends = _listed(params.get(STATES_END))
        known = [self._intervals.get(_state_name(state) or "") for state in ends]
        was_open = [interval is not None and interval.is_open for interval in known]
        for state in compress(ends, was_open):
            self.end(state)
        for state in _listed(params.get(STATES_START)):
            self.begin(state)
        for state in compress(ends, map(not_, was_open)):
            self.end(state)

    def rows(self, *, with_open: bool) -> dict[str, dict[str, Any]]:
        """Return the metrics of each state, by its name."""
        return {
            name: {
                "count": interval.count,
                "impacted_streams": int(interval.count > 0),
                "total_duration": seconds(interval.total_ms(with_open=with_open)),
            }
            for name, interval in self._intervals.items()
        }


def _state_name(params: Mapping[str, Any]) -> str | None:
    name = params.get(STATE_NAME)
    if not isinstance(name, str) or not name:
        return None
    return name.lower() if name.lower() in _STANDARD else name


def _listed(states: object) -> list[Mapping[str, Any]]:
    return [state for state in states if isinstance(state, dict)] if isinstance(states, list) else []
