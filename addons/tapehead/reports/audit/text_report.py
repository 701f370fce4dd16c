"""The report for a terminal: totals, sessions, findings by rule, and metrics for those who ask."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched, islice
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.metrics.catalog import METRICS
from tapehead.metrics.metric_values import EMPTY_VALUES, value_of
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import LocatedFinding, Report, headline, locate_findings
from tapehead.reports.audit.totals import count_severities, group_name, rank_of, shared_names
from tapehead.reports.report_wording import (
    baseline_totals_of,
    clock,
    number,
    plural,
    short_id,
    title_of,
    totals_of,
)
from tapehead.reports.terminal_text import COLOURS, TextStyle, count_cell, make_table, render, safe_text
from tapehead.reports.text_columns import Cell, Column, lay_out, render_rows
from tapehead.text import escape_controls

MOST_SESSIONS = 50
FIRST_PLACES = 3
MOST_GROUPS = 10
# Parts that are laid out at once.
PARTS_AT_ONCE = 200
# From this width on, the sessions' table has a column for the recording; below, the recording has a line of its own.
WIDE_TABLE = 120


def render_text(report: Report, style: TextStyle) -> Iterator[str]:
    """Yield the report as text, part by part."""
    yield from render_parts(head_parts(report, style), style)
    yield from render_sessions(report, style)
    yield from render_parts(report_parts(report, style), style)


def render_parts(parts: Iterable[RenderableType], style: TextStyle) -> Iterator[str]:
    """Yield parts as text, one below the other."""
    return (render(batch, style) for batch in batched(parts, PARTS_AT_ONCE))


def head_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield what was audited."""
    yield safe_text(headline(report, style.zone), "dim")
    yield from (safe_text(f"  {name}", "dim") for name in report["recordings"] if style.verbose)
    yield Text()


def report_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the parts of the report below the table of sessions."""
    yield from total_parts(report, style)
    yield from rule_parts(report, style)
    if style.verbose:
        yield from (part for session in report["sessions"] for part in metric_parts(session))
    if baseline := report.get("baseline"):
        yield Text(baseline_totals_of(baseline))
    yield Text(totals_of(report["summary"]), style="bold")


def render_sessions(report: Report, style: TextStyle) -> Iterator[str]:
    """Yield the table of sessions, the first of them unless all are asked for, each with the files that it is in."""
    sessions = report["sessions"]
    if not sessions:
        return
    count = len(sessions) if style.verbose else min(len(sessions), MOST_SESSIONS)
    has_files, is_wide = len(report["recordings"]) > 1, style.width >= WIDE_TABLE
    columns = [
        Column("session"),
        Column("content", least=8),
        Column("player", rank=3, least=6),
        Column("outcome", rank=1),
        Column("events", is_number=True, rank=2),
        *(Column(title, is_number=True) for title in ("err", "warn", "info")),
    ]
    if has_files and is_wide:
        columns.append(Column("recording", least=12, keeps_end=True))
    rows = SessionRows(sessions, count, names_files=has_files and is_wide)
    if has_files and not is_wide:
        yield from render_parts(rows_with_files(columns, rows, style), style)
    else:
        yield from render_rows(columns, rows, style)
    more = f"and {plural(len(sessions) - count, 'more session')}; -v shows all"
    yield render([*([Text(more, style="dim")] if count < len(sessions) else []), Text()], style)


class SessionRows:
    """The rows of the table of sessions, made anew whenever they are read.

    Args:
        sessions: the sessions.
        count: how many of them have a row.
        names_files: whether the last cell names the recordings.
    """

    def __init__(self, sessions: Sequence[Mapping[str, Any]], count: int, *, names_files: bool) -> None:
        self._sessions = sessions
        self._count = count
        self._names_files = names_files

    def sessions(self) -> Iterator[Mapping[str, Any]]:
        """Return the sessions that have a row."""
        return islice(self._sessions, self._count)

    def __iter__(self) -> Iterator[list[Cell]]:
        for session in self.sessions():
            texts = (short_id(session["id"]), title_of(session), session["player"] or "-", session["outcome"])
            row = [Cell(escape_controls(text)) for text in (*texts, f"{session['events']:,}")]
            counts = zip(Severity, count_severities(session).values(), strict=True)
            row += [Cell(f"{count:,}", COLOURS[severity] if count else "dim") for severity, count in counts]
            if self._names_files:
                row.append(files_of(session))
            yield row


def files_of(session: Mapping[str, Any]) -> Cell:
    """Return the recordings that a session is in."""
    return Cell(escape_controls(", ".join(session["recordings"])), "dim")


def rows_with_files(columns: Sequence[Column], rows: SessionRows, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the table of sessions for a narrow terminal, with the files of each below its row."""
    cells = zip(*rows, strict=True)
    filled = [
        column._replace(cells=[Text(*cell) for cell in each]) for column, each in zip(columns, cells, strict=True)
    ]
    header, *lines = lay_out(filled, style.width)
    yield header
    for line, session in zip(lines, rows.sessions(), strict=True):
        yield line
        yield Padding(Text(*files_of(session)), (0, 0, 0, 2))


def total_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the totals of each player, content and recording, where there are several, and what all add up to."""
    groups = (("player", "players"), ("content", "contents"), ("recording", "recordings"))
    for title, key in groups:
        rows = report["totals"][key]
        if len(rows) > 1:
            yield from totals_lines(title, list(rows if style.verbose else rows[:MOST_GROUPS]), style.width)
            if (left := len(rows) - MOST_GROUPS) > 0 and not style.verbose:
                yield Text(f"and {left:,} more; -v shows all", style="dim")
            yield Text()
    overall = report["totals"]["overall"]["metrics"]
    if report["sessions"]:
        yield Text(
            f"content time {clock(round(overall['content_time_spent'], 0))}, "
            f"ad time {clock(round(overall['ad_time_spent'], 0))}, "
            f"{plural(overall['media_starts'], 'media start')}, "
            f"{plural(overall['content_completes'], 'content complete')}\n"
        )


def totals_lines(title: str, rows: list[dict[str, Any]], width: int) -> list[Text]:
    """Return the table of the totals of players, contents or recordings; of a recording's name the end stays."""
    is_path, shared = title == "recording", shared_names(rows)

    def numbers(name: str, cells: Iterable[str], rank: int = 0) -> Column:
        return Column(name, list(map(Text, cells)), is_number=True, rank=rank)

    return lay_out(
        [
            Column(title, [safe_text(group_name(row, shared)) for row in rows], least=12, keeps_end=is_path),
            numbers("sessions", (f"{row['sessions']:,}" for row in rows)),
            *(
                Column(name, [count_cell(row[f"{severity}s"], severity) for row in rows], is_number=True)
                for name, severity in zip(("err", "warn", "info"), Severity, strict=True)
            ),
            numbers("content time", (clock(round(row["metrics"]["content_time_spent"], 0)) for row in rows), 1),
            numbers("ad time", (clock(round(row["metrics"]["ad_time_spent"], 0)) for row in rows), 2),
            numbers("completes", (number(row["metrics"]["content_completes"]) for row in rows), 3),
        ],
        width,
    )


def rule_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the findings rule by rule, the worst and most frequent rules first; known ones are only counted."""
    first: dict[str, list[LocatedFinding]] = {}
    places, news = Counter[str](), Counter[str]()
    worst: dict[str, str] = {}
    for located in locate_findings(report):
        rule, severity = located.finding["rule"], located.finding["severity"]
        worst[rule] = min(worst.get(rule, severity), severity, key=rank_of)
        places[rule] += 1
        is_new = located.finding.get("new", True)
        news[rule] += is_new
        if is_new and len(kept := first.setdefault(rule, [])) < FIRST_PLACES:
            kept.append(located)
    listed = places if style.verbose else +news
    ordered = sorted(listed, key=lambda rule: (rank_of(worst[rule]), -listed[rule], rule))
    for rule in ordered:
        counted = f"  {plural(places[rule], 'place')}{f', {news[rule]:,} new' if 'baseline' in report else ''}"
        grade = Severity(worst[rule])
        yield Text.assemble((f"{grade} {rule}", f"bold {COLOURS[grade]}"), (counted, "dim"))
        everywhere = (located for located in locate_findings(report) if located.finding["rule"] == rule)
        shown = everywhere if style.verbose else first[rule]
        for located in shown:
            is_known = "  known" if not located.finding.get("new", True) else ""
            place = f"{located.recording}:{located.finding['line']}  {short_id(located.session['id'])}{is_known}"
            message = Padding(safe_text(located.finding["message"]), (0, 0, 0, 2))
            yield Padding(Group(safe_text(place, "dim"), message), (0, 0, 0, 2))
        if not style.verbose and (left := listed[rule] - len(first[rule])):
            yield Text(f"  and {left:,} more; -v shows all", style="dim")
        yield Text()
    if ordered:
        yield Text(f"tapehead rules {ordered[0]} explains that rule\n", style="dim")


def metric_parts(session: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield the metrics of a session that are not empty, then those of its ads, chapters and states."""
    metrics = session["metrics"]
    if not metrics:
        return
    named = safe_text(f"metrics of {short_id(session['id'])}", "bold")
    yield Text.assemble(named, safe_text(f"  {title_of(session)}", "dim"))
    table = make_table()
    table.add_column(style="dim")
    table.add_column()
    for metric in METRICS:
        value = value_of(metrics[metric.key], metric.unit) if metric.scope == "session" else "-"
        if value not in EMPTY_VALUES:
            table.add_row(metric.key, safe_text(value))
    yield Padding(table, (0, 0, 0, 2))
    states = [{"state": name, **row} for name, row in metrics["states"].items()]
    for scope, rows in (("ad", metrics["ads"]), ("chapter", metrics["chapters"]), ("state", states)):
        if rows:
            yield Padding(scope_table(scope, rows), (0, 0, 0, 2))
    yield Text()


def scope_table(scope: str, rows: list[dict[str, Any]]) -> Table:
    """Return the table of the metrics of a session's ads, chapters or states."""
    units = {metric.key: metric.unit for metric in METRICS if metric.scope == scope}
    table = make_table(header=True)
    for key in rows[0]:
        table.add_column(key.replace("_", " "))
    for row in rows:
        table.add_row(*(safe_text(value_of(value, units.get(key, "text"))) for key, value in row.items()))
    return table
