"""Clocks that the meter credits time to: plain ones, spans that begin and end, ads and chapters, states.

All count milliseconds. What is still open when a session ends is counted or left out by `with_open`.
"""

from collections.abc import Iterable, Mapping
from itertools import compress
from operator import not_
from typing import Any

from tapehead.protocol import limits
from tapehead.protocol.parameters import STANDARD_STATES

_STANDARD = frozenset(map(str.lower, STANDARD_STATES))


def seconds(elapsed_ms: int) -> float:
    """Milliseconds as seconds, rounded to milliseconds."""
    return round(elapsed_ms / 1000, 3)


class Clock:
    """Milliseconds that add up."""

    __slots__ = ("ms",)

    def __init__(self) -> None:
        self.ms = 0


class Interval:
    """Something that begins and ends, again and again: a pause, a buffer, a state."""

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
        """How long it lasted in all, with the time since it last began or without."""
        return self.ms + (self.open_ms if with_open else 0)


class Segment(Clock):
    """An ad or a chapter: what names it, how long it played, and whether it is open or was completed."""

    __slots__ = ("completed", "is_open", "names")

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__()
        self.names = names
        self.is_open = True
        self.completed = False


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

    def total_ms(self, *, with_open: bool) -> int:
        """How long they played in all, with the one that is open or without."""
        return sum(part.ms for part in self.all if with_open or not part.is_open)

    def values(self, name: str, *, with_open: bool) -> dict[str, Any]:
        """The session's metrics of them; `name` is `ad` or `chapter`."""
        return {
            f"{name}_starts": len(self.all),
            f"{name}_completes": sum(part.completed for part in self.all),
            f"{name}_time_spent": seconds(self.total_ms(with_open=with_open)),
            f"{name}_count": len(self.all),
        }

    def rows(self, name: str, *, with_open: bool) -> list[dict[str, Any]]:
        """The metrics of each; `name` is `ad` or `chapter`."""
        return [
            {
                **part.names,
                f"{name}_completes": int(part.completed),
                f"{name}_time_spent": seconds(part.ms if with_open or not part.is_open else 0),
            }
            for part in self.all
        ]


class States:
    """The player states of a session, each a span by its name; the standard ones by the name they are reported by."""

    def __init__(self) -> None:
        self._spans: dict[str, Interval] = {}

    def spans(self) -> Iterable[Interval]:
        """The span of each state that ever began."""
        return self._spans.values()

    def begin(self, params: Mapping[str, Any]) -> None:
        """Begin the state that `params` names; each start counts, even that of an open state."""
        name = _state_name(params)
        if name is None or (name not in self._spans and len(self._spans) == limits.STATES):
            return
        span = self._spans.setdefault(name, Interval())
        span.count += span.is_open
        span.begin()

    def end(self, params: Mapping[str, Any]) -> None:
        """End the state that `params` names, if it is open."""
        if span := self._spans.get(_state_name(params) or ""):
            span.end()

    def update(self, params: Mapping[str, Any]) -> None:
        """Do what a statesUpdate says, in the order of the session machine: what is open ends first."""
        ends = _listed(params.get("statesEnd"))
        was_open = [self._is_open(state) for state in ends]
        for state in compress(ends, was_open):
            self.end(state)
        for state in _listed(params.get("statesStart")):
            self.begin(state)
        for state in compress(ends, map(not_, was_open)):
            self.end(state)

    def _is_open(self, params: Mapping[str, Any]) -> bool:
        span = self._spans.get(_state_name(params) or "")
        return span is not None and span.is_open

    def rows(self, *, with_open: bool) -> dict[str, dict[str, Any]]:
        """The metrics of each state, by its name."""
        return {name: _state_row(span, with_open=with_open) for name, span in self._spans.items()}


def _state_row(span: Interval, *, with_open: bool) -> dict[str, Any]:
    return {
        "count": span.count,
        "impacted_streams": int(span.count > 0),
        "total_duration": seconds(span.total_ms(with_open=with_open)),
    }


def _state_name(params: Mapping[str, Any]) -> str | None:
    name = params.get("media.state.name")
    if not isinstance(name, str) or not name:
        return None
    return name.lower() if name.lower() in _STANDARD else name


def _listed(states: object) -> list[Mapping[str, Any]]:
    return [state for state in states if isinstance(state, dict)] if isinstance(states, list) else []
