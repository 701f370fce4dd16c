"""The session machine: the state of a session after each of its events.

It knows nothing of time, playheads or answers. The transitions and their theory stand in `transitions`.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from tapehead.protocol.events import Event
from tapehead.protocol.transitions import (
    ACTIVE_MACHINES,
    TIMEOUT,
    AdBreak,
    Life,
    Part,
    Playback,
    Switch,
    ViolationKind,
    find_transition,
)

# Player states that are followed. The back end keeps ten of a session; a player that makes names up without end must
# not make every later step carry them all.
MOST_STATES = 100


class State(NamedTuple):
    """The state of all machines of a session.

    Attributes:
        life, playback, ad_break, ad, chapter: the five machines.
        states: the names of the player states that are on.
        known_states: the names that were ever started or ended, the first MOST_STATES of them; others move nothing.
        late: whether the session's beginning was not recorded.
    """

    life: Life = Life.UNOPENED
    playback: Playback = Playback.STARTING
    ad_break: AdBreak = AdBreak.CLOSED
    ad: Part = Part.NONE
    chapter: Part = Part.NONE
    states: frozenset[str] = frozenset()
    known_states: frozenset[str] = frozenset()
    late: bool = False

    @property
    def in_ad(self) -> bool:
        """True while an ad is open."""
        return self.ad in (Part.OPEN, Part.DOUBLED)

    @property
    def in_break(self) -> bool:
        """True while a break is open, with an ad in it or not."""
        return self.ad_break in (AdBreak.OPEN, AdBreak.FILLED, AdBreak.DOUBLED)

    @property
    def in_chapter(self) -> bool:
        """True while a chapter is open."""
        return self.chapter in (Part.OPEN, Part.DOUBLED)

    @property
    def in_main_content(self) -> bool:
        """True while neither a break nor an ad is open."""
        return not (self.in_ad or self.in_break)


UNOPENED = State()
# Of a session whose sessionStart was not recorded.
UNSURE = State(ad_break=AdBreak.UNSURE, ad=Part.UNSURE, chapter=Part.UNSURE, late=True)


class Violation(NamedTuple):
    """An event that does not fit the session's state, and the player state that it is about, if any."""

    kind: ViolationKind
    name: str = ""


class Step(NamedTuple):
    """An event, where the session was before it and after it, and what it broke there."""

    event: Event
    before: State
    after: State
    violations: tuple[Violation, ...]


def run(events: Iterable[Event]) -> Iterator[Step]:
    """Yield each event of one session with the session's state before and after it, in the order given."""
    state = None
    for event in events:
        before = state or (UNOPENED if event.type == "sessionStart" else UNSURE)
        state, violations = advance(before, event)
        yield Step(event, before, state, violations)


def advance(state: State, event: Event) -> tuple[State, tuple[Violation, ...]]:
    """Return where `event` takes a session that is at `state`, and what it breaks there."""
    return _move_all(state, event.type or "", tuple(_switches(state, event)))


def close(state: State) -> tuple[State, tuple[Violation, ...]]:
    """Return where a session at `state` goes when it says no more, and what it has left open."""
    return _move_all(state, TIMEOUT, ())


def table_cells_of(state: State, event: Event) -> Iterator[tuple[str, StrEnum, str]]:
    """Where in the table `event` finds a session that is at `state`: machines that move now, their states, its type.

    The machine of player states comes once for each name, with stateStart or stateEnd.
    """
    listening = ACTIVE_MACHINES[state.life]
    yield from ((name, getattr(state, name), event.type or "") for name in _MACHINES if name in listening)
    for name, event_type in _switches(state, event) if "state" in listening else ():
        yield "state", switch_of(state, name), event_type
        state, _ = _switch(state, name, event_type)


def _move_all(
    state: State, event_type: str, switches: tuple[tuple[str, str], ...]
) -> tuple[State, tuple[Violation, ...]]:
    listening = ACTIVE_MACHINES[state.life]
    found = {name: find_transition(name, getattr(state, name), event_type) for name in _MACHINES if name in listening}
    moves: dict[str, Any] = {name: found[name].to for name in found}
    moved, violations = (
        state._replace(**moves),
        [Violation(each.violation) for each in found.values() if each.violation],
    )
    for name, event in switches if "state" in listening else ():
        moved, violation = _switch(moved, name, event)
        violations += [Violation(violation, name)] if violation else []
    return moved, tuple(violations)


_MACHINES = ("life", "playback", "ad_break", "ad", "chapter")


def _switch(state: State, name: str, event_type: str) -> tuple[State, ViolationKind | None]:
    """Return where the machine of the player state `name` goes."""
    is_known = name in state.known_states
    if not is_known and len(state.known_states) >= MOST_STATES:
        return state, None
    found = find_transition("state", switch_of(state, name), event_type)
    known = state.known_states if is_known else state.known_states | {name}
    return state._replace(
        states=_turned(state.states, name, found.to == Switch.ON), known_states=known
    ), found.violation


def _turned(states: frozenset[str], name: str, on: bool) -> frozenset[str]:
    if (name in states) == on:
        return states
    return states | {name} if on else states - {name}


def switch_of(state: State, name: str) -> Switch:
    """Return where the machine of the player state `name` is."""
    if name in state.states:
        return Switch.ON
    return Switch.UNSURE if state.late and name not in state.known_states else Switch.OFF


def _switches(state: State, event: Event) -> Iterator[tuple[str, str]]:
    """Yield the player states that an event starts and ends, as (name, stateStart or stateEnd)."""
    if event.type in ("stateStart", "stateEnd"):
        name = event.text("media.state.name")
        yield from [] if name is None else [(name, event.type)]
    elif event.type == "statesUpdate":
        starts = [(name, "stateStart") for name in event.state_names("statesStart")]
        ends = [(name, "stateEnd") for name in event.state_names("statesEnd")]
        # A name in both lists: what is on ends first, what is off starts first.
        yield from (end for end in ends if end[0] in state.states)
        yield from starts
        yield from (end for end in ends if end[0] not in state.states)
