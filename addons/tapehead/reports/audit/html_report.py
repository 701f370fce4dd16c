"""The audit report as one page that needs nothing else: no network, no other file.

The template escapes what players sent, timelines and bodies are embedded as JSON that cannot end its block, and the
page's content security policy lets no other script run and no request go out. In a large report the insides of sessions
are compressed, some sessions a block, and a block is unpacked when one of them is opened.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from tapehead.auditor.results import Outcome
from tapehead.auditor.timeline import Timeline
from tapehead.metrics.metric_values import EMPTY_VALUES, MetricRow, metric_rows, value_of
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Report, headline
from tapehead.reports.audit.totals import count_severities, group_name, rank_of, shared_names
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
    """The parts of a session that the page shows beyond the report; all are plain objects.

    Attributes:
        seconds: the length of its timeline; None if it has no events, or there is no room for it.
        strip: that timeline in small.
        model: that timeline as the page's script draws it; None if there is none.
        bodies: the bodies of its events as recorded, by the event's index.
    """

    seconds: float | None = None
    strip: Sequence[tuple[str, float, float]] = ()
    model: dict[str, Any] | None = None
    bodies: Mapping[str, str] = {}


def detail_of(timeline: Timeline | None, bodies: Mapping[str, str]) -> Detail:
    """Return what the page shows of a session with that timeline."""
    return Detail(timeline.seconds, timeline.strip(), timeline.model(), bodies) if timeline else Detail()


class SessionView(NamedTuple):
    """A session as the template takes it; `inside` is None where that is in a block."""

    number: int
    session: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: float | None
    strip: Sequence[tuple[str, float, float]]
    has_timeline: bool
    metrics: list[MetricRow]
    silent_metrics: list[str]
    search: str
    inside: Markup | None = None


class Inside(NamedTuple):
    """The inside of a session as text, and its timeline and bodies as the page's script takes them."""

    text: str
    data: dict[str, Any]


class Block(NamedTuple):
    """The compressed insides of some sessions: the number of the first and of the last one, and the text."""

    first: int
    last: int
    text: str


def render_html(report: Report, details: Iterable[tuple[Any, ...]], zone: tzinfo | None = None) -> Iterator[str]:
    """Yield the parts of the page for a report.

    Args:
        report: the report.
        details: a `Detail` for each of its sessions; read more than once.
        zone: the zone of times; None for that of the system.
    """
    sessions = report["sessions"]
    insides = small_insides(report, details, zone)
    groups = [(title, report["totals"][key]) for title, key in GROUPS]
    outcomes = {session["outcome"] for session in sessions}
    return render_page(
        _environment(),
        "page.html",
        styles=STYLES,
        scripts=SCRIPTS,
        report=report,
        headline=headline(report, zone),
        zone=zone,
        views=views_of(report, details, insides),
        is_alone=len(sessions) == 1,
        rules=rank_rules(report),
        groups=[(title, rows, shared_names(rows)) for title, rows in groups if len(rows) > 1],
        outcomes=[outcome for outcome in Outcome if outcome in outcomes],
        is_large=insides is None,
        details=embed_json({str(n): inside.data for n, inside in enumerate(insides or ()) if inside.data}),
        blocks=pack(insides_of(report, details, zone)) if insides is None else (),
    )


def insides_of(report: Report, details: Iterable[tuple[Any, ...]], zone: tzinfo | None) -> Iterator[Inside]:
    """Yield the inside of each session."""
    inside = _environment().get_template("inside.html")
    for place, (session, parts) in enumerate(zip(report["sessions"], details, strict=True)):
        detail = Detail(*parts)
        text = inside.render(view=view_of(place, session, detail), zone=zone)
        yield Inside(text, data_of(session, detail))


def small_insides(report: Report, details: Iterable[tuple[Any, ...]], zone: tzinfo | None) -> list[Inside] | None:
    """Return the insides of all sessions; None if they are so large that they are to be compressed."""
    insides: list[Inside] = []
    size, data_before = len("{}"), False
    for place, inside in enumerate(insides_of(report, details, zone)):
        insides.append(inside)
        size += len(inside.text)
        if inside.data:
            size += data_before + len(f'"{place}":') + len(embed_json(inside.data))
            data_before = True
        if size > LARGE:
            return None
    return insides


def data_of(session: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    """Return the timeline and the bodies of a session as the page's script takes them; empty if it has neither."""
    if detail.model is None:
        return {}
    events = [dict(event) for event in detail.model["events"]]
    for event in events:
        if event["recording"] == session["recording"]:
            del event["recording"]
    return {"timeline": detail.model | {"events": events}, "bodies": dict(detail.bodies)}


def pack(insides: Iterable[Inside]) -> Iterator[Block]:
    """Yield the insides of sessions and their data, as many in a block as have room there."""
    parts, size, first, place = list[str](), 0, 0, 0

    def block() -> Block:
        packed = gzip.compress(f"{{{','.join(parts)}}}".encode("utf-8", "replace"), mtime=0)
        return Block(first, place, base64.b64encode(packed).decode())

    for place, (text, data) in enumerate(insides):
        parts.append(f'"{place}":{json.dumps({"inside": text, **data}, ensure_ascii=False, separators=(",", ":"))}')
        size += len(parts[-1])
        if size >= BLOCK:
            yield block()
            parts, size, first = [], 0, place + 1
    if parts:
        yield block()


@cache
def _environment() -> Environment:
    environment = build_environment(ASSETS)
    words = (baseline_totals_of, clock, group_name, last_part, local_time, moment, short_id, title_of, value_of)
    environment.filters.update({word.__name__: word for word in words} | {"number": number, "plural": plural})
    environment.globals.update(severities=list(Severity), sections_of=sections_of)
    return environment


def views_of(
    report: Report, details: Iterable[tuple[Any, ...]], insides: Sequence[Inside] | None
) -> Iterator[SessionView]:
    """Yield the sessions as the template takes them, with their insides unless those are in blocks."""
    for place, (session, parts) in enumerate(zip(report["sessions"], details, strict=True)):
        view = view_of(place, session, Detail(*parts))
        if insides is None:
            yield view._replace(search=search_text(session, has_messages=False))
        else:
            yield view._replace(inside=Markup(insides[place].text))  # noqa: S704 - our template


def view_of(number: int, session: Mapping[str, Any], detail: Detail) -> SessionView:
    """Prepare a session for the template: its strip and timeline drawn, its metrics worded, its text for the filter."""
    rows = metric_rows(session["metrics"])
    return SessionView(
        number=number,
        session=session,
        counts=count_severities(session),
        seconds=detail.seconds,
        strip=detail.strip,
        has_timeline=detail.model is not None,
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
