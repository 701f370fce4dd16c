"""A session's timeline without pixels: the spans of each lane, the events and the playhead, over seconds.

Time is the player's clock, as in the audit. An event whose timestamp is missing, or off by more than an hour from
where the others and its arrival put it, stands where it arrived, so that one wrong timestamp does not squeeze the rest.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import inf
from statistics import median
from typing import NamedTuple

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.protocol.event_types import Machine, event_type_of
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback

HOUR_MS = 3_600_000
MOST_STATES = 12
# The playheads that a line can show: beyond, a second makes no difference to a float.
LARGEST = 1e15

TimedStep = tuple[float, Step]


class Span(NamedTuple):
    """A stretch of a lane: its kind, its first and last second, and the name of what is on, if it has one."""

    kind: str
    start: float
    end: float
    name: str = ""


class Lane(NamedTuple):
    """A row of the timeline: its title and its spans."""

    title: str
    spans: tuple[Span, ...]


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the timeline.

    Attributes:
        index: its place in the session, in order of arrival.
        at: seconds since the session's first event.
        type: its eventType; `event` if it has none.
        playhead: seconds, or None.
        answer: the status, or `no answer`; empty where it is not known.
        elapsed_ms: how long that took, or None.
        recording, line: where it is recorded.
        in_array: whether it is one of several in a body.
    """

    index: int
    at: float
    type: str
    playhead: float | None
    answer: str = ""
    elapsed_ms: float | None = None
    recording: str
    line: int
    in_array: bool = False


class Timeline(NamedTuple):
    """A session's timeline: its length in seconds, its lanes, its events in their order."""

    seconds: float
    lanes: tuple[Lane, ...]
    events: tuple[TimelineEvent, ...]

    def playheads(self) -> list[tuple[float, float]]:
        """Return when the playhead was where, in seconds, as far as events report it."""
        known = ((event.at, event.playhead) for event in self.events if event.playhead is not None)
        return [(at, playhead) for at, playhead in known if abs(playhead) <= LARGEST]


def timeline_of(result: SessionResult) -> Timeline | None:
    """Return the timeline of a session; None if it has no events."""
    if not result.steps:
        return None
    timed = list(zip(seconds_of(result.steps), result.steps, strict=True))
    events = [
        TimelineEvent(
            index=event.index,
            at=at,
            type=event.type or "event",
            playhead=event.playhead,
            answer="no answer" if event.status is None else str(event.status),
            elapsed_ms=event.answered_ms - event.arrived_ms,
            recording=event.recording,
            line=event.line,
            in_array=event.in_array,
        )
        for at, event in ((at, step.event) for at, step in timed)
    ]
    events += retried_events(result, events)
    lanes = lanes_of(timed)
    # A session in which nothing went on needs no empty lanes.
    shown = lanes if any(lane.spans for lane in lanes) else ()
    return Timeline(timed[-1][0], shown, tuple(sorted(events, key=lambda event: (event.at, event.index))))


def seconds_of(steps: Sequence[Step]) -> Iterator[float]:
    """Yield the seconds of each event since the first, never going back."""

    def skew_of(event: Event) -> float:
        return inf if event.ts is None else event.ts - event.arrived_ms

    events = [step.event for step in steps]
    known = [skew for event in events if abs(skew := skew_of(event)) <= TEN_YEARS_MS]
    usual = median(known) if known else 0.0
    begun = latest = -inf
    for event in events:
        skew = skew_of(event)
        # The events of one array arrive together, long after they happened.
        slack = TEN_YEARS_MS if event.in_array else HOUR_MS
        latest = max(latest, event.arrived_ms + (skew if abs(skew - usual) <= slack else usual))
        begun = latest if begun == -inf else begun
        yield (latest - begun) / 1000


def retried_events(result: SessionResult, events: Sequence[TimelineEvent]) -> Iterator[TimelineEvent]:
    """Yield the events that have findings though the audit took them for retries, next to the event before them."""
    drawn = {event.index for event in events}
    indexes = sorted(drawn)
    latest = list(accumulate((at for _, at in sorted((event.index, event.at) for event in events)), max))
    for finding in result.findings:
        event = finding.event
        if event and event.index not in drawn:
            before = bisect_left(indexes, event.index)
            drawn.add(event.index)
            yield TimelineEvent(
                index=event.index,
                at=latest[before - 1] if before else 0.0,
                type=event.type or "event",
                playhead=event.playhead,
                recording=finding.recording,
                line=finding.line,
            )


# ---- Lanes ----


def lanes_of(timed: Sequence[TimedStep]) -> tuple[Lane, ...]:
    """Return the lanes of content, ads, chapters, pauses and buffers, and one for each player state."""

    def lane(title: str, kind: str, is_on: Callable[[State], bool], name: str = "") -> Lane:
        return Lane(title, tuple(span._replace(name=name) for span in spans_where(timed, kind, is_on)))

    def plays(playback: Playback) -> Callable[[State], bool]:
        return lambda state: state.life is Life.OPEN and state.playback is playback

    def has(name: str) -> Callable[[State], bool]:
        return lambda state: name in state.states

    playing = plays(Playback.PLAYING)
    breaks = spans_where(timed, "break", lambda state: state.in_break, "ad_break")
    ads = spans_where(timed, "ad", lambda state: state.in_ad, "ad")
    chapters = spans_where(timed, "chapter", lambda state: state.in_chapter, "chapter")
    names = sorted(timed[-1][1].after.known_states)[:MOST_STATES]
    return (
        lane("content", "content", lambda state: playing(state) and state.in_main_content),
        Lane("ads", (*breaks, *ads)),
        Lane("chapters", tuple(chapters)),
        lane("pauses", "pause", plays(Playback.PAUSED)),
        lane("buffers", "buffer", plays(Playback.BUFFERING)),
        *(lane(name, "state", has(name), name) for name in names),
    )


def spans_where(
    timed: Sequence[TimedStep], kind: str, is_on: Callable[[State], bool], machine: Machine = ""
) -> Iterator[Span]:
    """Yield the spans in which a session that has not ended is in a state.

    Args:
        timed: the session's steps, each with its second.
        kind: the kind of the spans.
        is_on: whether a state is the one.
        machine: its machine; where it is given, spans have titles, and each event that opens it begins another.
    """
    begun: Span | None = None
    for at, step in timed:
        now = is_on(step.after) and step.after.life is not Life.ENDED
        if begun and (not now or (machine and event_type_of(step.event.type).opens == machine)):
            yield begun._replace(end=at)
            begun = None
        if now and not begun:
            params, keys = step.event.params, event_type_of(step.event.type).titles if machine else ()
            titles = (str(params[key]) for key in keys if params.get(key) not in (None, ""))
            begun = Span(kind, at, at, next(titles, ""))
    if begun:
        yield begun._replace(end=timed[-1][0])
