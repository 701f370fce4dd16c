"""The order in which the back end takes a session's events, and where that is not the order in which they came.

The back end sorts by ts what comes within 5 seconds or 10 events; the sessionStart is taken at once (reference:
controlling the order of events). What lies further back stays where it arrived. A body that came before is a retry
and no event of its own; accepted within the window, it takes the place of an original that was refused. Events of one
ts have no documented order: where their requests were under way at the same time, they are taken in an order that
makes sense, if there is one; else as they came.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from math import inf
from typing import Any

import msgspec
import orjson

from tapehead.protocol.events import Event, in_flight_together
from tapehead.protocol.session_machine import (
    UNOPENED,
    UNSURE,
    State,
    Step,
    advance_as_answered,
    is_accepted,
    is_refused,
)

WINDOW_MS = 5000
WINDOW_EVENTS = 10


class Retries:
    """The bodies of a session so far, to find those that came before."""

    def __init__(self) -> None:
        # Most events have a ts of their own; the bodies of the others, None here, are compared as a whole.
        self._alone: dict[int, Event | None] = {}
        self._bodies: dict[tuple[object, ...], Event] = {}

    def find_original(self, event: Event) -> Event | None:
        """Return the first event with the body of `event`, and remember `event` if there is none."""
        if event.ts is None or (only := self._alone.setdefault(event.ts, event)) is event:
            return None
        if only:
            self._alone[event.ts] = None
            self._bodies[_body_of(only)] = only
        original = self._bodies.setdefault(_body_of(event), event)
        return None if original is event else original


def _body_of(event: Event) -> tuple[object, ...]:
    """Return the body of an event, so that equal ones are found fast."""

    def encode(part: Mapping[str, Any]) -> object:
        try:
            return orjson.dumps(dict(part), option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # nested deeper than it goes
            return repr(part)

    return (event.ts, event.type, event.playhead, *map(encode, (event.params, event.quality, event.metadata)))


class EventOrder:
    """Events of a session put in the back end's order, and made into steps through the session machine.

    An event is kept until no event that still comes can be taken before it, or until the reader of the steps says so.

    Attributes:
        is_wrong: whether an event came that would have been taken before one that is taken already.
    """

    def __init__(self) -> None:
        self._unsettled: list[Event] = []
        self._settled: deque[Event] = deque()
        self._frontier_ms = -inf
        self._state: State | None = None
        self._taken: deque[Step] = deque(maxlen=WINDOW_EVENTS + 1)
        self.is_wrong = False

    def add(self, event: Event) -> None:
        """Take the next event in order of arrival, which is no retry."""
        unsettled = self._unsettled
        place = len(unsettled)
        while place and _overtakes(event, unsettled[place - 1]):
            place -= 1
        if place == 0 and not self._settled and self._taken:
            self.is_wrong = self.is_wrong or self._precedes_taken(event)
        unsettled.insert(place, event)
        if len(unsettled) > WINDOW_EVENTS:
            self._settled.append(unsettled.pop(0))

    def add_retry(self, retry: Event, original: Event) -> None:
        """Take a retry that was accepted instead of its original, if that was refused and its place is not settled."""
        if not (is_refused(original) and is_accepted(retry)):
            return
        for place in range(len(self._unsettled) - 1, -1, -1):
            event = self._unsettled[place]
            if event.arrived_ms + WINDOW_MS < retry.arrived_ms:
                return
            if event.index == original.index:
                self._unsettled[place] = msgspec.structs.replace(retry, ts=event.ts)
                return
        if retry.arrived_ms - original.arrived_ms <= WINDOW_MS:
            self.is_wrong = self.is_wrong or any(step.event.index == original.index for step in self._taken)

    def settle(self, frontier_ms: float) -> None:
        """Note that no event arrives any more before `frontier_ms`, in milliseconds since 1970."""
        self._frontier_ms = frontier_ms
        for place in range(len(self._unsettled), 0, -1):
            if self._unsettled[place - 1].arrived_ms + WINDOW_MS < frontier_ms:
                self._settled.extend(self._unsettled[:place])
                del self._unsettled[:place]
                return

    def steps(self) -> Iterator[Step]:
        """Yield the steps of the events whose place is settled."""
        while self._settled and (step := self._next_step(self._settled[0])):
            self._state = step.after
            self._taken.append(step)
            yield step

    def _precedes_taken(self, event: Event) -> bool:
        """Return whether an event belongs before one that was taken, or may fit better than one of its moment."""
        if _overtakes(event, self._taken[-1].event):
            return True
        for step in reversed(self._taken):
            if not _is_same_moment(step.event, event):
                return False
            if step.violations and event.ts is not None:
                return True
        return False

    def _next_step(self, first: Event) -> Step | None:
        """Take the next event, or one of the same moment that fits better; None as long as such a one may come."""
        state = self._state or (UNOPENED if _opens(first) else UNSURE)
        after, violations = advance_as_answered(state, first)
        if violations and first.ts is not None and not first.in_array:
            for place, other in enumerate(islice(self._settled, 1, WINDOW_EVENTS + 1), start=1):
                if not _is_same_moment(first, other):
                    break
                other_after, other_violations = advance_as_answered(state, other)
                if not other_violations:
                    del self._settled[place]
                    return Step(other, state, other_after, ())
            else:
                undecided = self._frontier_ms < first.answered_ms or any(
                    _is_same_moment(first, other) for other in self._unsettled
                )
                if undecided and len(self._settled) <= WINDOW_EVENTS:
                    return None
        self._settled.popleft()
        return Step(first, state, after, violations)


def _opens(event: Event) -> bool:
    return event.type == "sessionStart"


def _overtakes(event: Event, other: Event) -> bool:
    """Return whether `event` is taken before `other`, which arrived before it."""
    if event.ts is None or other.ts is None or _opens(other):
        return False
    return 0 < other.ts - event.ts <= WINDOW_MS and event.arrived_ms - other.arrived_ms <= WINDOW_MS


def _is_same_moment(event: Event, other: Event) -> bool:
    """Return whether two events have one ts, and their requests were under way together."""
    return event.ts == other.ts and in_flight_together(event, other)
