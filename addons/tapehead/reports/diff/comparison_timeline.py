"""Two sessions as two rails over one clock: what went on, the events, and where they differ."""

from typing import NamedTuple

from tapehead.audit.results import SessionResult
from tapehead.diff.difference_messages import name_event, playhead
from tapehead.diff.differences import Change, SessionDiff
from tapehead.diff.event_alignment import is_ping
from tapehead.diff.ping_cadence import PlaybackPhase, TimedSteps, situation_of
from tapehead.text import format_number

# Units of the drawing: its width, and each rail's top.
WIDTH = 1000.0
TOPS = (6, 46)
MOST_TICKS = 400

_CLASSES = {
    PlaybackPhase.START: "start",
    PlaybackPhase.CONTENT: "content",
    PlaybackPhase.ADS: "ad",
    PlaybackPhase.PAUSES: "pause",
    PlaybackPhase.BUFFERS: "buffer",
}
_MARKS = {Change.EVENT_MISSING: "missing", Change.EVENT_ADDED: "added", Change.EVENT_MOVED: "moved"}


class Span(NamedTuple):
    """A stretch of a rail: what goes on, from where, how wide."""

    kind: str
    x: float
    width: float


class Tick(NamedTuple):
    """An event on a rail: where, its mark, and what it is called."""

    x: float
    kind: str
    title: str


class Rail(NamedTuple):
    """One session, and where it is drawn."""

    top: int
    spans: list[Span]
    ticks: list[Tick]


class Link(NamedTuple):
    """A line from an event to where it is on the other rail."""

    base: float
    new: float


class ComparisonTimeline(NamedTuple):
    """The drawing: the rails that there are, the lines between them, and how many seconds it spans."""

    rails: list[Rail]
    links: list[Link]
    seconds: str


def draw_comparison(session: SessionDiff) -> ComparisonTimeline:
    """The drawing of two sessions, or of one that has no counterpart."""
    sides = [(side, TimedSteps(side.steps)) for side in (session.base, session.new) if side]
    seconds = max((track.times[-1] for _, track in sides if track.times), default=0.0) or 1.0
    scale = WIDTH / seconds
    marks = _marks(session)
    rails = [
        Rail(top, _spans(track, scale), _ticks(side, track, scale, marks))
        for top, (side, track) in zip(TOPS, sides, strict=False)
    ]
    return ComparisonTimeline(rails, _links(session, [track for _, track in sides], scale), format_number(seconds))


def _marks(session: SessionDiff) -> dict[int, str]:
    """The marks of events that differ, by the events' identity."""
    marks: dict[int, str] = {}
    for difference in session.differences:
        for event in (difference.base_event, difference.new_event):
            if event and not is_ping(event):
                marks.setdefault(id(event), _MARKS.get(difference.change, "changed"))
    return marks


def _spans(track: TimedSteps, scale: float) -> list[Span]:
    spans: list[Span] = []
    for step, time, following in zip(track.steps, track.times, track.times[1:], strict=False):
        kind = _CLASSES[situation_of(step.after)]
        if spans and spans[-1].kind == kind:
            spans[-1] = spans[-1]._replace(width=round(following * scale - spans[-1].x, 2))
        else:
            spans.append(Span(kind, round(time * scale, 2), round((following - time) * scale, 2)))
    return [span for span in spans if span.width > 0]


def _ticks(session: SessionResult, track: TimedSteps, scale: float, marks: dict[int, str]) -> list[Tick]:
    ticks: list[Tick] = []
    for step, time in zip(session.steps, track.times, strict=True):
        event = step.event
        if not is_ping(event) and (len(ticks) < MOST_TICKS or id(event) in marks):
            title = f"{name_event(event)}, playhead {playhead(event)}, {format_number(time)} s in"
            ticks.append(Tick(round(time * scale, 2), marks.get(id(event), "same"), title))
    return ticks


def _links(session: SessionDiff, tracks: list[TimedSteps], scale: float) -> list[Link]:
    places = [{id(s.event): time * scale for s, time in zip(t.steps, t.times, strict=True)} for t in tracks]
    return [
        Link(round(places[0][id(each.base_event)], 2), round(places[1][id(each.new_event)], 2))
        for each in session.differences
        if each.change is Change.EVENT_MOVED
    ]
