"""The session machine: what each event does to a session, as a table.

Everything about moves lives in this file, and this file knows nothing of time, of playheads or of answers.

Theory. The endpoint checks each body by itself and knows no session; the back end behind it does. It keeps, for
each session, five machines side by side, and one more for every player state that has a name:

    life        unopened, open, completed, ended
    playback    starting, playing, paused, buffering
    ad_break    closed, open, filled (an ad was in it)
    ad          none, open
    chapter     none, open
    a state     off, on

Every event goes to all machines. `TABLE` says for each machine, state and event where that leads, and by which
rule's name the event is a slip there. An event without an entry leaves the machine as it is: a ping moves nothing.
States that nothing leads out of have an empty row, so that silence is a decision. `ANY` stands for events without
an entry of their own in that row, and `SILENCE` for what happens to a session that says no more: the back end
closes it by its timeouts, and what is open then has been left open, just as at sessionEnd.

After a slip the machine goes where the player most likely is, so that one mistake is one finding. Two states exist
for that. A start inside something open is either a close that was forgotten or a real nesting: the machine is
`doubled`, and after the next close `unsure`. In `unsure` a close is fine and so is none. A session whose beginning
nobody recorded is `unsure` from its first event on.

Some facts are wider than one machine: `LISTENING` is the second table. It says which machines still move in each
state of life. Not completed but ended sessions are deaf: sessionComplete does not close, sessionEnd closes at once
(reference: session complete, session end).

What the tables cannot hold. sessionStart belongs to the sessions endpoint and everything else to the events
endpoint; that depends on the call, not on the state. A statesUpdate is several starts and ends in one event, in no
documented order: it is taken in the order that makes no slip, if there is one. An ad needs no `play` before it:
in a pre-roll, playback is still starting. There is no event for the end of a pause or a buffer but `play`, and none
for a seek, which is pauseStart, then play.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tapehead.protocol.events import Event

ANY = "any other event"
TIMEOUT = "silence"
# Player states that are followed. The back end keeps ten of a session; a player that makes names up without end must
# not make every later step carry them all.
MOST_STATES = 100


class Life(StrEnum):
    """Whether the session can still take events."""

    UNOPENED = "unopened"
    OPEN = "open"
    COMPLETED = "completed"
    ENDED = "ended"


class Playback(StrEnum):
    """What the player does with the main content, or with an ad in its place."""

    STARTING = "starting"
    PLAYING = "playing"
    PAUSED = "paused"
    BUFFERING = "buffering"


class AdBreak(StrEnum):
    """Whether a break is open, and whether an ad was in it."""

    CLOSED = "closed"
    OPEN = "open"
    FILLED = "filled"
    DOUBLED = "doubled"
    UNSURE = "unsure"


class Part(StrEnum):
    """Whether an ad, or a chapter, is open."""

    NONE = "none"
    OPEN = "open"
    DOUBLED = "doubled"
    UNSURE = "unsure"


class Switch(StrEnum):
    """Whether the player is in a player state, such as mute."""

    OFF = "off"
    ON = "on"
    UNSURE = "unsure"


class Transition(NamedTuple):
    """Where an event leads, and the rule that it breaks there, if any."""

    to: StrEnum
    violation: str = ""


Row = Mapping[str, Transition]

_L, _P, _B, _A, _S = Life, Playback, AdBreak, Part, Switch

# The events that sessionComplete should be the last word on.
_CONTENT = (
    "play",
    "adBreakStart",
    "adBreakComplete",
    "adStart",
    "adComplete",
    "adSkip",
    "chapterStart",
    "chapterComplete",
    "chapterSkip",
)
_PLAYBACK: Row = {
    "play": Transition(_P.PLAYING),
    "pauseStart": Transition(_P.PAUSED),
    "bufferStart": Transition(_P.BUFFERING),
}
_BREAK_LEFT_OPEN = Transition(_B.CLOSED, "ad-break-left-open")
_AD_LEFT_OPEN = Transition(_A.NONE, "ad-left-open")
_CHAPTER_LEFT_OPEN = Transition(_A.NONE, "chapter-left-open")

TABLE: Mapping[str, Mapping[StrEnum, Row]] = {
    "life": {
        _L.UNOPENED: {
            "sessionEnd": Transition(_L.ENDED),
            "sessionComplete": Transition(_L.COMPLETED),
            ANY: Transition(_L.OPEN),
        },
        _L.OPEN: {
            "sessionComplete": Transition(_L.COMPLETED),
            "sessionEnd": Transition(_L.ENDED),
            TIMEOUT: Transition(_L.ENDED, "session-not-closed"),
        },
        _L.COMPLETED: {
            "sessionEnd": Transition(_L.ENDED),
            TIMEOUT: Transition(_L.ENDED),
            **dict.fromkeys(_CONTENT, Transition(_L.COMPLETED, "event-after-complete")),
        },
        _L.ENDED: {
            "sessionEnd": Transition(_L.ENDED),
            TIMEOUT: Transition(_L.ENDED),
            ANY: Transition(_L.ENDED, "event-after-end"),
        },
    },
    "playback": {
        _P.STARTING: _PLAYBACK,
        _P.PLAYING: _PLAYBACK,
        _P.PAUSED: _PLAYBACK,
        _P.BUFFERING: _PLAYBACK,
    },
    "ad_break": {
        _B.CLOSED: {
            "adBreakStart": Transition(_B.OPEN),
            "adBreakComplete": Transition(_B.CLOSED, "ad-break-not-open"),
            "adStart": Transition(_B.CLOSED, "ad-outside-break"),
        },
        _B.OPEN: {
            "adBreakStart": Transition(_B.DOUBLED, "ad-break-nested"),
            "adBreakComplete": Transition(_B.CLOSED, "ad-break-empty"),
            "adStart": Transition(_B.FILLED),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.FILLED: {
            "adBreakStart": Transition(_B.DOUBLED, "ad-break-nested"),
            "adBreakComplete": Transition(_B.CLOSED),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.DOUBLED: {
            "adBreakStart": Transition(_B.DOUBLED, "ad-break-nested"),
            "adBreakComplete": Transition(_B.UNSURE),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.UNSURE: {"adBreakStart": Transition(_B.OPEN), "adBreakComplete": Transition(_B.CLOSED)},
    },
    "ad": {
        _A.NONE: {
            "adStart": Transition(_A.OPEN),
            "adComplete": Transition(_A.NONE, "ad-not-open"),
            "adSkip": Transition(_A.NONE, "ad-not-open"),
        },
        _A.OPEN: {
            "adStart": Transition(_A.DOUBLED, "ad-overlap"),
            "adComplete": Transition(_A.NONE),
            "adSkip": Transition(_A.NONE),
            "adBreakComplete": _AD_LEFT_OPEN,
            "sessionEnd": _AD_LEFT_OPEN,
            TIMEOUT: _AD_LEFT_OPEN,
        },
        _A.DOUBLED: {
            "adStart": Transition(_A.DOUBLED, "ad-overlap"),
            "adComplete": Transition(_A.UNSURE),
            "adSkip": Transition(_A.UNSURE),
            "adBreakComplete": _AD_LEFT_OPEN,
            "sessionEnd": _AD_LEFT_OPEN,
            TIMEOUT: _AD_LEFT_OPEN,
        },
        _A.UNSURE: {
            "adStart": Transition(_A.OPEN),
            "adComplete": Transition(_A.NONE),
            "adSkip": Transition(_A.NONE),
            "adBreakComplete": Transition(_A.NONE),
        },
    },
    "chapter": {
        _A.NONE: {
            "chapterStart": Transition(_A.OPEN),
            "chapterComplete": Transition(_A.NONE, "chapter-not-open"),
            "chapterSkip": Transition(_A.NONE, "chapter-not-open"),
        },
        _A.OPEN: {
            "chapterStart": Transition(_A.DOUBLED, "chapter-overlap"),
            "chapterComplete": Transition(_A.NONE),
            "chapterSkip": Transition(_A.NONE),
            "sessionEnd": _CHAPTER_LEFT_OPEN,
            TIMEOUT: _CHAPTER_LEFT_OPEN,
        },
        _A.DOUBLED: {
            "chapterStart": Transition(_A.DOUBLED, "chapter-overlap"),
            "chapterComplete": Transition(_A.UNSURE),
            "chapterSkip": Transition(_A.UNSURE),
            "sessionEnd": _CHAPTER_LEFT_OPEN,
            TIMEOUT: _CHAPTER_LEFT_OPEN,
        },
        _A.UNSURE: {
            "chapterStart": Transition(_A.OPEN),
            "chapterComplete": Transition(_A.NONE),
            "chapterSkip": Transition(_A.NONE),
        },
    },
    # One for each name.
    "state": {
        _S.OFF: {"stateStart": Transition(_S.ON), "stateEnd": Transition(_S.OFF, "state-not-open")},
        _S.ON: {"stateStart": Transition(_S.ON, "state-already-open"), "stateEnd": Transition(_S.OFF)},
        _S.UNSURE: {"stateStart": Transition(_S.ON), "stateEnd": Transition(_S.OFF)},
    },
}

_ALL = frozenset(TABLE)
ACTIVE_MACHINES: Mapping[Life, frozenset[str]] = {
    Life.UNOPENED: _ALL,
    Life.OPEN: _ALL,
    Life.COMPLETED: _ALL,
    Life.ENDED: frozenset({"life"}),
}


class State(NamedTuple):
    """Where all machines of a session are.

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
        """Whether an ad is open."""
        return self.ad in (Part.OPEN, Part.DOUBLED)

    @property
    def in_break(self) -> bool:
        """Whether a break is open, with an ad in it or not."""
        return self.ad_break in (AdBreak.OPEN, AdBreak.FILLED, AdBreak.DOUBLED)

    @property
    def in_chapter(self) -> bool:
        """Whether a chapter is open."""
        return self.chapter in (Part.OPEN, Part.DOUBLED)

    @property
    def in_main_content(self) -> bool:
        """Whether neither a break nor an ad is open."""
        return not (self.in_ad or self.in_break)


UNOPENED = State()
# Of a session whose sessionStart was not recorded.
UNSURE = State(ad_break=AdBreak.UNSURE, ad=Part.UNSURE, chapter=Part.UNSURE, late=True)


class Violation(NamedTuple):
    """A rule that an event breaks where the session is, and the player state it is about, if any."""

    rule: str
    name: str = ""


class Step(NamedTuple):
    """An event, where the session was before it and after it, and what it broke there."""

    event: Event
    before: State
    after: State
    violations: tuple[Violation, ...]


def run(events: Iterable[Event]) -> Iterator[Step]:
    """Each event of one session with the session's state before and after it, in the order given."""
    state = None
    for event in events:
        before = state or (UNOPENED if event.type == "sessionStart" else UNSURE)
        state, violations = advance(before, event)
        yield Step(event, before, state, violations)


def advance(state: State, event: Event) -> tuple[State, tuple[Violation, ...]]:
    """Where `event` takes a session that is at `state`, and what it breaks there."""
    return _move_all(state, event.type or "", tuple(_switches(state, event)))


def close(state: State) -> tuple[State, tuple[Violation, ...]]:
    """Where a session at `state` goes when it says no more, and what it has left open."""
    return _move_all(state, TIMEOUT, ())


def find_transition(machine: str, state: StrEnum, event_type: str) -> Transition:
    """The table's entry for an event at a machine's state; without an entry, the machine stays."""
    row = TABLE[machine][state]
    found = row.get(event_type)
    if found is None and event_type != TIMEOUT:
        found = row.get(ANY)
    return found or Transition(state)


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


def _switch(state: State, name: str, event_type: str) -> tuple[State, str]:
    """Where the machine of the player state `name` goes."""
    is_known = name in state.known_states
    if not is_known and len(state.known_states) >= MOST_STATES:
        return state, ""
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
    """Where the machine of the player state `name` is."""
    if name in state.states:
        return Switch.ON
    return Switch.UNSURE if state.late and name not in state.known_states else Switch.OFF


def _switches(state: State, event: Event) -> Iterator[tuple[str, str]]:
    """The player states that an event starts and ends, as (name, stateStart or stateEnd)."""
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
