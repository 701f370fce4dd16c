"""The report for a terminal: totals, sessions, findings by rule, and metrics for those who ask."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.metrics.catalog import METRICS
from tapehead.metrics.metric_values import EMPTY_VALUES, value_of
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import LocatedFinding, Report, headline, locate_findings
from tapehead.reports.audit.totals import count_severities, group_name, rank_of
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
from tapehead.reports.text_columns import Column, lay_out

MOST_SESSIONS = 50
FIRST_PLACES = 3
MOST_GROUPS = 10
# From this width on, the sessions' table has a column for the recording; below, the recording has a line of its own.
WIDE_TABLE = 120


def render_text(report: Report, style: TextStyle) -> str:
    """Render the report as text."""
    parts: list[RenderableType] = [safe_text(headline(report, style.zone), "dim")]
    parts += [safe_text(f"  {name}", "dim") for name in report["recordings"] if style.verbose]
    parts.append(Text())
    parts += [*session_parts(report, style), *total_parts(report, style), *rule_parts(report, style)]
    if style.verbose:
        parts += [part for session in report["sessions"] for part in metric_parts(session)]
    if baseline := report.get("baseline"):
        parts.append(Text(baseline_totals_of(baseline)))
    return render([*parts, Text(totals_of(report["summary"]), style="bold")], style)


def session_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the table of sessions, the first of them unless all are asked for, each with the files that it is in."""
    sessions = report["sessions"]
    if not sessions:
        return
    shown = sessions if style.verbose else sessions[:MOST_SESSIONS]
    counts = [count_severities(session) for session in shown]
    files = [safe_text(", ".join(session["recordings"]), "dim") for session in shown]
    has_files, is_wide = len(report["recordings"]) > 1, style.width >= WIDE_TABLE
    columns = [
        Column("session", [safe_text(short_id(session["id"])) for session in shown]),
        Column("content", [safe_text(title_of(session)) for session in shown], least=8),
        Column("player", [safe_text(session["player"] or "-") for session in shown], rank=3, least=6),
        Column("outcome", [safe_text(session["outcome"]) for session in shown], rank=1),
        Column("events", [Text(f"{session['events']:,}") for session in shown], is_number=True, rank=2),
        *(
            Column(title, [count_cell(count[severity], severity) for count in counts], is_number=True)
            for title, severity in zip(("err", "warn", "info"), Severity, strict=True)
        ),
    ]
    columns += [Column("recording", files, least=12, keeps_end=True)] if has_files and is_wide else []
    header, *rows = lay_out(columns, style.width)
    yield header
    for row, file in zip(rows, files, strict=True):
        yield row
        if has_files and not is_wide:
            yield Padding(file, (0, 0, 0, 2))
    if left := len(sessions) - len(shown):
        yield Text(f"and {plural(left, 'more session')}; -v shows all", style="dim")
    yield Text()


def total_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the totals of each player, content and recording, where there are several, and what all add up to."""
    groups = (("player", "players"), ("content", "contents"), ("recording", "recordings"))
    for title, key in groups:
        rows = report["totals"][key]
        if len(rows) > 1:
            yield from totals_lines(title, rows if style.verbose else rows[:MOST_GROUPS], style.width)
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
    is_path = title == "recording"

    def numbers(name: str, cells: Iterable[str], rank: int = 0) -> Column:
        return Column(name, list(map(Text, cells)), is_number=True, rank=rank)

    return lay_out(
        [
            Column(title, [safe_text(group_name(row, rows)) for row in rows], least=12, keeps_end=is_path),
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
    by_rule: dict[str, list[LocatedFinding]] = {}
    for located in locate_findings(report):
        by_rule.setdefault(located.finding["rule"], []).append(located)
    worst = {rule: min((at.finding["severity"] for at in found), key=rank_of) for rule, found in by_rule.items()}
    news = {rule: [at for at in found if at.finding.get("new", True)] for rule, found in by_rule.items()}
    listed = by_rule if style.verbose else {rule: found for rule, found in news.items() if found}
    ordered = sorted(listed, key=lambda rule: (rank_of(worst[rule]), -len(listed[rule]), rule))
    for rule in ordered:
        found, severity = listed[rule], Severity(worst[rule])
        places = f"  {plural(len(by_rule[rule]), 'place')}"
        places += f", {len(news[rule]):,} new" if "baseline" in report else ""
        yield Text.assemble((f"{severity} {rule}", f"bold {COLOURS[severity]}"), (places, "dim"))
        shown = found if style.verbose else found[:FIRST_PLACES]
        for located in shown:
            is_known = "  known" if not located.finding.get("new", True) else ""
            place = f"{located.recording}:{located.finding['line']}  {short_id(located.session['id'])}{is_known}"
            message = Padding(safe_text(located.finding["message"]), (0, 0, 0, 2))
            yield Padding(Group(safe_text(place, "dim"), message), (0, 0, 0, 2))
        if left := len(found) - len(shown):
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
