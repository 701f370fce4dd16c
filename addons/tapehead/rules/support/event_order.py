"""The order in which the back end takes a session's events, and where that is not the order in which they came.

The back end sorts by ts what comes within 5 seconds or 10 events; the sessionStart is taken at once (reference:
controlling the order of events). What lies further back stays where it arrived. A body that came before is a retry
and no event of its own. Events of one ts have no documented order: where their requests were under way at the same
time, they are taken in an order that makes sense, if there is one; else as they came.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import UNOPENED, UNSURE, State, Step, advance

WINDOW_MS = 5000
WINDOW_EVENTS = 10


class Late(NamedTuple):
    """An event whose ts goes back against arrival, and by how many milliseconds."""

    event: Event
    behind_ms: int


def repeats(arrived: Iterable[Event]) -> Iterator[tuple[Event, Event]]:
    """Events that have the same body as one before, each with the first of them."""
    alone: dict[int, Event | None] = {}  # None where there are several, which are in `bodies`
    bodies: dict[tuple[object, ...], Event] = {}
    for event in arrived:
        if event.ts is None or (only := alone.setdefault(event.ts, event)) is event:
            continue
        if only:
            alone[event.ts] = None
            bodies[_body(only)] = only
        original = bodies.setdefault(_body(event), event)
        if original is not event:
            yield event, original


def _body(event: Event) -> tuple[object, ...]:
    parts = (event.params, event.quality, event.metadata)
    return (event.ts, event.type, event.playhead, *map(_spell, parts))


def _spell(part: Mapping[str, Any]) -> object:
    """A part of a body, so that equal ones are found fast."""
    try:
        return orjson.dumps(dict(part), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it goes
        return repr(part)


def late_events(arrived: Iterable[Event]) -> Iterator[Late]:
    """Events whose ts goes back; what follows without going back further is not late once more."""
    latest = previous = None
    for event in arrived:
        if event.ts is None or _opens(event):
            continue
        if latest is not None and previous is not None and event.ts < previous:
            yield Late(event, latest - event.ts)
        previous = event.ts
        latest = event.ts if latest is None else max(latest, event.ts)


def sort_events(arrived: Iterable[Event]) -> list[Event]:
    """The events in the order in which the back end takes them, as far as ts decides."""
    ordered: list[Event] = []
    for event in arrived:
        place = len(ordered)
        while place > max(0, len(ordered) - WINDOW_EVENTS) and _overtakes(event, ordered[place - 1]):
            place -= 1
        ordered.insert(place, event)
    return ordered


def _overtakes(event: Event, other: Event) -> bool:
    """Whether `event` is taken before `other`, which arrived before it."""
    if event.ts is None or other.ts is None or _opens(other):
        return False
    return 0 < other.ts - event.ts <= WINDOW_MS and event.arrived_ms - other.arrived_ms <= WINDOW_MS


def _opens(event: Event) -> bool:
    return event.type == "sessionStart"


def steps_of(ordered: Sequence[Event], state: State | None = None) -> list[Step]:
    """The steps of a session through the machine, as `session.walk` has them, with events of one ts in their place.

    Args:
        ordered: the events as `sort_events` has them.
        state: where the session is; None for its beginning.
    """
    waiting, steps = list(reversed(ordered)), []
    if state is None:
        state = UNOPENED if ordered and _opens(ordered[0]) else UNSURE
    while waiting:
        step = _next_step(state, waiting)
        steps.append(step)
        state = step.after
    return steps


def _next_step(state: State, waiting: list[Event]) -> Step:
    """Take the next event off the end of `waiting`: the first one, or one of the same moment that fits better."""
    first = waiting[-1]
    after, violations = advance(state, first)
    for place in _same_moment(waiting) if violations else ():
        other_after, other_slips = advance(state, waiting[place])
        if not other_slips:
            return Step(waiting.pop(place), state, other_after, ())
    waiting.pop()
    return Step(first, state, after, violations)


def _same_moment(waiting: list[Event]) -> Iterator[int]:
    """Where in `waiting` events stand that were under way together with the next one and have its ts."""
    first = waiting[-1]
    for place in range(len(waiting) - 2, max(-1, len(waiting) - 2 - WINDOW_EVENTS), -1):
        other = waiting[place]
        if other.ts is None or other.ts != first.ts or first.in_array or other.arrived_ms >= first.answered_ms:
            return
        yield place
