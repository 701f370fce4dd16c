"""Two sessions as two rails over one clock: the playback phases, the events, and the differences between them."""

from typing import NamedTuple

from tapehead.auditor.results import SessionResult
from tapehead.comparison.difference_messages import name_event, playhead
from tapehead.comparison.differences import Change, SessionDiff
from tapehead.comparison.event_alignment import is_ping
from tapehead.comparison.ping_cadence import PlaybackPhase, TimedSteps, phase_of
from tapehead.text import format_number

# Units of the drawing: its width, and each rail's top.
WIDTH = 1000.0
TOPS = (6, 46)
MOST_TICKS = 400

SPAN_KINDS = {
    PlaybackPhase.START: "start",
    PlaybackPhase.CONTENT: "content",
    PlaybackPhase.ADS: "ad",
    PlaybackPhase.PAUSES: "pause",
    PlaybackPhase.BUFFERS: "buffer",
}
TICK_KINDS = {Change.EVENT_MISSING: "missing", Change.EVENT_ADDED: "added", Change.EVENT_MOVED: "moved"}


class Stretch(NamedTuple):
    """A stretch of a rail: its kind, its left end and its width."""

    kind: str
    x: float
    width: float


class Tick(NamedTuple):
    """An event on a rail: its place, its kind of difference, and its title."""

    x: float
    kind: str
    title: str


class Rail(NamedTuple):
    """One session, and its place in the drawing."""

    top: int
    spans: list[Stretch]
    ticks: list[Tick]


class Link(NamedTuple):
    """A line from an event to its place on the other rail."""

    base: float
    new: float


class ComparisonTimeline(NamedTuple):
    """The drawing: the rails that there are, the lines between them, and how many seconds it spans."""

    rails: list[Rail]
    links: list[Link]
    seconds: str


def draw_comparison(session: SessionDiff) -> ComparisonTimeline:
    """Lay out two sessions, or one that has no counterpart."""
    sides = [(side, TimedSteps(side.steps)) for side in (session.base, session.new) if side]
    seconds = max((timed.times[-1] for _, timed in sides if timed.times), default=0.0) or 1.0
    scale = WIDTH / seconds
    kinds: dict[int, str] = {}  # by the event's identity
    for difference in session.differences:
        for event in (difference.base_event, difference.new_event):
            if event and not is_ping(event):
                kinds.setdefault(id(event), TICK_KINDS.get(difference.change, "changed"))
    rails = [
        Rail(top, stretches_of(timed, scale), ticks_of(side, timed, scale, kinds))
        for top, (side, timed) in zip(TOPS, sides, strict=False)
    ]
    places = [
        {id(step.event): round(time * scale, 2) for step, time in zip(timed.steps, timed.times, strict=True)}
        for _, timed in sides
    ]
    links = [
        Link(places[0][id(difference.base_event)], places[1][id(difference.new_event)])
        for difference in session.differences
        if difference.change is Change.EVENT_MOVED
    ]
    return ComparisonTimeline(rails, links, format_number(seconds))


def stretches_of(timed: TimedSteps, scale: float) -> list[Stretch]:
    """Return the playback phases of a session, each as long as it lasts."""
    stretches: list[Stretch] = []
    for step, time, following in zip(timed.steps, timed.times, timed.times[1:], strict=False):
        kind = SPAN_KINDS[phase_of(step.after)]
        if stretches and stretches[-1].kind == kind:
            stretches[-1] = stretches[-1]._replace(width=round(following * scale - stretches[-1].x, 2))
        else:
            stretches.append(Stretch(kind, round(time * scale, 2), round((following - time) * scale, 2)))
    return [stretch for stretch in stretches if stretch.width > 0]


def ticks_of(session: SessionResult, timed: TimedSteps, scale: float, kinds: dict[int, str]) -> list[Tick]:
    """Return the events of a session, pings aside; of many, all that differ and the first others."""
    ticks: list[Tick] = []
    for step, time in zip(session.steps, timed.times, strict=True):
        event = step.event
        if not is_ping(event) and (len(ticks) < MOST_TICKS or id(event) in kinds):
            title = f"{name_event(event)}, playhead {playhead(event)}, {format_number(time)} s in"
            ticks.append(Tick(round(time * scale, 2), kinds.get(id(event), "same"), title))
    return ticks
