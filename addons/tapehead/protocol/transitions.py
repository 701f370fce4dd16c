"""The transition tables of a session: the state that each event leads to, and the violation that it is there.

Theory. The endpoint validates each body by itself, without its session; the back end behind it tracks sessions. A
session is modelled by five parallel state machines, and one more for each named player state:

    life        unopened, open, completed, ended
    playback    starting, playing, paused, buffering
    ad_break    closed, open, filled (an ad was in it), missing (an ad came without one)
    ad          none, open
    chapter     none, open
    state       off, on (one for each name)

Every event is applied to all machines. `TABLE` gives for each machine, state and event the next state, and the
violation if the event is not allowed there. An event without an entry leaves the machine in its state, as every ping
does. `ANY` matches events without an entry of their own in that row. `TIMEOUT` is the end of a session that sends no
more events: the back end closes it, and anything still open is a violation, as it is at sessionEnd.

After a violation the machine moves to the player's most likely state, so that one mistake is one finding. Three states
exist for that. After an ad outside a break, the break's start is `missing`: more ads and its end are allowed. A start
while something is open is either a missing end or real nesting: the machine is `doubled`,
and after the next end `unsure`. In `unsure`, an end is allowed but not required. A session whose beginning was not
recorded is `unsure` from its first event on.

`ACTIVE_MACHINES` lists the machines that move in each state of life. Ended sessions accept no more events, completed
ones still do: sessionComplete does not close a session, sessionEnd closes it at once (reference: session complete,
session end).

The tables do not cover the following. sessionStart is sent to the sessions endpoint and all other events to the events
endpoint; that depends on the call, not on the state. A statesUpdate is several starts and ends in one event, in no
documented order: they are applied in an order without violations, if there is one. An ad needs no `play` before it:
in a pre-roll, playback is still starting. Only `play` ends a pause or buffering, and a seek has no event of its own:
it is pauseStart, then play.
"""

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import NamedTuple

from tapehead.protocol.event_types import EVENT_TYPES

ANY = "any other event"
TIMEOUT = "silence"


class Life(StrEnum):
    """The life of a session, from its sessionStart to its end."""

    UNOPENED = "unopened"
    OPEN = "open"
    COMPLETED = "completed"
    ENDED = "ended"


class Playback(StrEnum):
    """The playback of the main content, or of an ad in its place."""

    STARTING = "starting"
    PLAYING = "playing"
    PAUSED = "paused"
    BUFFERING = "buffering"


class AdBreak(StrEnum):
    """The state of an ad break: whether it is open, whether an ad was in it, whether its start is missing."""

    CLOSED = "closed"
    OPEN = "open"
    FILLED = "filled"
    MISSING = "missing"
    DOUBLED = "doubled"
    UNSURE = "unsure"


class Part(StrEnum):
    """The state of an ad or a chapter."""

    NONE = "none"
    OPEN = "open"
    DOUBLED = "doubled"
    UNSURE = "unsure"


class Switch(StrEnum):
    """The state of a player state, such as mute."""

    OFF = "off"
    ON = "on"
    UNSURE = "unsure"


class ViolationKind(StrEnum):
    """The ways in which an event is not allowed in its session's state; `rules` has a rule for each."""

    SESSION_NOT_CLOSED = auto()
    EVENT_AFTER_COMPLETE = auto()
    EVENT_AFTER_END = auto()
    AD_OUTSIDE_BREAK = auto()
    AD_BREAK_NOT_OPEN = auto()
    AD_BREAK_NESTED = auto()
    AD_BREAK_EMPTY = auto()
    AD_BREAK_LEFT_OPEN = auto()
    AD_NOT_OPEN = auto()
    AD_OVERLAP = auto()
    AD_LEFT_OPEN = auto()
    CHAPTER_OVERLAP = auto()
    CHAPTER_NOT_OPEN = auto()
    CHAPTER_LEFT_OPEN = auto()
    STATE_NOT_OPEN = auto()
    STATE_ALREADY_OPEN = auto()


class Transition(NamedTuple):
    """The state that an event leads to, and the violation, if any."""

    to: StrEnum
    violation: ViolationKind | None = None


Row = Mapping[str, Transition]

_L, _P, _B, _A, _S = Life, Playback, AdBreak, Part, Switch

# Events of the content, which should not come after sessionComplete.
_CONTENT = tuple(name for name, row in EVENT_TYPES.items() if row.family in ("ads", "chapters") or name == "play")
_PLAYBACK: Row = {
    "play": Transition(_P.PLAYING),
    "pauseStart": Transition(_P.PAUSED),
    "bufferStart": Transition(_P.BUFFERING),
}
_BREAK_LEFT_OPEN = Transition(_B.CLOSED, ViolationKind.AD_BREAK_LEFT_OPEN)
_AD_LEFT_OPEN = Transition(_A.NONE, ViolationKind.AD_LEFT_OPEN)
_CHAPTER_LEFT_OPEN = Transition(_A.NONE, ViolationKind.CHAPTER_LEFT_OPEN)

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
            TIMEOUT: Transition(_L.ENDED, ViolationKind.SESSION_NOT_CLOSED),
        },
        _L.COMPLETED: {
            "sessionEnd": Transition(_L.ENDED),
            TIMEOUT: Transition(_L.ENDED),
            **dict.fromkeys(_CONTENT, Transition(_L.COMPLETED, ViolationKind.EVENT_AFTER_COMPLETE)),
        },
        _L.ENDED: {
            "sessionEnd": Transition(_L.ENDED),
            TIMEOUT: Transition(_L.ENDED),
            ANY: Transition(_L.ENDED, ViolationKind.EVENT_AFTER_END),
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
            "adBreakComplete": Transition(_B.CLOSED, ViolationKind.AD_BREAK_NOT_OPEN),
            "adStart": Transition(_B.MISSING, ViolationKind.AD_OUTSIDE_BREAK),
        },
        _B.MISSING: {"adBreakStart": Transition(_B.FILLED), "adBreakComplete": Transition(_B.CLOSED)},
        _B.OPEN: {
            "adBreakStart": Transition(_B.DOUBLED, ViolationKind.AD_BREAK_NESTED),
            "adBreakComplete": Transition(_B.CLOSED, ViolationKind.AD_BREAK_EMPTY),
            "adStart": Transition(_B.FILLED),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.FILLED: {
            "adBreakStart": Transition(_B.DOUBLED, ViolationKind.AD_BREAK_NESTED),
            "adBreakComplete": Transition(_B.CLOSED),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.DOUBLED: {
            "adBreakStart": Transition(_B.DOUBLED, ViolationKind.AD_BREAK_NESTED),
            "adBreakComplete": Transition(_B.UNSURE),
            "sessionEnd": _BREAK_LEFT_OPEN,
            TIMEOUT: _BREAK_LEFT_OPEN,
        },
        _B.UNSURE: {"adBreakStart": Transition(_B.OPEN), "adBreakComplete": Transition(_B.CLOSED)},
    },
    "ad": {
        _A.NONE: {
            "adStart": Transition(_A.OPEN),
            "adComplete": Transition(_A.NONE, ViolationKind.AD_NOT_OPEN),
            "adSkip": Transition(_A.NONE, ViolationKind.AD_NOT_OPEN),
        },
        _A.OPEN: {
            "adStart": Transition(_A.DOUBLED, ViolationKind.AD_OVERLAP),
            "adComplete": Transition(_A.NONE),
            "adSkip": Transition(_A.NONE),
            "adBreakComplete": Transition(_A.UNSURE, ViolationKind.AD_LEFT_OPEN),
            "sessionEnd": _AD_LEFT_OPEN,
            TIMEOUT: _AD_LEFT_OPEN,
        },
        _A.DOUBLED: {
            "adStart": Transition(_A.DOUBLED, ViolationKind.AD_OVERLAP),
            "adComplete": Transition(_A.UNSURE),
            "adSkip": Transition(_A.UNSURE),
            "adBreakComplete": Transition(_A.UNSURE, ViolationKind.AD_LEFT_OPEN),
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
            "chapterComplete": Transition(_A.NONE, ViolationKind.CHAPTER_NOT_OPEN),
            "chapterSkip": Transition(_A.NONE, ViolationKind.CHAPTER_NOT_OPEN),
        },
        _A.OPEN: {
            "chapterStart": Transition(_A.DOUBLED, ViolationKind.CHAPTER_OVERLAP),
            "chapterComplete": Transition(_A.NONE),
            "chapterSkip": Transition(_A.NONE),
            "sessionEnd": _CHAPTER_LEFT_OPEN,
            TIMEOUT: _CHAPTER_LEFT_OPEN,
        },
        _A.DOUBLED: {
            "chapterStart": Transition(_A.DOUBLED, ViolationKind.CHAPTER_OVERLAP),
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
    # One machine for each name.
    "state": {
        _S.OFF: {"stateStart": Transition(_S.ON), "stateEnd": Transition(_S.OFF, ViolationKind.STATE_NOT_OPEN)},
        _S.ON: {"stateStart": Transition(_S.ON, ViolationKind.STATE_ALREADY_OPEN), "stateEnd": Transition(_S.OFF)},
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


def find_transition(machine: str, state: StrEnum, event_type: str) -> Transition:
    """Return the table's entry for an event in a machine's state; without an entry, the state does not change."""
    row = TABLE[machine][state]
    transition = row.get(event_type)
    if transition is None and event_type != TIMEOUT:
        transition = row.get(ANY)
    return transition or Transition(state)
