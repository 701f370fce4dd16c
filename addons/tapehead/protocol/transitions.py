"""The transitions of a session: the state each event leads to, and the rule that it breaks there.

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

from collections.abc import Mapping
from enum import StrEnum, auto
from typing import NamedTuple

from tapehead.protocol.event_types import EVENT_TYPES

ANY = "any other event"
TIMEOUT = "silence"


class Life(StrEnum):
    """The life of a session: whether it can still take events."""

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
    """The state of an ad break: whether it is open, and whether an ad was in it."""

    CLOSED = "closed"
    OPEN = "open"
    FILLED = "filled"
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
    """The ways in which an event does not fit the state of its session; each has its rule in `rules`."""

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
    """The state that an event leads to, and the violation that it is there, if any."""

    to: StrEnum
    violation: ViolationKind | None = None


Row = Mapping[str, Transition]

_L, _P, _B, _A, _S = Life, Playback, AdBreak, Part, Switch

# The events that sessionComplete should be the last word on.
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
            "adStart": Transition(_B.CLOSED, ViolationKind.AD_OUTSIDE_BREAK),
        },
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
            "adBreakComplete": _AD_LEFT_OPEN,
            "sessionEnd": _AD_LEFT_OPEN,
            TIMEOUT: _AD_LEFT_OPEN,
        },
        _A.DOUBLED: {
            "adStart": Transition(_A.DOUBLED, ViolationKind.AD_OVERLAP),
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
    # One for each name.
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
    """Return the table's entry for an event at a machine's state; without an entry, the machine stays."""
    row = TABLE[machine][state]
    found = row.get(event_type)
    if found is None and event_type != TIMEOUT:
        found = row.get(ANY)
    return found or Transition(state)
