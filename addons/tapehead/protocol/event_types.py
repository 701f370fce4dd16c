"""The event types of the Media Collection API, one row each.

Sources: the reference's pages on event types, custom metadata, and on ads, chapters, states and quality.
"""

from typing import Literal, NamedTuple

from tapehead.protocol.keys import (
    AD_BREAK_NAME,
    AD_ID,
    AD_NAME,
    CHAPTER_INDEX,
    CHAPTER_NAME,
    STATE_NAME,
    STATES_END,
    STATES_START,
)

Family = Literal["session", "playback", "quality", "ads", "chapters", "states"]
# The machines of `transitions` for what begins and ends; empty for none.
Machine = Literal["", "life", "ad_break", "ad", "chapter", "state"]
# The colours of a timeline.
Drawing = Literal["life", "content", "ping", "pause", "buffer", "failure", "ad", "chapter", "state", "other"]


class EventType(NamedTuple):
    """One row: what an event of this type is about.

    Attributes:
        name: the `eventType`.
        family: the family that the reference introduces it with.
        drawing: its colour in timelines.
        opens: what begins with it.
        closes: what ends with it.
        naming: the parameters whose values say which thing it is about.
        titles: the parameters that name the thing for people, the best first.
        metadata: whether it may carry customMetadata.
        needs_params: whether it needs `params` even if none of them is required.
        once: whether a session has one at most.
        repeats: whether it comes at regular intervals, so that its number and its order say nothing.
    """

    name: str
    family: Family
    drawing: Drawing
    opens: Machine = ""
    closes: Machine = ""
    naming: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    metadata: bool = False
    needs_params: bool = False
    once: bool = False
    repeats: bool = False


# In the order in which the reference introduces them.
_ROWS = (
    EventType("sessionStart", "session", "life", opens="life", metadata=True),
    EventType("play", "playback", "content"),
    EventType("ping", "playback", "ping", repeats=True),
    EventType("pauseStart", "playback", "pause"),
    EventType("bufferStart", "playback", "buffer"),
    EventType("bitrateChange", "quality", "other"),
    EventType("error", "quality", "failure"),
    EventType("sessionComplete", "session", "life", once=True),
    EventType("sessionEnd", "session", "life", closes="life", once=True),
    EventType("adBreakStart", "ads", "ad", opens="ad_break", titles=(AD_BREAK_NAME,)),
    EventType("adBreakComplete", "ads", "ad", closes="ad_break"),
    EventType("adStart", "ads", "ad", opens="ad", naming=(AD_ID,), titles=(AD_NAME, AD_ID), metadata=True),
    EventType("adComplete", "ads", "ad", closes="ad"),
    EventType("adSkip", "ads", "ad", closes="ad"),
    EventType(
        "chapterStart",
        "chapters",
        "chapter",
        opens="chapter",
        naming=(CHAPTER_INDEX,),
        titles=(CHAPTER_NAME, CHAPTER_INDEX),
        metadata=True,
    ),
    EventType("chapterComplete", "chapters", "chapter", closes="chapter"),
    EventType("chapterSkip", "chapters", "chapter", closes="chapter"),
    EventType("stateStart", "states", "state", opens="state", naming=(STATE_NAME,)),
    EventType("stateEnd", "states", "state", closes="state", naming=(STATE_NAME,)),
    EventType("statesUpdate", "states", "state", naming=(STATES_START, STATES_END), needs_params=True),
)
EVENT_TYPES: dict[str, EventType] = {row.name: row for row in _ROWS}
# The events that a session ends with.
LAST_TYPES = frozenset({"sessionComplete", "sessionEnd"})
# What players call event types that the API names otherwise, in lower case: the words of other APIs and of players.
MISNOMERS: dict[str, str] = {
    "contentcomplete": "sessionComplete",
    "mediacomplete": "sessionComplete",
    "complete": "sessionComplete",
    "ended": "sessionComplete",
    "stop": "sessionEnd",
    "end": "sessionEnd",
    "resume": "play",
    "playing": "play",
    "buffercomplete": "play",
    "bufferend": "play",
    "seekcomplete": "play",
    "seekend": "play",
    "seekstart": "pauseStart",
    "seek": "pauseStart",
    "heartbeat": "ping",
    "adbreakend": "adBreakComplete",
    "adend": "adComplete",
    "chapterend": "chapterComplete",
}
# Of an event whose type is not documented.
UNDOCUMENTED = EventType("", "playback", "other")


def event_type_of(name: str | None) -> EventType:
    """Return the row of an event type; `UNDOCUMENTED` if there is none."""
    return EVENT_TYPES.get(name or "", UNDOCUMENTED)


def metadata_types() -> list[str]:
    """Return the event types that may carry customMetadata."""
    return [row.name for row in EVENT_TYPES.values() if row.metadata]
