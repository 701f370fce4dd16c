"""The audit report as one page that needs nothing else: no network, no other file.

The template escapes what players sent, bodies are embedded as JSON that cannot end its block, and the page's content
security policy lets no other script run and no request go out.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment

from tapehead.auditor.results import Outcome
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Report, headline
from tapehead.reports.audit.totals import count_severities, group_name, rank_of
from tapehead.reports.report_wording import (
    EMPTY_VALUES,
    baseline_totals_of,
    clock,
    last_part,
    moment,
    number,
    plural,
    short_id,
    title_of,
    value_of,
)
from tapehead.reports.timeline import Timeline
from tapehead.reports.timeline_svg import Strip, TimelineLayout, draw, draw_strip
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import sections_of
from tapehead.text import local_time
from tapehead.web.pages import build_environment, embed_json, render_page

ASSETS = "reports/assets/audit"
STYLES = ("web/assets/base.css", "reports/assets/report.css", f"{ASSETS}/page.css")
GROUPS = (("Player", "players"), ("Content", "contents"), ("Recording", "recordings"))
SCRIPTS = ("web/assets/json_view.js", f"{ASSETS}/page.js")


class Detail(NamedTuple):
    """The parts of a session that the page shows beyond the report.

    Attributes:
        timeline: its timeline; None if it has no events, or there is no room for it.
        bodies: the bodies of its events as recorded, by the event's index.
    """

    timeline: Timeline | None = None
    bodies: Mapping[str, str] = {}


class MetricRow(NamedTuple):
    """A metric of a session as the page shows it."""

    name: str
    value: str
    path: str
    definition: str


class SessionView(NamedTuple):
    """A session as the template takes it."""

    number: int
    session: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: float | None
    strip: Strip
    layout: TimelineLayout | None
    metrics: list[MetricRow]
    silent_metrics: list[str]
    search: str


def render_html(report: Report, details: Sequence[Detail], zone: tzinfo | None = None) -> str:
    """Render the page for a report.

    Args:
        report: the report.
        details: one item for each of its sessions.
        zone: the zone of times; None for that of the system.
    """
    views = [view_of(n, *each) for n, each in enumerate(zip(report["sessions"], details, strict=True))]
    return render_page(
        _environment(),
        "page.html",
        styles=STYLES,
        scripts=SCRIPTS,
        report=report,
        headline=headline(report, zone),
        zone=zone,
        views=views,
        rules=rank_rules(report),
        groups=[(title, report["totals"][key]) for title, key in GROUPS if len(report["totals"][key]) > 1],
        outcomes=[outcome for outcome in Outcome if any(view.session["outcome"] == outcome for view in views)],
        bodies=embed_json({str(n): detail.bodies for n, detail in enumerate(details) if detail.bodies}),
    )


@cache
def _environment() -> Environment:
    environment = build_environment(ASSETS)
    words = (baseline_totals_of, clock, group_name, last_part, local_time, moment, short_id, title_of, value_of)
    environment.filters.update({word.__name__: word for word in words} | {"number": number, "plural": plural})
    environment.globals.update(severities=list(Severity), sections_of=sections_of)
    return environment


def view_of(number: int, session: Mapping[str, Any], detail: Detail) -> SessionView:
    """Prepare a session for the template: its strip and timeline drawn, its metrics worded, its text for the filter."""
    timeline, metrics = detail.timeline, session["metrics"]
    rows = [
        MetricRow(
            metric.key.replace("_", " "),
            value_of(metrics[metric.key], metric.unit),
            ", ".join(filter(None, (metric.variable, metric.xdm))),
            metric.definition,
        )
        for metric in METRICS
        if metric.scope == "session" and metrics
    ]
    keys = ("id", "media_id", "media_name", "player", "started", "outcome")
    searched = [*session["recordings"], *(str(session[key] or "") for key in keys)]
    searched += [f"{finding['rule']} {finding['message']}" for finding in session["findings"]]
    return SessionView(
        number=number,
        session=session,
        counts=count_severities(session),
        seconds=timeline.seconds if timeline else None,
        strip=draw_strip(timeline) if timeline else [],
        layout=draw(timeline, session["findings"]) if timeline else None,
        metrics=[row for row in rows if row.value not in EMPTY_VALUES],
        silent_metrics=[row.name for row in rows if row.value in EMPTY_VALUES],
        search=" ".join(searched).lower(),
    )


def rank_rules(report: Report) -> list[dict[str, Any]]:
    """Return the rules of a report's findings with severity and count, the worst and most frequent first."""
    worst: dict[str, str] = {}
    for finding in (finding for session in report["sessions"] for finding in session["findings"]):
        known = worst.get(finding["rule"], finding["severity"])
        worst[finding["rule"]] = min(known, finding["severity"], key=rank_of)
    counts = report["summary"]["by_rule"]
    ordered = sorted(worst, key=lambda rule: (rank_of(worst[rule]), -counts[rule], rule))
    return [{"rule": RULES[rule], "severity": worst[rule], "count": counts[rule]} for rule in ordered]
