"""The audit report as one page that needs nothing else: no network, no other file.

The template escapes what players sent, timelines and bodies are embedded as JSON that cannot end its block, and the
page's content security policy lets no other script run and no request go out. In a large report the insides of sessions
are compressed, some sessions a block, and a block is unpacked when one of them is opened.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from tapehead.auditor.results import Outcome
from tapehead.auditor.timeline import Strip, Timeline
from tapehead.metrics.metric_values import EMPTY_VALUES, MetricRow, metric_rows, value_of
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Report, headline
from tapehead.reports.audit.totals import count_severities, group_name, rank_of
from tapehead.reports.report_wording import (
    baseline_totals_of,
    clock,
    last_part,
    moment,
    number,
    plural,
    short_id,
    title_of,
)
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import sections_of
from tapehead.text import local_time
from tapehead.web.pages import build_environment, embed_json, render_page

ASSETS = "reports/assets/audit"
STYLES = ("web/assets/base.css", "web/assets/timeline.css", "reports/assets/report.css", f"{ASSETS}/page.css")
GROUPS = (("Player", "players"), ("Content", "contents"), ("Recording", "recordings"))
SCRIPTS = (
    "web/assets/elements.js",
    "web/assets/json_view.js",
    "web/assets/timeline.js",
    f"{ASSETS}/blocks.js",
    f"{ASSETS}/page.js",
)
# Characters of the insides of all sessions from which on they are compressed, and of those in a block.
LARGE, BLOCK = 4_000_000, 400_000


class Detail(NamedTuple):
    """The parts of a session that the page shows beyond the report.

    Attributes:
        timeline: its timeline; None if it has no events, or there is no room for it.
        bodies: the bodies of its events as recorded, by the event's index.
    """

    timeline: Timeline | None = None
    bodies: Mapping[str, str] = {}


class SessionView(NamedTuple):
    """A session as the template takes it; `inside` is None where that is in a block."""

    number: int
    session: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: float | None
    strip: Strip
    has_timeline: bool
    metrics: list[MetricRow]
    silent_metrics: list[str]
    search: str
    inside: Markup | None = None


class Block(NamedTuple):
    """The compressed insides of some sessions: the number of the first and of the last one, and the text."""

    first: int
    last: int
    text: str


def render_html(report: Report, details: Sequence[Detail], zone: tzinfo | None = None) -> str:
    """Render the page for a report.

    Args:
        report: the report.
        details: one item for each of its sessions.
        zone: the zone of times; None for that of the system.
    """
    views = [view_of(n, *each) for n, each in enumerate(zip(report["sessions"], details, strict=True))]
    inside = _environment().get_template("inside.html")
    texts = [inside.render(view=view, zone=zone) for view in views]
    data = [data_of(view, detail) for view, detail in zip(views, details, strict=True)]
    embedded = embed_json({str(n): each for n, each in enumerate(data) if each})
    is_large = len(embedded) + sum(map(len, texts)) > LARGE
    if is_large:
        views = [view._replace(search=search_text(view.session, has_messages=False)) for view in views]
    else:
        views = [view._replace(inside=Markup(text)) for view, text in zip(views, texts, strict=True)]  # noqa: S704 - our template
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
        details=embed_json({}) if is_large else embedded,
        blocks=list(pack(texts, data)) if is_large else [],
    )


def data_of(view: SessionView, detail: Detail) -> dict[str, Any]:
    """Return the timeline and the bodies of a session as the page's script takes them; empty if it has neither."""
    if detail.timeline is None:
        return {}
    model = detail.timeline.model()
    for event in model["events"]:
        if event["recording"] == view.session["recording"]:
            del event["recording"]
    return {"timeline": model, "bodies": dict(detail.bodies)}


def pack(texts: Sequence[str], data: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """Yield the insides of sessions and their data, as many in a block as have room there."""
    parts, size, first = list[str](), 0, 0
    for place, (text, each) in enumerate(zip(texts, data, strict=True)):
        parts.append(f'"{place}":{json.dumps({"inside": text, **each}, ensure_ascii=False, separators=(",", ":"))}')
        size += len(parts[-1])
        if size >= BLOCK or place == len(texts) - 1:
            packed = gzip.compress(f"{{{','.join(parts)}}}".encode("utf-8", "replace"), mtime=0)
            yield Block(first, place, base64.b64encode(packed).decode())
            parts, size, first = [], 0, place + 1


@cache
def _environment() -> Environment:
    environment = build_environment(ASSETS)
    words = (baseline_totals_of, clock, group_name, last_part, local_time, moment, short_id, title_of, value_of)
    environment.filters.update({word.__name__: word for word in words} | {"number": number, "plural": plural})
    environment.globals.update(severities=list(Severity), sections_of=sections_of)
    return environment


def view_of(number: int, session: Mapping[str, Any], detail: Detail) -> SessionView:
    """Prepare a session for the template: its strip and timeline drawn, its metrics worded, its text for the filter."""
    timeline, rows = detail.timeline, metric_rows(session["metrics"])
    return SessionView(
        number=number,
        session=session,
        counts=count_severities(session),
        seconds=timeline.seconds if timeline else None,
        strip=timeline.strip() if timeline else [],
        has_timeline=timeline is not None,
        metrics=[row for row in rows if row.value not in EMPTY_VALUES],
        silent_metrics=[row.name for row in rows if row.value in EMPTY_VALUES],
        search=search_text(session),
    )


def search_text(session: Mapping[str, Any], *, has_messages: bool = True) -> str:
    """Return the text that the page's filter searches, with the messages of findings or the rules' names only."""
    keys = ("id", "media_id", "media_name", "player", "started", "outcome")
    searched = [*session["recordings"], *(str(session[key] or "") for key in keys)]
    searched += dict.fromkeys(finding["rule"] for finding in session["findings"])
    searched += [finding["message"] for finding in session["findings"] if has_messages]
    return " ".join(searched).lower()


def rank_rules(report: Report) -> list[dict[str, Any]]:
    """Return the rules of a report's findings with severity and count, the worst and most frequent first."""
    worst: dict[str, str] = {}
    for finding in (finding for session in report["sessions"] for finding in session["findings"]):
        known = worst.get(finding["rule"], finding["severity"])
        worst[finding["rule"]] = min(known, finding["severity"], key=rank_of)
    counts = report["summary"]["by_rule"]
    ordered = sorted(worst, key=lambda rule: (rank_of(worst[rule]), -counts[rule], rule))
    return [{"rule": RULES[rule], "severity": worst[rule], "count": counts[rule]} for rule in ordered]
