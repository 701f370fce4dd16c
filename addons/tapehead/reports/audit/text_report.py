"""The report for a terminal: totals, sessions, findings by rule, and metrics for those who ask."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import LocatedFinding, Report, headline, locate_findings
from tapehead.reports.audit.totals import count_severities, group_name, rank_of
from tapehead.reports.report_wording import (
    EMPTY_VALUES,
    baseline_totals_of,
    clock,
    number,
    plural,
    short_id,
    title_of,
    totals_of,
    value_of,
)
from tapehead.reports.terminal_text import COLOURS, TextStyle, make_table, render, safe_text

MOST_SESSIONS = 50
FIRST_PLACES = 3
MOST_GROUPS = 10
# Columns of the sessions' table besides content and player, with their gaps.
FIXED_COLUMNS = 62
# From this width on, the sessions' table has a column for the recording; below, the recording has a line of its own.
WIDE_TABLE = 120


def render_text(report: Report, style: TextStyle) -> str:
    """Render the report as text."""
    parts: list[RenderableType] = [safe_text(headline(report), "dim"), Text()]
    parts += [*session_parts(report, style), *total_parts(report, style), *rule_parts(report, style)]
    if style.verbose:
        parts += [part for session in report["sessions"] for part in metric_parts(session)]
    if baseline := report.get("baseline"):
        parts.append(Text(baseline_totals_of(baseline)))
    return render([*parts, Text(totals_of(report["summary"]), style="bold")], style)


def session_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the table of sessions, the first of them unless all are asked for, each with the files that it is in."""
    table = make_table(header=True)
    is_wide, has_files = style.width >= WIDE_TABLE, len(report["recordings"]) > 1
    # Content and player share what the other columns leave, with the file if there is room.
    share = max(8, (style.width - FIXED_COLUMNS) // (4 if is_wide and has_files else 2))
    for name, least, most in (("session", 8, 12), ("content", 8, share), ("player", 6, share), ("outcome", 10, 16)):
        table.add_column(name, min_width=least, max_width=most, overflow="ellipsis", no_wrap=True)
    for name in ("events", "err", "warn", "info"):
        table.add_column(name, min_width=len(name), justify="right", no_wrap=True)
    if is_wide and has_files:
        table.add_column("recording", overflow="fold")
    sessions = report["sessions"]
    shown = sessions if style.verbose else sessions[:MOST_SESSIONS]
    for session in shown:
        names = short_id(session["id"]), title_of(session), session["player"] or "-", session["outcome"]
        counts = (
            Text(str(count), style=COLOURS[Severity(severity)] if count else "dim")
            for severity, count in count_severities(session).items()
        )
        files = [safe_text(", ".join(session["recordings"]), "dim")] if is_wide and has_files else []
        table.add_row(*map(safe_text, names), f"{session['events']:,}", *counts, *files)
    if has_files and not is_wide:
        yield from rows_with_files(table, shown, style)
    elif sessions:
        yield table
    if left := len(sessions) - len(shown):
        yield Text(f"and {plural(left, 'more session')}; -v shows all", style="dim")
    yield Text()


def rows_with_files(table: Table, sessions: list[dict[str, Any]], style: TextStyle) -> Iterator[RenderableType]:
    """Yield the lines of a table of sessions, and below each the files that the session is in."""
    header, *rows = render([table], style).splitlines()
    yield Text.from_ansi(header)
    for row, session in zip(rows, sessions, strict=True):
        yield Text.from_ansi(row)
        yield Padding(safe_text(", ".join(session["recordings"]), "dim"), (0, 0, 0, 2))


def total_parts(report: Report, style: TextStyle) -> Iterator[RenderableType]:
    """Yield the totals of each player, content and recording, where there are several, and what all add up to."""
    groups = (("player", "players"), ("content", "contents"), ("recording", "recordings"))
    for title, key in groups:
        rows = report["totals"][key]
        if len(rows) > 1:
            yield totals_table(title, rows if style.verbose else rows[:MOST_GROUPS])
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


def totals_table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Return the table of the totals of players, contents or recordings."""
    table = make_table(header=True)
    table.add_column(title, min_width=8, overflow="fold")
    for name in ("sessions", "err", "warn", "info", "content time", "ad time", "completes"):
        table.add_column(name, min_width=len(name), justify="right", no_wrap=True)
    for row in rows:
        counts = (
            Text(f"{row[f'{severity}s']:,}", style=COLOURS[severity] if row[f"{severity}s"] else "dim")
            for severity in Severity
        )
        metrics = row["metrics"]
        times = (clock(round(metrics[key], 0)) for key in ("content_time_spent", "ad_time_spent"))
        table.add_row(
            safe_text(group_name(row, rows)),
            f"{row['sessions']:,}",
            *counts,
            *times,
            number(metrics["content_completes"]),
        )
    return table


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
