"""The report for a terminal: totals, sessions, findings by rule, and metrics for those who ask."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import LocatedFinding, Report, count_severities, locate_findings, rank_of
from tapehead.reports.report_wording import EMPTY_VALUES, plural, short_id, title_of, totals_of, value_of
from tapehead.reports.terminal_text import COLOURS, TextStyle, make_table, render, safe_text

MOST_SESSIONS = 50
FIRST_PLACES = 3
# Columns of the sessions' table besides content and player, with their gaps.
FIXED_COLUMNS = 62


def render_text(report: Report, style: TextStyle) -> str:
    """Render the report as text."""
    parts: list[RenderableType] = [*session_parts(report["sessions"], style), *rule_parts(report, style)]
    if style.verbose:
        parts += [part for session in report["sessions"] for part in metric_parts(session)]
    return render([*parts, Text(totals_of(report["summary"]), style="bold")], style)


def session_parts(sessions: list[dict[str, Any]], style: TextStyle) -> Iterator[RenderableType]:
    """Yield the table of sessions, the first of them unless all are asked for."""
    table = make_table(header=True)
    # Content and player share what the other columns leave.
    share = max(8, (style.width - FIXED_COLUMNS) // 2)
    for name, least, most in (("session", 8, 12), ("content", 8, share), ("player", 6, share), ("outcome", 10, 16)):
        table.add_column(name, min_width=least, max_width=most, overflow="ellipsis", no_wrap=True)
    for name in ("events", "err", "warn", "info"):
        table.add_column(name, min_width=len(name), justify="right", no_wrap=True)
    shown = sessions if style.verbose else sessions[:MOST_SESSIONS]
    for session in shown:
        names = short_id(session["id"]), title_of(session), session["player"] or "-", session["outcome"]
        counts = (
            Text(str(count), style=COLOURS[Severity(severity)] if count else "dim")
            for severity, count in count_severities(session).items()
        )
        table.add_row(*map(safe_text, names), f"{session['events']:,}", *counts)
    if sessions:
        yield table
    if left := len(sessions) - len(shown):
        yield Text(f"and {plural(left, 'more session')}; -v shows all", style="dim")
    yield Text()


def rule_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the findings rule by rule, the worst and most frequent rules first."""
    by_rule: dict[str, list[LocatedFinding]] = {}
    for located in locate_findings(report):
        by_rule.setdefault(located.finding["rule"], []).append(located)
    worst = {rule: min((at.finding["severity"] for at in found), key=rank_of) for rule, found in by_rule.items()}
    ordered = sorted(by_rule, key=lambda rule: (rank_of(worst[rule]), -len(by_rule[rule]), rule))
    for rule in ordered:
        found, severity = by_rule[rule], Severity(worst[rule])
        places = f"  {plural(len(found), 'place')}"
        yield Text.assemble((f"{severity} {rule}", f"bold {COLOURS[severity]}"), (places, "dim"))
        shown = found if style.verbose else found[:FIRST_PLACES]
        for located in shown:
            place = f"{located.recording}:{located.finding['line']}  {short_id(located.session['id'])}"
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
