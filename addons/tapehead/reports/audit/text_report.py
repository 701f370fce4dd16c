"""The report for a terminal: totals, sessions, findings by rule, and metrics for those who ask."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.metrics.catalog import METRICS, Metric
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Place, Report, counts_of, places_of, rank_of
from tapehead.reports.report_wording import plural, short_id, title_of, totals_of, value_of
from tapehead.reports.terminal_text import COLOURS, TextStyle, render, safe_text

MOST_SESSIONS = 50
FIRST_PLACES = 3
# Columns of the sessions' table besides content and player, with their gaps.
_FIXED = 56


def render_text(report: Report, look: TextStyle) -> str:
    """The report as text."""
    parts: list[RenderableType] = [*_sessions(report["sessions"], look), *_rules(report, look)]
    if look.verbose:
        parts += [part for session in report["sessions"] for part in _metrics(session)]
    return render([*parts, Text(totals_of(report["summary"]), style="bold")], look)


def _sessions(sessions: list[dict[str, Any]], look: TextStyle) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, header_style="dim")
    # Content and player share what the other columns leave.
    share = max(8, (look.width - _FIXED) // 2)
    for name, least, most in (("session", 8, 12), ("content", 8, share), ("player", 6, share), ("outcome", 10, 10)):
        table.add_column(name, min_width=least, max_width=most, overflow="ellipsis", no_wrap=True)
    for name in ("events", "err", "warn", "info"):
        table.add_column(name, min_width=len(name), justify="right", no_wrap=True)
    shown = sessions if look.verbose else sessions[:MOST_SESSIONS]
    for session in shown:
        table.add_row(*_session_row(session))
    if sessions:
        yield table
    if left := len(sessions) - len(shown):
        yield Text(f"and {plural(left, 'more session')}; -v shows all", style="dim")
    yield Text()


def _session_row(session: Mapping[str, Any]) -> Iterator[Text]:
    yield safe_text(short_id(session["id"]))
    yield safe_text(title_of(session))
    yield safe_text(session["player"] or "-")
    yield Text(session["outcome"])
    yield Text(f"{session['events']:,}")
    for severity, count in counts_of(session).items():
        yield Text(str(count), style=COLOURS[Severity(severity)] if count else "dim")


def _rules(report: Report, look: TextStyle) -> Iterator[RenderableType]:
    """The findings, rule by rule, the worst rules first."""
    by_rule: dict[str, list[Place]] = {}
    for place in places_of(report):
        by_rule.setdefault(place.finding["rule"], []).append(place)
    ordered = sorted(by_rule, key=lambda rule: (_worst(by_rule[rule]), -len(by_rule[rule]), rule))
    for rule in ordered:
        yield from _rule(rule, by_rule[rule], look)
    if ordered:
        yield Text(f"tapehead rules {ordered[0]} explains that rule\n", style="dim")


def _worst(places: Iterable[Place]) -> int:
    return min(rank_of(place.finding["severity"]) for place in places)


def _rule(rule: str, places: list[Place], look: TextStyle) -> Iterator[RenderableType]:
    severity = Severity(min((place.finding["severity"] for place in places), key=rank_of))
    colour = COLOURS[severity]
    yield Text.assemble((f"{severity} {rule}", f"bold {colour}"), (f"  {plural(len(places), 'place')}", "dim"))
    shown = places if look.verbose else places[:FIRST_PLACES]
    yield from (Padding(_place(place), (0, 0, 0, 2)) for place in shown)
    if left := len(places) - len(shown):
        yield Text(f"  and {left:,} more; -v shows all", style="dim")
    yield Text()


def _place(place: Place) -> RenderableType:
    where = safe_text(f"{place.recording}:{place.finding['line']}  {short_id(place.session['id'])}", "dim")
    return Group(where, Padding(safe_text(place.finding["message"]), (0, 0, 0, 2)))


def _metrics(session: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The metrics of a session that say anything, then its ads, chapters and states."""
    metrics = session["metrics"]
    if not metrics:
        return
    named = safe_text(f"metrics of {short_id(session['id'])}", "bold")
    yield Text.assemble(named, safe_text(f"  {title_of(session)}", "dim"))
    rows = [(metric.key, value_of(metrics[metric.key], metric.unit)) for metric in _of("session")]
    yield Padding(_columns([row for row in rows if row[1] not in ("-", "no", "0", "0 s")]), (0, 0, 0, 2))
    for scope, things in (("ad", metrics["ads"]), ("chapter", metrics["chapters"])):
        yield from _things(scope, things)
    yield from _things("state", [{"state": name, **row} for name, row in metrics["states"].items()])
    yield Text()


def _of(scope: str) -> list[Metric]:
    return [metric for metric in METRICS if metric.scope == scope]


def _columns(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for row in rows:
        table.add_row(*map(safe_text, row))
    return table


def _things(scope: str, things: list[dict[str, Any]]) -> Iterator[RenderableType]:
    if not things:
        return
    units = {metric.key: metric.unit for metric in _of(scope)}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for key in things[0]:
        table.add_column(key.replace("_", " "))
    for thing in things:
        table.add_row(*(safe_text(value_of(value, units.get(key, "text"))) for key, value in thing.items()))
    yield Padding(table, (0, 0, 0, 2))
