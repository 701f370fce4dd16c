"""The diff as one page that needs nothing else: no network, no other file, no script.

What players sent is text here and nothing more: the template escapes all of it, and the page's own policy lets no
script run and no request go out.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tapehead import __version__
from tapehead.audit.results import SessionResult
from tapehead.diff.difference_messages import name_event, playhead
from tapehead.diff.differences import Change, Diff, Difference, Row, SessionDiff, Verdict
from tapehead.protocol.events import Event
from tapehead.reports.diff.comparison_timeline import ComparisonTimeline, draw_comparison
from tapehead.reports.diff.difference_lines import Item, sections_of, short_id, title_of, totals_of
from tapehead.reports.report_wording import plural
from tapehead.text import escape_controls, format_number, quote
from tapehead.web.asset_files import read_asset

_ASSETS = "reports/assets/diff"

# Rows that are the same on both sides: how many stay around a difference, and how many a session shows at all.
CONTEXT = 2
MOST_SAME_ROWS = 1000
# Cards that stand open when the page is.
OPEN_CARDS = 10

_PARAMETERS = {
    Change.PARAMETER_ADDED,
    Change.PARAMETER_REMOVED,
    Change.PARAMETER_CHANGED,
    Change.PARAMETER_RETYPED,
}


class Cell(NamedTuple):
    """An event on one side: what it is called, its playhead, and when it came in the session."""

    name: str
    playhead: str
    time: str


class Detail(NamedTuple):
    """What differs within an event: its name, and what either side has."""

    name: str
    base: str
    new: str


class Line(NamedTuple):
    """A line of the timelines side by side.

    Attributes:
        kind: `same`, `missing`, `added`, `moved` or `changed`.
        base, new: the event on either side.
        base_pings, new_pings: the pings that follow.
        details: what differs within the event.
    """

    kind: str
    base: Cell | None
    new: Cell | None
    base_pings: int
    new_pings: int
    details: list[Detail]


class Part(NamedTuple):
    """A run of lines; a folded one has nothing to show."""

    folded: bool
    lines: list[Line]
    size: int


class View(NamedTuple):
    """A session as the template wants it."""

    verdict: str
    title: str
    base: str
    new: str
    found: int
    sections: list[tuple[str, list[Item]]]
    notes: list[str]
    strip: ComparisonTimeline
    parts: list[Part]


def render_html(diff: Diff, base: Sequence[str], new: Sequence[str]) -> str:
    """The page for a diff; `base` and `new` are the recordings' names."""
    style = read_asset(f"{_ASSETS}/diff.css")
    page: str = (
        _environment()
        .get_template("diff.html")
        .render(
            version=__version__,
            totals=totals_of(diff),
            counts={str(verdict): diff.count(verdict) for verdict in Verdict},
            names=(_names(base), _names(new)),
            views=[_view(session) for session in diff.sessions if session.verdict is not Verdict.SAME],
            same=[_view(session) for session in diff.sessions if session.verdict is Verdict.SAME],
            outside=list(sections_of(diff.outside)),
            open_cards=OPEN_CARDS,
            style=Markup(style),  # noqa: S704 - our own file
            policy=f"default-src 'none'; style-src 'sha256-{_digest(style)}'; img-src data:",
        )
    )
    return page


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: read_asset(f"{_ASSETS}/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plural"] = plural
    return environment


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _names(recordings: Sequence[str]) -> str:
    return escape_controls(recordings[0]) if len(recordings) == 1 else plural(len(recordings), "recording")


def _view(session: SessionDiff) -> View:
    return View(
        verdict=str(session.verdict),
        title=title_of(session),
        base=_side(session, is_base=True),
        new=_side(session, is_base=False),
        found=len(session.differences),
        sections=list(sections_of(session.differences)),
        notes=[escape_controls(note) for note in session.notes],
        strip=draw_comparison(session),
        parts=[] if session.verdict is Verdict.SAME else list(_parts(session)),
    )


def _side(session: SessionDiff, *, is_base: bool) -> str:
    side = session.base if is_base else session.new
    return f"{short_id(side)}, {plural(side.events, 'event')}, {side.outcome}" if side else ""


# ---- The timelines ----


def _parts(session: SessionDiff) -> Iterator[Part]:
    """The lines of both timelines; runs of the same ones are folded, but for some around each difference."""
    near = {place + shift for place, row in enumerate(session.rows) if row.differences for shift in _AROUND}
    lines = [(place in near, row) for place, row in enumerate(session.rows)]
    begun = _begun(session.base), _begun(session.new)
    room = MOST_SAME_ROWS
    for is_near, rows in groupby(lines, key=lambda line: line[0]):
        listed = [row for _, row in rows]
        shown = listed if is_near else listed[:room]
        room -= 0 if is_near else len(shown)
        yield Part(not is_near, [_line(row, begun) for row in shown], len(listed))


_AROUND = range(-CONTEXT, CONTEXT + 1)


def _begun(session: SessionResult | None) -> int:
    """The first timestamp of a session."""
    steps = session.steps if session else ()
    return next((step.event.ts for step in steps if step.event.ts is not None), 0)


def _line(row: Row, begun: Sequence[int]) -> Line:
    return Line(
        kind=_kind(row),
        base=_cell(row.base, begun[0]),
        new=_cell(row.new, begun[1]),
        base_pings=row.base_pings,
        new_pings=row.new_pings,
        details=list(_details(row.differences)),
    )


def _kind(row: Row) -> str:
    changes = {difference.change for difference in row.differences}
    if Change.EVENT_MISSING in changes:
        return "missing"
    if Change.EVENT_ADDED in changes:
        return "added"
    if Change.EVENT_MOVED in changes:
        return "moved"
    return "changed" if changes else "same"


def _cell(event: Event | None, begun: int) -> Cell | None:
    if event is None:
        return None
    time = "" if event.ts is None else f"{format_number((event.ts - begun) / 1000)} s in"
    return Cell(escape_controls(name_event(event)), playhead(event), time)


def _details(differences: Sequence[Difference]) -> Iterator[Detail]:
    for each in differences:
        if each.change in _PARAMETERS:
            base = "" if each.change is Change.PARAMETER_ADDED else quote(each.base)
            new = "" if each.change is Change.PARAMETER_REMOVED else quote(each.new)
            yield Detail(escape_controls(each.name), escape_controls(base), escape_controls(new))
        elif each.change is Change.STATUS_CHANGED:
            yield Detail("answered", _status(each.base), _status(each.new))


def _status(status: object) -> str:
    return "by nobody" if status is None else str(status)
