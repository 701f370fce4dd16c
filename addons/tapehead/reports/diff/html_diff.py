"""The diff as one page that needs nothing else: no network, no other file, no script.

The template escapes what players sent, and the page's content security policy lets no script run and no request go out.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from jinja2 import Environment

from tapehead.auditor.results import SessionResult
from tapehead.comparison.difference_messages import name_event, playhead, status
from tapehead.comparison.differences import Change, Diff, Difference, Row, SessionDiff, Verdict
from tapehead.protocol.events import Event
from tapehead.reports.diff.comparison_timeline import ComparisonTimeline, draw_comparison
from tapehead.reports.diff.difference_lines import SECTIONS, Item, describe_side, sections_of, title_of, totals_of
from tapehead.reports.report_wording import plural
from tapehead.text import escape_controls, format_number, quote
from tapehead.web.pages import build_environment, render_page

ASSETS = "reports/assets/diff"
STYLES = ("web/assets/base.css", "reports/assets/report.css", f"{ASSETS}/diff.css")

# Rows that are the same on both sides: how many stay around a difference, and how many a session shows at all.
CONTEXT = 2
MOST_SAME_ROWS = 1000
# Cards that are open at first.
OPEN_CARDS = 10


class Cell(NamedTuple):
    """An event on one side: its name, its playhead, and its time in the session."""

    name: str
    playhead: str
    time: str


class Detail(NamedTuple):
    """A difference within an event: its name, and the values on either side."""

    name: str
    base: str
    new: str


class Line(NamedTuple):
    """A line of the timelines side by side.

    Attributes:
        kind: `same`, `missing`, `added`, `moved` or `changed`.
        base, new: the event on either side.
        base_pings, new_pings: the pings that follow.
        details: the differences within the event.
    """

    kind: str
    base: Cell | None
    new: Cell | None
    base_pings: int
    new_pings: int
    details: list[Detail]


class LineRun(NamedTuple):
    """A run of lines, folded if they are all the same; of many, the first."""

    folded: bool
    lines: list[Line]
    size: int


class SessionView(NamedTuple):
    """A session with differences as the template takes it."""

    verdict: str
    title: str
    base: str
    new: str
    differences: int
    sections: list[tuple[str, list[Item]]]
    notes: list[str]
    timeline: ComparisonTimeline
    runs: list[LineRun]


def render_html(diff: Diff, base: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Render the page for a diff; `base` and `new` are the recordings' names."""
    names = [escape_controls(side[0]) if len(side) == 1 else plural(len(side), "recording") for side in (base, new)]
    return render_page(
        _environment(),
        "diff.html",
        styles=STYLES,
        totals=totals_of(diff),
        counts={str(verdict): diff.count(verdict) for verdict in Verdict},
        names=names,
        views=(view_of(session) for session in diff.sessions if session.verdict is not Verdict.SAME),
        same=(same_view_of(session) for session in diff.sessions if session.verdict is Verdict.SAME),
        outside=list(sections_of(diff.outside)),
        open_cards=OPEN_CARDS,
    )


@cache
def _environment() -> Environment:
    environment = build_environment(ASSETS)
    environment.filters["plural"] = plural
    return environment


class SameView(NamedTuple):
    """A session without a difference as the template takes it."""

    title: str
    base: str
    new: str
    notes: list[str]


def same_view_of(session: SessionDiff) -> SameView:
    """Prepare a session without a difference for the template."""
    notes = [escape_controls(note) for note in session.notes]
    return SameView(title_of(session), describe_side(session.base), describe_side(session.new), notes)


def view_of(session: SessionDiff) -> SessionView:
    """Prepare a session with differences for the template."""
    return SessionView(
        verdict=str(session.verdict),
        title=title_of(session),
        base=describe_side(session.base),
        new=describe_side(session.new),
        differences=len(session.differences),
        sections=list(sections_of(session.differences)),
        notes=[escape_controls(note) for note in session.notes],
        timeline=draw_comparison(session),
        runs=list(line_runs(session)),
    )


# ---- The timelines side by side ----


def line_runs(session: SessionDiff) -> Iterator[LineRun]:
    """Yield the lines of both timelines; those far from any difference are folded."""
    changed = [place for place, row in enumerate(session.rows) if row.differences]
    near = {place + shift for place in changed for shift in range(-CONTEXT, CONTEXT + 1)}
    begun = first_timestamp(session.base), first_timestamp(session.new)
    room = MOST_SAME_ROWS
    for is_near, run in groupby(enumerate(session.rows), key=lambda numbered: numbered[0] in near):
        rows = [row for _, row in run]
        shown = rows if is_near else rows[:room]
        room -= 0 if is_near else len(shown)
        yield LineRun(not is_near, [line_of(row, begun) for row in shown], len(rows))


def first_timestamp(session: SessionResult | None) -> int:
    """Return the first timestamp of a session in milliseconds; 0 if there is none."""
    steps = session.steps if session else ()
    return next((step.event.ts for step in steps if step.event.ts is not None), 0)


def line_of(row: Row, begun: Sequence[int]) -> Line:
    """Return the line of a row; `begun` are the first timestamps of either side."""
    changes = {difference.change for difference in row.differences}
    whole = {Change.EVENT_MISSING: "missing", Change.EVENT_ADDED: "added", Change.EVENT_MOVED: "moved"}
    return Line(
        kind=next((kind for change, kind in whole.items() if change in changes), "changed" if changes else "same"),
        base=cell_of(row.base, begun[0]),
        new=cell_of(row.new, begun[1]),
        base_pings=row.base_pings,
        new_pings=row.new_pings,
        details=list(details_of(row.differences)),
    )


def cell_of(event: Event | None, begun: int) -> Cell | None:
    """Return the cell of an event in a session that began with the timestamp `begun`."""
    if event is None:
        return None
    time = "" if event.ts is None else f"{format_number((event.ts - begun) / 1000)} s in"
    return Cell(escape_controls(name_event(event)), playhead(event), time)


def details_of(differences: Sequence[Difference]) -> Iterator[Detail]:
    """Yield the parameters and answers that differ within an event."""
    for each in differences:
        if each.change in SECTIONS["parameters"]:
            base = "" if each.change is Change.PARAMETER_ADDED else quote(each.base)
            new = "" if each.change is Change.PARAMETER_REMOVED else quote(each.new)
            yield Detail(*map(escape_controls, (each.name, base, new)))
        elif each.change is Change.STATUS_CHANGED:
            yield Detail("answered", status(each.base), status(each.new))
