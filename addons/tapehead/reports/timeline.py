"""A session as a picture, without pixels: what went on when, each event, and the playhead, over seconds.

Time is the player's clock, as in the audit. An event whose timestamp is missing, or off by more than an hour from
where the others and its arrival put it, stands where it arrived, so that one slip does not squeeze the rest.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import inf
from statistics import median
from typing import NamedTuple

import msgspec

from tapehead.audit.results import SessionResult
from tapehead.protocol.event_types import Machine, event_type_of
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback

_HOUR_MS = 3_600_000
MOST_STATES = 12
# The playheads that a line can show: beyond, a second makes no difference to a float.
LARGEST = 1e15

Key = Callable[[State], object]
Name = Callable[[Event], str]
Timed = Sequence[tuple[float, Step]]


class Span(NamedTuple):
    """Something that went on from one second to another, and what it is called."""

    kind: str
    start: float
    end: float
    name: str


class Lane(NamedTuple):
    """A row of the picture: its title and its spans."""

    title: str
    spans: tuple[Span, ...]


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the picture.

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
    """A session's picture: its length in seconds, its lanes, its events in their order."""

    seconds: float
    lanes: tuple[Lane, ...]
    marks: tuple[TimelineEvent, ...]


def timeline_of(result: SessionResult) -> Timeline | None:
    """The picture of a session; None if there is no event in it."""
    if not result.steps:
        return None
    timed = list(zip(_seconds(result.steps), result.steps, strict=True))
    marks = [_mark(at, step.event) for at, step in timed]
    marks += _retried(result, marks)
    lanes = tuple(_lanes(timed))
    # A session in which nothing went on needs no empty lanes.
    lanes = lanes if any(lane.spans for lane in lanes) else ()
    return Timeline(timed[-1][0], lanes, tuple(sorted(marks, key=lambda mark: (mark.at, mark.index))))


def _seconds(steps: Sequence[Step]) -> Iterator[float]:
    """When each event was, in seconds since the first; a time that goes back stands still."""
    events = [step.event for step in steps]
    known = [skew for event in events if abs(skew := _skew(event)) <= TEN_YEARS_MS]
    skew = median(known) if known else 0.0
    begun = latest = _when(events[0], skew)
    for event in events:
        latest = max(latest, _when(event, skew))
        yield (latest - begun) / 1000


def _when(event: Event, skew: float) -> float:
    # What comes in one array happened whenever it did.
    slack = TEN_YEARS_MS if event.in_array else _HOUR_MS
    return event.arrived_ms + (_skew(event) if abs(_skew(event) - skew) <= slack else skew)


def _skew(event: Event) -> float:
    """By how much an event's timestamp is off its arrival; by more than anything if it has none."""
    return inf if event.ts is None else event.ts - event.arrived_ms


def _mark(at: float, event: Event) -> TimelineEvent:
    return TimelineEvent(
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


def _retried(result: SessionResult, marks: Sequence[TimelineEvent]) -> Iterator[TimelineEvent]:
    """The events that findings are about though the audit took them for retries, next to the event before them."""
    drawn = {mark.index for mark in marks}
    indexes = sorted(drawn)
    latest = list(accumulate((at for _, at in sorted((mark.index, mark.at) for mark in marks)), max))
    for finding in result.findings:
        event = finding.event
        if event and event.index not in drawn:
            before = bisect_left(indexes, event.index)
            at = latest[before - 1] if before else 0.0
            drawn.add(event.index)
            yield TimelineEvent(
                index=event.index,
                at=at,
                type=event.type or "event",
                playhead=event.playhead,
                recording=finding.recording,
                line=finding.line,
            )


# ---- Lanes ----


def _lanes(timed: Timed) -> Iterator[Lane]:
    yield Lane("content", tuple(_spans(timed, "content", _plays_content)))
    breaks = _spans(timed, "break", lambda state: state.in_break, _title, "ad_break")
    ads = _spans(timed, "ad", lambda state: state.in_ad, _title, "ad")
    yield Lane("ads", (*breaks, *ads))
    yield Lane("chapters", tuple(_spans(timed, "chapter", lambda state: state.in_chapter, _title, "chapter")))
    yield Lane("pauses", tuple(_spans(timed, "pause", _is(Playback.PAUSED))))
    yield Lane("buffers", tuple(_spans(timed, "buffer", _is(Playback.BUFFERING))))
    for name in sorted(timed[-1][1].after.known_states)[:MOST_STATES]:
        yield Lane(name, tuple(_spans(timed, "state", _has(name), _always(name))))


def _plays_content(state: State) -> bool:
    return state.life is Life.OPEN and state.playback is Playback.PLAYING and state.in_main_content


def _is(playback: Playback) -> Key:
    return lambda state: state.life is Life.OPEN and state.playback is playback


def _has(name: str) -> Key:
    return lambda state: state.life is not Life.ENDED and name in state.states


def _title(event: Event) -> str:
    """Return what names the thing that an event begins: the first of its type's titles that is there."""
    titles = event_type_of(event.type).titles
    return next((str(event.params[key]) for key in titles if event.params.get(key) not in (None, "")), "")


def _always(name: str) -> Name:
    return lambda event: name


def _spans(
    timed: Timed, kind: str, holds: Key, name_of: Name = lambda event: "", restarts: Machine = ""
) -> Iterator[Span]:
    """The spans in which something holds; another begins at each event that opens `restarts`."""
    begun: tuple[float, str] | None = None
    for at, step in timed:
        holds_now = bool(holds(step.after)) and step.after.life is not Life.ENDED
        if begun and (not holds_now or (restarts and event_type_of(step.event.type).opens == restarts)):
            yield Span(kind, begun[0], at, begun[1])
            begun = None
        if holds_now and not begun:
            begun = at, name_of(step.event)
    if begun:
        yield Span(kind, begun[0], timed[-1][0], begun[1])


def playheads_of(marks: Iterable[TimelineEvent]) -> list[tuple[float, float]]:
    """Where the playhead was and when, as far as events tell."""
    return [(mark.at, mark.playhead) for mark in marks if mark.playhead is not None and abs(mark.playhead) <= LARGEST]


def by_index(picture: Timeline) -> Mapping[int, TimelineEvent]:
    """The events of a picture by their index."""
    return {mark.index: mark for mark in picture.marks}
