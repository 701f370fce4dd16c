"""A session's timeline in pixels: the places of spans, events, findings and ticks of the axis.

Only geometry: the markup is in `assets/audit/session.html`, colours are in `assets/report.css`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tapehead.protocol.event_types import event_type_of
from tapehead.reports.report_wording import clock, moment, number
from tapehead.reports.timeline import Span, Timeline, TimelineEvent
from tapehead.text import shorten

LEAST_WIDTH, MOST_WIDTH = 1070, 12_000
EVENT_WIDTH = 4
MARGIN = 14
LANE, PLAYHEAD, EVENTS, LEVEL, FLAG, AXIS, GAP = 20, 60, 24, 17, 15, 22, 6
MOST_LEVELS = 4
# Room that a name needs: a letter's width, and the least worth showing.
LETTER, LEAST_NAME = 6.2, 3

# Seconds between ticks of the axis, and the room that a tick's label needs.
TICK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
TICK_WIDTH = 90
# A span in small: its kind, its left end and its width in per cent of the whole.
Strip = list[tuple[str, float, float]]


class Box(NamedTuple):
    """A span in its lane."""

    span: Span
    x: float
    y: float
    width: float
    height: float
    name: str

    @property
    def title(self) -> str:
        """The span's kind and name, its beginning, end and length."""
        named = f"{self.span.kind} {self.span.name}".strip()
        lasted = number(round(self.span.end - self.span.start, 1))
        return f"{named}: {clock(self.span.start)} to {clock(self.span.end)} ({lasted} s)"


class Tick(NamedTuple):
    """An event in its lane."""

    event: TimelineEvent
    kind: str
    x: float
    refused: bool

    @property
    def title(self) -> str:
        """The event's type, time, playhead and, if it was refused, answer."""
        event = self.event
        playhead = "" if event.playhead is None else f", playhead {clock(event.playhead)}"
        answer = f", answered {event.answer}" if self.refused else ""
        return f"{event.type} at {moment(event.at)}{playhead}{answer} (event {event.index})"


class Flag(NamedTuple):
    """A finding on the timeline: the event that it is about, where that is, and where its flag stands."""

    number: int
    finding: Mapping[str, Any]
    event: TimelineEvent
    at: float
    x: float
    y: float


class Row(NamedTuple):
    """A lane's title and place."""

    title: str
    y: float
    height: float


class TimelineLayout(NamedTuple):
    """Everything that the template draws, in pixels."""

    width: float
    height: float
    rows: list[Row]
    boxes: list[Box]
    ticks: list[Tick]
    flags: list[Flag]
    axis: list[tuple[float, str]]
    events_y: float
    line: str
    line_top: str
    line_bottom: str


class Scale(NamedTuple):
    """The width of a timeline and the seconds that it spans."""

    width: float
    seconds: float

    def x(self, at: float) -> float:
        """Return the place of a second."""
        return round(MARGIN + at / self.seconds * (self.width - 2 * MARGIN), 1)


def draw(timeline: Timeline, findings: Sequence[Mapping[str, Any]]) -> TimelineLayout:
    """Lay out a timeline with the session's findings, as the report has them, on it."""
    width = min(MOST_WIDTH, max(LEAST_WIDTH, EVENT_WIDTH * len(timeline.events)))
    scale = Scale(width, max(timeline.seconds, 1.0))
    flags = list(place_flags(timeline, findings, scale))
    levels = len({flag.y for flag in flags}) or 1
    heights = [("findings", LEVEL * levels), ("events", EVENTS), ("playhead", PLAYHEAD)]
    rows, y = [], float(GAP)
    for title, height in [*heights, *((lane.title, LANE) for lane in timeline.lanes)]:
        rows.append(Row(title, y, height))
        y += height + GAP
    events_row, playhead_row = rows[1:3]
    points = timeline.playheads()
    low, high = playhead_range(points)

    def playhead_y(playhead: float) -> float:
        bottom, room = playhead_row.y + playhead_row.height - 2, playhead_row.height - 4
        return round(bottom - (playhead - low) / (high - low) * room, 1)

    return TimelineLayout(
        width=width,
        height=rows[-1].y + rows[-1].height + AXIS,
        rows=rows,
        boxes=[
            box_of(span, row, scale) for lane, row in zip(timeline.lanes, rows[3:], strict=True) for span in lane.spans
        ],
        ticks=[tick_of(event, scale) for event in timeline.events],
        flags=flags,
        axis=list(axis_ticks(scale)),
        events_y=events_row.y,
        line=" ".join(f"{scale.x(at)},{playhead_y(playhead)}" for at, playhead in points),
        line_top=clock(high) if points else "",
        line_bottom=clock(low) if points else "",
    )


def box_of(span: Span, row: Row, scale: Scale) -> Box:
    """Return a span's box, with its name where there is room for it; a break is a frame around its ads."""
    x = scale.x(span.start)
    width = max(2.0, scale.x(span.end) - x)
    letters = int((width - 8) / LETTER)
    inset = 0 if span.kind == "break" else 3
    name = shorten(span.name, letters, "…") if letters >= LEAST_NAME and span.kind != "break" else ""
    return Box(span, x, row.y + inset, round(width, 1), row.height - 2 * inset, name)


def tick_of(event: TimelineEvent, scale: Scale) -> Tick:
    """Return an event's tick; one that was not answered, or with 400 or more, was refused."""
    refused = event.answer == "no answer" or (event.answer.isdigit() and int(event.answer) >= 400)
    return Tick(event, event_type_of(event.type).drawing, scale.x(event.at), refused)


def place_flags(timeline: Timeline, findings: Sequence[Mapping[str, Any]], scale: Scale) -> Iterator[Flag]:
    """Yield the findings that are about an event, those close together on levels below each other."""
    events = {event.index: event for event in timeline.events}
    ends = [float("-inf")] * MOST_LEVELS
    placed = ((n, finding, events[finding["event"]["index"]]) for n, finding in enumerate(findings) if finding["event"])
    for position, finding, event in sorted(placed, key=lambda flag: (flag[2].at, flag[0])):
        at = scale.x(event.at)
        # Where all levels are taken, it stands a little to the right.
        level = next((n for n, end in enumerate(ends) if at - end >= FLAG), ends.index(min(ends)))
        ends[level] = x = min(max(at, ends[level] + FLAG), scale.width - FLAG / 2)
        yield Flag(position, finding, event, at, x, GAP + LEVEL * level + LEVEL / 2)


def axis_ticks(scale: Scale) -> Iterator[tuple[float, str]]:
    """Yield place and label of each tick of the axis, as many as fit."""
    fitting = max(1.0, scale.width / TICK_WIDTH)
    step = next((step for step in TICK_STEPS if scale.seconds / step <= fitting), None)
    step = step or TICK_STEPS[-1] * int(scale.seconds / TICK_STEPS[-1] / fitting + 1)
    for count in range(int(scale.seconds // step) + 1):
        yield scale.x(count * step), clock(count * step)


def playhead_range(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the lowest and the highest playhead shown: from the content's beginning, unless all are far from it."""
    playheads = [playhead for _, playhead in points] or [0.0]
    low, high = min(playheads), max(playheads)
    return (low if low > (high - low) else min(low, 0.0)), max(high, low + 1)


def draw_strip(timeline: Timeline) -> Strip:
    """Return the timeline in small, for a list, without breaks, chapters and states."""
    seconds = max(timeline.seconds, 1.0)
    spans = [span for lane in timeline.lanes for span in lane.spans if span.kind not in ("break", "state", "chapter")]
    return [
        (span.kind, round(span.start / seconds * 100, 2), round(max(0.4, (span.end - span.start) / seconds * 100), 2))
        for span in spans
    ]
