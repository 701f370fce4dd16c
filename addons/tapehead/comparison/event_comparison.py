"""The events of two sessions that belong together, compared, and both timelines side by side."""

from collections.abc import Iterator, Sequence

from tapehead.auditor.results import SessionResult
from tapehead.comparison.difference_messages import describe_key, describe_order, name_event, playhead, status
from tapehead.comparison.differences import Change, Difference, Row, Scope
from tapehead.comparison.event_alignment import Landmark, Match, align, distance, is_ping, landmarks_of
from tapehead.comparison.payload_comparison import compare_payloads
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.text import shorten_value


class EventComparison:
    """The differences between the events of two sessions, pings aside.

    Args:
        base, new: the sessions.
        scope: what counts as a difference.

    Attributes:
        differences: all of them, in the order of the timelines.
        notes: remarks on changes that are no difference, each once.
    """

    def __init__(self, base: SessionResult, new: SessionResult, scope: Scope) -> None:
        self._steps = base.steps, new.steps
        self._scope = scope
        self._base, self._new = landmarks_of(base, scope), landmarks_of(new, scope)
        self._matches = align(self._base, self._new, scope.tolerance)
        self._notes: dict[str, None] = {}
        self._by_match = [list(self._compare(match)) for match in self._matches]
        self.differences = [difference for differences in self._by_match for difference in differences]
        self.notes = list(self._notes)

    def anchors(self) -> list[tuple[int, int]]:
        """Return the steps of the events that both sides have in the same order, as indices on either side."""
        return [
            (self._base[match.base].step, self._new[match.new].step)
            for match in self._matches
            if match.base is not None and match.new is not None and not match.moved
        ]

    def pairs(self) -> list[tuple[Event, Event]]:
        """Return the events that both sides have."""
        return [
            (self._base[match.base].event, self._new[match.new].event)
            for match in self._matches
            if match.base is not None and match.new is not None and match.moved != "to"
        ]

    def rows(self) -> Iterator[Row]:
        """Yield both timelines side by side; an event that moved has a row at either of its places."""
        base_pings, new_pings = count_pings(self._base, self._steps[0]), count_pings(self._new, self._steps[1])
        if base_pings[0] or new_pings[0]:
            yield Row(base=None, new=None, base_pings=base_pings[0], new_pings=new_pings[0])
        moves = {match.new: found for match, found in zip(self._matches, self._by_match, strict=True) if found}
        for match, found in zip(self._matches, self._by_match, strict=True):
            base = None if match.moved == "to" else match.base
            new = None if match.moved == "from" else match.new
            yield Row(
                base=None if base is None else self._base[base].event,
                new=None if new is None else self._new[new].event,
                base_pings=0 if base is None else base_pings[base + 1],
                new_pings=0 if new is None else new_pings[new + 1],
                differences=tuple(moves.get(match.new, []) if match.moved == "to" else found),
            )

    def _compare(self, match: Match) -> Iterator[Difference]:
        """Yield the differences of a match: a missing or added event, or another place and other keys of a pair."""
        base = None if match.base is None else self._base[match.base]
        new = None if match.new is None else self._new[match.new]
        if base and new:
            if match.moved != "to":
                yield from self._compare_places(match, base, new)
                yield from self._compare_events(base.event, new.event)
        elif landmark := base or new:
            yield Difference(
                change=Change.EVENT_MISSING if base else Change.EVENT_ADDED,
                message="missing" if base else "added",
                name=name_landmark(landmark),
                base_event=base and base.event,
                new_event=new and new.event,
            )

    def _compare_places(self, match: Match, base: Landmark, new: Landmark) -> Iterator[Difference]:
        if match.moved:
            sides = (self._base, match.base), (self._new, match.new)
            before = (landmarks[number - 1].event if number else None for landmarks, number in sides)
            message = describe_order(*before)
        elif distance(base, new) > self._scope.tolerance:
            message = f"playhead {playhead(base.event)} -> {playhead(new.event)}"
        else:
            return
        yield Difference(
            change=Change.EVENT_MOVED,
            message=message,
            name=name_landmark(new),
            base=base.event.playhead,
            new=new.event.playhead,
            base_event=base.event,
            new_event=new.event,
        )

    def _compare_events(self, base: Event, new: Event) -> Iterator[Difference]:
        for key in compare_payloads(base, new, self._scope):
            if key.is_note:
                self._notes[f"{key.path}: {describe_key(key)}"] = None
            else:
                yield Difference(
                    change=key.change,
                    message=describe_key(key),
                    name=key.path,
                    base=key.base,
                    new=key.new,
                    base_event=base,
                    new_event=new,
                )
        if base.status != new.status:
            yield Difference(
                change=Change.STATUS_CHANGED,
                message=f"answered {status(base.status)} -> {status(new.status)}",
                name=name_event(new),
                base=base.status,
                new=new.status,
                base_event=base,
                new_event=new,
            )


def name_landmark(landmark: Landmark) -> str:
    """Return the name of an event; of one that closes an ad or a chapter, with the name of that."""
    name = name_event(landmark.event)
    return name if landmark.key.names or not landmark.segment else f"{name} of {shorten_value(landmark.segment)}"


def count_pings(landmarks: Sequence[Landmark], steps: Sequence[Step]) -> list[int]:
    """Return how many pings stand before the first landmark, and after each."""
    counts = [0] * (len(landmarks) + 1)
    place = 0
    for index, step in enumerate(steps):
        while place < len(landmarks) and landmarks[place].step <= index:
            place += 1
        counts[place] += is_ping(step.event)
    return counts
