"""A session's picture in pixels: where each span, event, finding and tick of the axis goes.

Only geometry: the markup is in `assets/session.html`, colours are in `assets/page.css`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tapehead.protocol.event_types import event_type_of
from tapehead.reports.report_wording import clock, moment, number
from tapehead.reports.timeline import Lane, Span, Timeline, TimelineEvent, by_index, playheads_of
from tapehead.text import shorten

LEAST_WIDTH, MOST_WIDTH = 1070, 12_000
EVENT_WIDTH = 4
MARGIN = 14
LANE, PLAYHEAD, EVENTS, LEVEL, FLAG, AXIS, GAP = 20, 60, 24, 17, 15, 22, 6
MOST_LEVELS = 4
# Room that a name needs: a letter's width, and the least worth showing.
LETTER, LEAST_NAME = 6.2, 3

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
_TICK_WIDTH = 90


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
        """What it is, and from when to when."""
        named = f"{self.span.kind} {self.span.name}".strip()
        lasted = number(round(self.span.end - self.span.start, 1))
        return f"{named}: {clock(self.span.start)} to {clock(self.span.end)} ({lasted} s)"


class Tick(NamedTuple):
    """An event on its lane."""

    mark: TimelineEvent
    kind: str
    x: float
    refused: bool

    @property
    def title(self) -> str:
        """What it is, when, where in the content, and what the endpoint said."""
        mark = self.mark
        place = "" if mark.playhead is None else f", playhead {clock(mark.playhead)}"
        answer = f", answered {mark.answer}" if self.refused else ""
        return f"{mark.type} at {moment(mark.at)}{place}{answer} (event {mark.index})"


class Flag(NamedTuple):
    """A finding on the picture: where it is about, and where its flag stands."""

    number: int
    finding: Mapping[str, Any]
    mark: TimelineEvent
    at: float
    x: float
    y: float


class Row(NamedTuple):
    """A lane's title and place; the title is cut to what the margin holds."""

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


class _Scale(NamedTuple):
    width: float
    seconds: float

    def x(self, at: float) -> float:
        return round(MARGIN + at / self.seconds * (self.width - 2 * MARGIN), 1)


def draw(picture: Timeline, findings: Sequence[Mapping[str, Any]]) -> TimelineLayout:
    """The drawing of a picture with the session's findings, as the report has them, on it."""
    width = min(MOST_WIDTH, max(LEAST_WIDTH, EVENT_WIDTH * len(picture.marks)))
    scale = _Scale(width, max(picture.seconds, 1.0))
    flags, levels = _flags(picture, findings, scale)
    rows = list(_rows(picture.lanes, levels))
    points = playheads_of(picture.marks)
    low, high = _range(points)
    return TimelineLayout(
        width=width,
        height=rows[-1].y + rows[-1].height + AXIS,
        rows=rows,
        boxes=[box for lane, row in zip(picture.lanes, rows[3:], strict=True) for box in _boxes(lane, row, scale)],
        ticks=[_tick(mark, scale) for mark in picture.marks],
        flags=flags,
        axis=list(_axis(scale)),
        events_y=rows[1].y,
        line=" ".join(f"{scale.x(at)},{_height(value, low, high, rows[2])}" for at, value in points),
        line_top=clock(high) if points else "",
        line_bottom=clock(low) if points else "",
    )


def _rows(lanes: Iterable[Lane], levels: int) -> Iterator[Row]:
    """The rows from the top: findings, events, playhead, then the lanes."""
    heights = [("findings", LEVEL * max(levels, 1)), ("events", EVENTS), ("playhead", PLAYHEAD)]
    y = float(GAP)
    for title, height in [*heights, *((lane.title, LANE) for lane in lanes)]:
        yield Row(title, y, height)
        y += height + GAP


def _boxes(lane: Lane, row: Row, scale: _Scale) -> Iterator[Box]:
    for span in lane.spans:
        x = scale.x(span.start)
        width = max(2.0, scale.x(span.end) - x)
        letters = int((width - 8) / LETTER)
        # A break is a frame around its ads.
        inset = 0 if span.kind == "break" else 3
        shown = shorten(span.name, letters, "…") if letters >= LEAST_NAME and span.kind != "break" else ""
        yield Box(span, x, row.y + inset, round(width, 1), row.height - 2 * inset, shown)


def _tick(mark: TimelineEvent, scale: _Scale) -> Tick:
    kind = event_type_of(mark.type).drawing
    refused = mark.answer == "no answer" or (mark.answer.isdigit() and int(mark.answer) >= 400)
    return Tick(mark, kind, scale.x(mark.at), refused)


def _flags(picture: Timeline, findings: Sequence[Mapping[str, Any]], scale: _Scale) -> tuple[list[Flag], int]:
    """The findings that are about an event, side by side or on levels, and how many levels they take."""
    marks = by_index(picture)
    ends = [float("-inf")] * MOST_LEVELS
    flags = []
    placed = ((n, each, marks[each["event"]["index"]]) for n, each in enumerate(findings) if each["event"])
    for position, finding, mark in sorted(placed, key=lambda flag: (flag[2].at, flag[0])):
        at = scale.x(mark.at)
        # Where all levels are taken, it stands a little to the right.
        level = next((n for n, end in enumerate(ends) if at - end >= FLAG), ends.index(min(ends)))
        ends[level] = x = min(max(at, ends[level] + FLAG), scale.width - FLAG / 2)
        flags.append(Flag(position, finding, mark, at, x, GAP + LEVEL * level + LEVEL / 2))
    return flags, sum(end > float("-inf") for end in ends)


def _axis(scale: _Scale) -> Iterator[tuple[float, str]]:
    fitting = max(1.0, scale.width / _TICK_WIDTH)
    step = next((step for step in _STEPS if scale.seconds / step <= fitting), None)
    step = step or _STEPS[-1] * int(scale.seconds / _STEPS[-1] / fitting + 1)
    for count in range(int(scale.seconds // step) + 1):
        yield scale.x(count * step), clock(count * step)


def _range(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The lowest and the highest playhead shown: from the content's beginning, unless all are far from it."""
    values = [value for _, value in points] or [0.0]
    low, high = min(values), max(values)
    return (low if low > (high - low) else min(low, 0.0)), max(high, low + 1)


def _height(value: float, low: float, high: float, row: Row) -> float:
    return round(row.y + row.height - 2 - (value - low) / (high - low) * (row.height - 4), 1)


def strip_of(picture: Timeline | None) -> list[tuple[str, float, float]]:
    """The picture in small, for a list: kind, left and width in per cent of the whole."""
    if picture is None:
        return []
    seconds = max(picture.seconds, 1.0)
    spans = [span for lane in picture.lanes for span in lane.spans if span.kind not in ("break", "state", "chapter")]
    return [
        (span.kind, round(span.start / seconds * 100, 2), round(max(0.4, (span.end - span.start) / seconds * 100), 2))
        for span in spans
    ]
