"""A session's timeline without pixels: the spans of each lane, the events, the playhead and the bitrate, over seconds.

`web/assets/timeline.js` draws it, for the audit's report and for the live page. Time is the player's clock, as in the
audit. An event whose timestamp is missing, or off by more than an hour from where the others and its arrival put it,
stands where it arrived, so that one wrong timestamp does not squeeze the rest.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import Any, NamedTuple

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.metrics.quality import reported_kilobits
from tapehead.protocol.event_types import Drawing, Machine, event_type_of
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.responses import REFUSED
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback

HOUR_MS = 3_600_000
MOST_STATES = 12
# The playheads that a line can show: beyond, a second makes no difference to a float.
LARGEST = 1e15

# Kinds of spans that a timeline in small leaves out.
_NOT_IN_STRIP = ("break", "state", "chapter", "failure", "refused")

TimedStep = tuple[float, Step]
# A span in small: its kind, its left end and its width in per cent of the whole.
Strip = list[tuple[str, float, float]]


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


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event on the timeline.

    Attributes:
        index: its place in the session, in order of arrival.
        at: seconds since the session's first event.
        type: its eventType; `event` if it has none.
        kind: its colour.
        playhead: seconds, or None.
        answer: the status, or `no answer`; empty where it is not known.
        elapsed_ms: how long that took, or None.
        is_refused: whether it was not answered, or with 400 or more.
        recording, line: where it is recorded.
        in_array: whether it is one of several in a body.
    """

    index: int
    at: float
    type: str
    kind: Drawing
    playhead: float | None = None
    answer: str = ""
    elapsed_ms: float | None = None
    is_refused: bool = False
    recording: str
    line: int
    in_array: bool = False


class Timeline(NamedTuple):
    """A session's timeline.

    Attributes:
        seconds: its length.
        lanes: its lanes; empty where nothing went on.
        events: its events in their order.
        bitrates: each second from which on a bitrate was reported, with that in kilobits per second.
        is_over: whether the session has ended.
    """

    seconds: float
    lanes: tuple[Lane, ...]
    events: tuple[TimelineEvent, ...]
    bitrates: tuple[tuple[float, float], ...] = ()
    is_over: bool = True

    def model(self) -> dict[str, Any]:
        """Return what `timeline.js` draws, ready for JSON; times in seconds, rounded to milliseconds."""
        events = (msgspec.structs.replace(event, at=round(event.at, 3)) for event in self.events)
        return {
            "seconds": round(self.seconds, 3),
            "lanes": [
                {
                    "title": lane.title,
                    "spans": [(kind, round(start, 3), round(end, 3), name) for kind, start, end, name in lane.spans],
                }
                for lane in self.lanes
            ],
            "events": [msgspec.to_builtins(event) for event in events],
            "bitrates": [(round(at, 3), kilobits) for at, kilobits in self.bitrates],
            "is_over": self.is_over,
        }

    def strip(self) -> Strip:
        """Return the timeline in small, for a list, without breaks, chapters, errors and states."""
        seconds = max(self.seconds, 1.0)
        spans = [span for lane in self.lanes for span in lane.spans if span.kind not in _NOT_IN_STRIP]
        return [
            (
                each.kind,
                round(each.start / seconds * 100, 2),
                round(max(0.4, (each.end - each.start) / seconds * 100), 2),
            )
            for each in spans
        ]


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
            kind=event_type_of(event.type).drawing,
            playhead=shown_playhead(event.playhead),
            answer="no answer" if event.status is None else str(event.status),
            elapsed_ms=round(event.answered_ms - event.arrived_ms, 1),
            is_refused=is_refused(event),
            recording=event.recording,
            line=event.line,
            in_array=event.in_array,
        )
        for at, event in ((at, step.event) for at, step in timed)
    ]
    events += retried_events(result, events)
    lanes = lanes_of(timed)
    bitrates = ((at, reported_kilobits(step.event)) for at, step in timed)
    return Timeline(
        seconds=timed[-1][0],
        # A session in which nothing went on needs no empty lanes.
        lanes=lanes if any(lane.spans for lane in lanes) else (),
        events=tuple(sorted(events, key=lambda event: (event.at, event.index))),
        bitrates=tuple((at, kilobits) for at, kilobits in bitrates if kilobits is not None),
        is_over=timed[-1][1].after.life in (Life.ENDED, Life.COMPLETED),
    )


def shown_playhead(playhead: float | None) -> float | None:
    """Return a playhead in seconds if a line can show it, None otherwise."""
    return playhead if playhead is not None and abs(playhead) <= LARGEST else None


def is_refused(event: Event) -> bool:
    """Return whether an event was not answered, or with 400 or more."""
    return event.status is None or event.status >= REFUSED


def seconds_of(steps: Sequence[Step]) -> Iterator[float]:
    """Yield the seconds of each event since the first, never going back."""
    from statistics import median  # which takes long to load

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
                kind=event_type_of(event.type).drawing,
                playhead=shown_playhead(event.playhead),
                recording=finding.recording,
                line=finding.line,
            )


# ---- Lanes ----


def lanes_of(timed: Sequence[TimedStep]) -> tuple[Lane, ...]:
    """Return the lanes of content, ads, chapters, pauses, buffers and errors, and one for each player state."""

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
        Lane("errors", tuple(failures_in(timed))),
        *(lane(name, "state", has(name), name) for name in names),
    )


def failures_in(timed: Sequence[TimedStep]) -> Iterator[Span]:
    """Yield the moments of a player's errors, and of events that were refused or not answered."""
    for at, step in timed:
        event = step.event
        if event_type_of(event.type).drawing == "failure":
            yield Span("failure", at, at, event.type or "")
        elif is_refused(event):
            answer = "not answered" if event.status is None else f"answered {event.status}"
            yield Span("refused", at, at, f"{event.type or 'event'} {answer}")


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
