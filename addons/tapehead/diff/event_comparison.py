"""Two sessions that belong together, compared: their events, and both timelines side by side."""

from collections.abc import Iterator, Sequence

from tapehead.audit.results import SessionResult
from tapehead.diff.difference_messages import name_event, phrase_delta, phrase_move, phrase_order, phrase_status
from tapehead.diff.differences import Change, Difference, Row, Scope
from tapehead.diff.event_alignment import Landmark, Match, align, gap, is_ping, landmarks_of
from tapehead.diff.payload_comparison import compare_payloads
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.text import shorten_value


class Comparison:
    """What differs between the events of two sessions, pings aside.

    Args:
        base, new: the sessions.
        scope: what counts as a difference.

    Attributes:
        differences: all of them, in the order of the timelines.
        notes: what is worth knowing and no difference, each once.
    """

    def __init__(self, base: SessionResult, new: SessionResult, scope: Scope) -> None:
        self._steps = base.steps, new.steps
        self._scope = scope
        self._base, self._new = landmarks_of(base, scope), landmarks_of(new, scope)
        self._matches = align(self._base, self._new, scope.tolerance)
        self._notes: dict[str, None] = {}
        self._told = {number: list(self._compare(match)) for number, match in enumerate(self._matches)}
        self.differences = [difference for told in self._told.values() for difference in told]
        self.notes = list(self._notes)

    def anchors(self) -> list[tuple[int, int]]:
        """The steps of the events that both sides have in the same order, as indices on either side."""
        return [
            (self._base[match.base].step, self._new[match.new].step)
            for match in self._matches
            if match.base is not None and match.new is not None and not match.moved
        ]

    def _compare(self, match: Match) -> Iterator[Difference]:
        if match.base is None or match.new is None:
            yield self._alone(match)
        elif match.moved != "to":
            yield from self._moves(match, match.base, match.new)
            yield from self._compare_events(self._base[match.base].event, self._new[match.new].event)

    def _alone(self, match: Match) -> Difference:
        base, new = _at(self._base, match.base), _at(self._new, match.new)
        return Difference(
            change=Change.EVENT_MISSING if base else Change.EVENT_ADDED,
            message="missing" if base else "added",
            name=self._name(match),
            base_event=base,
            new_event=new,
        )

    def _name(self, match: Match) -> str:
        """What an event is called; one that closes an ad or a chapter, with the name of that."""
        mark = self._base[match.base] if match.new is None and match.base is not None else self._new[match.new or 0]
        called = name_event(mark.event)
        return called if mark.kind.names or not mark.part else f"{called} of {shorten_value(mark.part)}"

    def _moves(self, match: Match, base: int, new: int) -> Iterator[Difference]:
        one, other = self._base[base], self._new[new]
        if match.moved:
            message = phrase_order(_before(self._base, base), _before(self._new, new))
        elif gap(one, other) > self._scope.tolerance:
            message = phrase_move(one.event, other.event)
        else:
            return
        events = one.event, other.event
        yield _between(Change.EVENT_MOVED, message, self._name(match), events, _playheads(one, other))

    def _compare_events(self, base: Event, new: Event) -> Iterator[Difference]:
        for delta in compare_payloads(base, new, self._scope):
            if delta.is_note:
                self._notes[f"{delta.path}: {phrase_delta(delta)}"] = None
            else:
                values = delta.base, delta.new
                yield _between(delta.change, phrase_delta(delta), delta.path, (base, new), values)
        if base.status != new.status:
            statuses = base.status, new.status
            message = phrase_status(*statuses)
            yield _between(Change.STATUS_CHANGED, message, name_event(new), (base, new), statuses)

    # ---- Side by side ----

    def rows(self) -> Iterator[Row]:
        """Both timelines, side by side."""
        base_pings, new_pings = _pings(self._base, self._steps[0]), _pings(self._new, self._steps[1])
        if base_pings[0] or new_pings[0]:
            yield Row(base=None, new=None, base_pings=base_pings[0], new_pings=new_pings[0])
        moves = {match.new: told for match, told in zip(self._matches, self._told.values(), strict=True) if told}
        for number, match in enumerate(self._matches):
            base = None if match.moved == "to" else match.base
            new = None if match.moved == "from" else match.new
            told = moves.get(match.new, []) if match.moved == "to" else self._told[number]
            yield Row(
                base=_at(self._base, base),
                new=_at(self._new, new),
                base_pings=0 if base is None else base_pings[base + 1],
                new_pings=0 if new is None else new_pings[new + 1],
                differences=tuple(told),
            )


def _between(
    change: Change, message: str, name: str, events: tuple[Event, Event], values: tuple[object, object]
) -> Difference:
    """A difference between two events."""
    return Difference(
        change=change,
        message=message,
        name=name,
        base=values[0],
        new=values[1],
        base_event=events[0],
        new_event=events[1],
    )


def _playheads(one: Landmark, other: Landmark) -> tuple[float | None, float | None]:
    return one.event.playhead, other.event.playhead


def _at(landmarks: Sequence[Landmark], number: int | None) -> Event | None:
    return None if number is None else landmarks[number].event


def _before(landmarks: Sequence[Landmark], number: int) -> Event | None:
    return landmarks[number - 1].event if number else None


def _pings(landmarks: Sequence[Landmark], steps: Sequence[Step]) -> list[int]:
    """How many pings stand before the first landmark, and after each."""
    counts = [0] * (len(landmarks) + 1)
    place = 0
    for index, step in enumerate(steps):
        while place < len(landmarks) and landmarks[place].step <= index:
            place += 1
        counts[place] += is_ping(step.event)
    return counts
