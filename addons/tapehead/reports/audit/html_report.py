"""The report as one page that needs nothing else: no network, no other file.

What players sent is text here and nothing more: the template escapes all of it, bodies stand in a block of JSON in
which nothing can end the block, and the page's own policy lets no other script run and no request go out.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tapehead.audit.results import Outcome
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.json_report import Report, counts_of, rank_of
from tapehead.reports.report_wording import clock, last_part, moment, number, plural, short_id, title_of, value_of
from tapehead.reports.timeline import Timeline
from tapehead.reports.timeline_svg import TimelineLayout, draw, strip_of
from tapehead.rules.catalog import RULES
from tapehead.rules.support.markdown import sections_of
from tapehead.web.asset_files import read_asset
from tapehead.web.pages import embed, policy

_ASSETS = "reports/assets/audit"

_NOTHING = frozenset({"-", "no", "0", "0 s"})


class Detail(NamedTuple):
    """What the page shows of a session beyond the report.

    Attributes:
        picture: its picture; None if there is none, or no room for it.
        bodies: the bodies of its events as recorded, by the event's index.
    """

    picture: Timeline | None = None
    bodies: Mapping[str, str] = {}


class _View(NamedTuple):
    """A session as the template wants it."""

    number: int
    session: Mapping[str, Any]
    counts: Mapping[str, int]
    seconds: float | None
    strip: list[tuple[str, float, float]]
    drawing: TimelineLayout | None
    metrics: list[tuple[str, str, str, str]]
    silent_metrics: list[tuple[str, str, str, str]]
    search: str


def render_html(report: Report, details: Sequence[Detail]) -> str:
    """The page for a report; `details` has one item for each of its sessions."""
    views = [_view(n, *each) for n, each in enumerate(zip(report["sessions"], details, strict=True))]
    bodies = {str(n): detail.bodies for n, detail in enumerate(details) if detail.bodies}
    style = read_asset(f"{_ASSETS}/page.css")
    script = read_asset("web/assets/json_view.js") + read_asset(f"{_ASSETS}/page.js")
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            views=views,
            rules=_rules(report),
            recordings=list(dict.fromkeys(session["recording"] for session in report["sessions"])),
            outcomes=[outcome for outcome in Outcome if any(v.session["outcome"] == outcome for v in views)],
            bodies=Markup(embed(bodies)),  # noqa: S704 - escaped for a block of JSON
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=policy(style, script),
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
    )
    words = (clock, last_part, moment, short_id, title_of, value_of)
    environment.filters.update({word.__name__: word for word in words} | {"number": number, "plural": plural})
    environment.globals.update(severities=list(Severity), sections_of=sections_of)
    return environment


def _view(position: int, session: Mapping[str, Any], detail: Detail) -> _View:
    picture = detail.picture
    rows = _metric_rows(session["metrics"])
    return _View(
        number=position,
        session=session,
        counts=counts_of(session),
        seconds=picture.seconds if picture else None,
        strip=strip_of(picture),
        drawing=draw(picture, session["findings"]) if picture else None,
        metrics=[row for row in rows if row[1] not in _NOTHING],
        silent_metrics=[row for row in rows if row[1] in _NOTHING],
        search=_search_text(session),
    )


def _metric_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Name, value, variable and definition of each metric of a session."""
    return [
        (metric.key.replace("_", " "), value_of(metrics[metric.key], metric.unit), metric.variable, metric.definition)
        for metric in METRICS
        if metric.scope == "session" and metrics
    ]


def _search_text(session: Mapping[str, Any]) -> str:
    """Everything of a session that the filter's text is looked for in."""
    keys = ("id", "recording", "media_id", "media_name", "player", "started", "outcome")
    findings = (f"{finding['rule']} {finding['message']}" for finding in session["findings"])
    return " ".join([*(str(session[key] or "") for key in keys), *findings]).lower()


def _rules(report: Report) -> list[dict[str, Any]]:
    """The rules that the report's findings are of, the worst and most frequent first, each with its explanation."""
    worst: dict[str, str] = {}
    for finding in (finding for session in report["sessions"] for finding in session["findings"]):
        known = worst.get(finding["rule"], finding["severity"])
        worst[finding["rule"]] = min(known, finding["severity"], key=rank_of)
    counts = report["summary"]["by_rule"]
    ordered = sorted(worst, key=lambda rule: (rank_of(worst[rule]), -counts[rule], rule))
    return [{"rule": RULES[rule], "severity": worst[rule], "count": counts[rule]} for rule in ordered]
