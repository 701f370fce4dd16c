"""The session machine: the state of a session after each of its events.

Times, playheads and responses play no part in it. See `transitions` for its tables and their theory.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, cast

import msgspec
from msgspec.structs import replace

from tapehead.protocol.events import Event
from tapehead.protocol.responses import REFUSED
from tapehead.protocol.transitions import (
    ACTIVE_MACHINES,
    ANY,
    TABLE,
    TIMEOUT,
    AdBreak,
    Life,
    Part,
    Playback,
    Switch,
    Transition,
    ViolationKind,
    find_transition,
)

# The number of player states that are tracked, so that a player with ever new names does not slow down each step. The
# back end keeps ten of a session.
MOST_STATES = 100


_OPEN_PARTS = frozenset({Part.OPEN, Part.DOUBLED})
_OPEN_BREAKS = frozenset({AdBreak.OPEN, AdBreak.FILLED, AdBreak.DOUBLED})


class State(msgspec.Struct, frozen=True, gc=False):
    """The state of all machines of a session.

    Attributes:
        life, playback, ad_break, ad, chapter: the five machines.
        states: the names of the player states that are on.
        known_states: the first MOST_STATES names that were started or ended; others are ignored.
        late: whether the session's beginning, or the body of an event in it, was not recorded.
        blind: whether a body was not saved, so that what is unsure may be open.
        may_be_over: whether the last events, pings aside, have bodies that were not saved, of which one may be the
            sessionEnd, or whether the end was refused.
    """

    life: Life = Life.UNOPENED
    playback: Playback = Playback.STARTING
    ad_break: AdBreak = AdBreak.CLOSED
    ad: Part = Part.NONE
    chapter: Part = Part.NONE
    states: frozenset[str] = frozenset()
    known_states: frozenset[str] = frozenset()
    late: bool = False
    blind: bool = False
    may_be_over: bool = False

    @property
    def in_ad(self) -> bool:
        """True while an ad is open."""
        return self.ad in _OPEN_PARTS

    @property
    def in_break(self) -> bool:
        """True while a break is open, with an ad in it or not."""
        return self.ad_break in _OPEN_BREAKS

    @property
    def in_chapter(self) -> bool:
        """True while a chapter is open."""
        return self.chapter in _OPEN_PARTS

    @property
    def in_main_content(self) -> bool:
        """True while neither a break nor an ad is open."""
        return not (self.ad in _OPEN_PARTS or self.ad_break in _OPEN_BREAKS)

    @property
    def is_surely_in_main_content(self) -> bool:
        """True while neither a break nor an ad is open, and none can be by an event whose body was not saved."""
        if self.blind and (self.ad is Part.UNSURE or self.ad_break is AdBreak.UNSURE):
            return False
        return not (self.ad in _OPEN_PARTS or self.ad_break in _OPEN_BREAKS)


UNOPENED = State()
# The first state of a session whose sessionStart was not recorded.
UNSURE = State(ad_break=AdBreak.UNSURE, ad=Part.UNSURE, chapter=Part.UNSURE, late=True)


class Violation(NamedTuple):
    """The kind of an event's violation, and the name of the player state concerned, if any."""

    kind: ViolationKind
    name: str = ""


class Step(msgspec.Struct, frozen=True, gc=False):
    """An event, the session's state before and after it, and its violations."""

    event: Event
    before: State
    after: State
    violations: tuple[Violation, ...]


def advance(state: State, event: Event) -> tuple[State, tuple[Violation, ...]]:
    """Return the state of a session after `event` came in `state`, and the violations."""
    if event.type == "ping" and event.saved and state.life is Life.OPEN:
        return state, ()  # as the tables have it, for the most frequent event
    if is_unknown(event):
        return lose_sight(state), ()
    event_type = event.type or ""
    before = (state.life, state.playback, state.ad_break, state.ad, state.chapter)
    moved, violations = _move(before, event_type if event_type in _MOVING else "")
    after = state
    if moved != before:
        life, playback, ad_break, ad, chapter = moved
        after = replace(state, life=life, playback=playback, ad_break=ad_break, ad=ad, chapter=chapter)
    if state.may_be_over:
        if event_type == TIMEOUT:
            violations = tuple(each for each in violations if each.kind is not ViolationKind.SESSION_NOT_CLOSED)
        elif event_type != "ping":
            after = replace(after, may_be_over=False)
    if event_type not in _SWITCHING or "state" not in ACTIVE_MACHINES[state.life]:
        return after, violations
    for name, switch_event in _switches(state, event):
        after, violation = _switch(after, name, switch_event)
        violations += (Violation(violation, name),) if violation else ()
    return after, violations


def advance_as_answered(state: State, event: Event) -> tuple[State, tuple[Violation, ...]]:
    """Return what `advance` does; of an event that was refused, it stays open what it would have opened or closed.

    The player takes it for done, the back end does not: what follows is judged by neither.
    """
    after, violations = advance(state, event)
    if is_refused(event) and after != state:
        after = _doubt(state, after)
    return after, violations


def is_refused(event: Event) -> bool:
    """Return whether the endpoint answered that it does not take an event, or failed to."""
    return event.status is not None and event.status >= REFUSED


def is_accepted(event: Event) -> bool:
    """Return whether the endpoint answered that it takes an event."""
    return event.status is not None and event.status < REFUSED


def _doubt(before: State, after: State) -> State:
    """Return a state of which it is not known whether it is the one before an event or the one after it."""
    switched = before.states ^ after.states
    return replace(
        after,
        life=before.life if after.life in (Life.COMPLETED, Life.ENDED) else after.life,
        # Nothing is judged before the first play.
        playback=after.playback if after.playback is before.playback else Playback.STARTING,
        ad_break=after.ad_break if after.ad_break is before.ad_break else AdBreak.UNSURE,
        ad=after.ad if after.ad is before.ad else Part.UNSURE,
        chapter=after.chapter if after.chapter is before.chapter else Part.UNSURE,
        states=before.states - switched,
        known_states=before.known_states - switched,
        late=before.late or bool(switched),
        may_be_over=after.may_be_over or after.life is not before.life,
    )


def is_unknown(event: Event) -> bool:
    """Return whether an event may have been any, since its body was not saved; one that opens a session is known."""
    return not event.saved and (event.type is None or event.in_array)


def lose_sight(state: State) -> State:
    """Return the state after an event that may have been any: as if the recording began there, but for its life."""
    life = Life.OPEN if state.life is Life.UNOPENED else state.life
    return replace(UNSURE, life=life, blind=True, may_be_over=True)


def close(state: State) -> tuple[State, tuple[Violation, ...]]:
    """Return the state of a session after it timed out in `state`, and the violations: what was left open."""
    return advance(state, Event(type=TIMEOUT))


def table_cells_of(state: State, event: Event) -> Iterator[tuple[str, StrEnum, str]]:
    """Yield the cells of TABLE that `event` reaches in `state`: machine, its state, event type.

    A statesUpdate reaches the machine of player states once for each name, as stateStart or stateEnd.
    """
    if is_unknown(event):
        return
    active = ACTIVE_MACHINES[state.life]
    yield from ((name, getattr(state, name), event.type or "") for name in _MACHINES if name in active)
    for name, event_type in _switches(state, event) if "state" in active else ():
        yield "state", switch_of(state, name), event_type
        state, _ = _switch(state, name, event_type)


_MACHINES = ("life", "playback", "ad_break", "ad", "chapter")
_Machines = tuple[Life, Playback, AdBreak, Part, Part]
# Events that a machine tells from others, and those that start or end player states.
_MOVING = frozenset(event_type for rows in TABLE.values() for row in rows.values() for event_type in row) - {ANY}
_SWITCHING = ("stateStart", "stateEnd", "statesUpdate")


@lru_cache(5_000)
def _move(before: _Machines, event_type: str) -> tuple[_Machines, tuple[Violation, ...]]:
    """Return the states of the five machines after an event, and the violations; there are few of them, seen often."""
    active = ACTIVE_MACHINES[before[0]]
    after: list[StrEnum] = []
    violations: list[Violation] = []
    for machine, state in zip(_MACHINES, before, strict=True):
        transition = find_transition(machine, state, event_type) if machine in active else Transition(state)
        after.append(transition.to)
        violations += [Violation(transition.violation)] if transition.violation else []
    return cast(_Machines, tuple(after)), tuple(violations)


def _switch(state: State, name: str, event_type: str) -> tuple[State, ViolationKind | None]:
    """Return the state after a start or end of the player state `name`, and the violation, if any."""
    is_known = name in state.known_states
    if not is_known and len(state.known_states) >= MOST_STATES:
        return state, None
    transition = find_transition("state", switch_of(state, name), event_type)
    known, states, on = state.known_states, state.states, transition.to == Switch.ON
    if not is_known:
        known |= {name}
    if (name in states) != on:
        states = states | {name} if on else states - {name}
    return replace(state, states=states, known_states=known), transition.violation


def switch_of(state: State, name: str) -> Switch:
    """Return the state of the machine of the player state `name`."""
    if name in state.states:
        return Switch.ON
    return Switch.UNSURE if state.late and name not in state.known_states else Switch.OFF


def _switches(state: State, event: Event) -> Iterator[tuple[str, str]]:
    """Yield the player states that `event` starts and ends, as (name, stateStart or stateEnd)."""
    if event.type in ("stateStart", "stateEnd"):
        name = event.text("media.state.name")
        yield from [] if name is None else [(name, event.type)]
    elif event.type == "statesUpdate":
        starts = [(name, "stateStart") for name in event.state_names("statesStart")]
        ends = [(name, "stateEnd") for name in event.state_names("statesEnd")]
        # Of a name in both lists, the end comes first if the state is on, else the start.
        yield from (end for end in ends if end[0] in state.states)
        yield from starts
        yield from (end for end in ends if end[0] not in state.states)
