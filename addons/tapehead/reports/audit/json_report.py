"""The report as plain objects: printed by `--format json`, and rendered by every other format.

Its shape is published as `assets/audit/report.schema.json`; within a major version keys are added, never taken away.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from tapehead import __version__
from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Severity
from tapehead.reports.audit.stored_sessions import StoredSessions
from tapehead.reports.audit.totals import build_totals, count_severities, facts_of, rank_of, severity_rank
from tapehead.reports.report_formats import FailOn, Order
from tapehead.reports.report_wording import plural, title_of
from tapehead.text import local_time
from tapehead.web.asset_files import read_asset

Report = dict[str, Any]


class LocatedFinding(NamedTuple):
    """A finding with the session it is in, both as the report has them."""

    session: Mapping[str, Any]
    finding: Mapping[str, Any]

    @property
    def recording(self) -> str:
        """The name of the recording that holds the finding's line."""
        return str(self.finding.get("recording", self.session["recording"]))


def session_of(result: SessionResult) -> dict[str, Any]:
    """Return one session as the report has it.

    Findings in other recordings than the session's name theirs; events have their number among those of their type.
    """
    session = result.report()
    counts: Counter[str | None] = Counter()
    ordinals: dict[int, int] = {}
    for event in sorted((step.event for step in result.steps), key=lambda event: event.index):
        counts[event.type] += 1
        ordinals[event.index] = counts[event.type]
    findings = []
    for shown, finding in zip(session["findings"], result.findings, strict=True):
        if finding.event:
            shown["event"] |= {"ordinal": ordinals.get(finding.event.index, 1)}
        findings.append(shown if finding.recording == result.recording else shown | {"recording": finding.recording})
    return session | {
        "recordings": list(result.recordings),
        "sources": list(result.sources),
        "line": result.line,
        "findings": findings,
    }


def build_report(
    sessions: Iterable[dict[str, Any]],
    *,
    date: datetime | None = None,
    recordings: Sequence[str] | None = None,
    order: Order = Order.WORST,
) -> Report:
    """Build the report on `sessions`, each as `session_of` returns it.

    Args:
        sessions: the sessions; each gets its number among those of the same content and player, by time. Those that
            are stored stay stored, and so do the rows of the totals.
        date: when the report was made; None leaves it open.
        recordings: the names of all recordings that were read; those of the sessions, if None.
        order: how sessions, and groups of them in the totals, are sorted.
    """
    listed: Sequence[dict[str, Any]]
    if isinstance(sessions, StoredSessions):
        sessions.sort(order)
        listed, totals = sessions, build_totals(sessions.facts, order, sessions.new_rows)
    else:
        listed = sort_sessions(sessions, order)
        totals = build_totals([facts_of(session) for session in listed], order)
    if recordings is None:
        recordings = sorted({name for session in listed for name in session["recordings"]})
    rules = Counter(finding["rule"] for session in listed for finding in session["findings"])
    counted = ("sessions", "events", *(f"{severity}s" for severity in Severity))
    return {
        "tapehead": __version__,
        "date": date.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if date else None,
        "recordings": list(recordings),
        "order": str(order),
        "summary": {**{key: totals["overall"][key] for key in counted}, "by_rule": dict(sorted(rules.items()))},
        "totals": totals,
        "sessions": listed,
    }


def sort_sessions(sessions: Iterable[dict[str, Any]], order: Order) -> list[dict[str, Any]]:
    """Number sessions among those of the same content and player by time, and return them in an order."""
    listed = [session for _, session in enumerate_by_time(list(sessions))]
    numbers: Counter[tuple[str, str]] = Counter()
    for session in listed:
        name = title_of(session), session["player"]
        numbers[name] += 1
        session["number"] = numbers[name]
    if order is Order.WORST:
        listed.sort(key=lambda session: severity_rank(count_severities(session).values()))
    return listed


def enumerate_by_time(sessions: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield sessions in the order in which they began, each with its number in the list or store."""
    if isinstance(sessions, StoredSessions):
        return ((number, sessions.read(number)) for number in sessions.by_time())

    def began(numbered: tuple[int, dict[str, Any]]) -> tuple[str, str, int]:
        session = numbered[1]
        return session["started"], session["recording"], session["line"]

    return iter(sorted(enumerate(sessions), key=began))


def headline(report: Report, zone: tzinfo | None = None) -> str:
    """Return what was audited, and when, in a zone: None for that of the system."""
    recordings = report["recordings"]
    named = recordings[0] if len(recordings) == 1 else plural(len(recordings), "recording")
    date = f", {local_time(report['date'], zone, 'minutes')}" if report["date"] else ""
    return f"audit of {named}{date}"


def locate_findings(report: Report) -> Iterator[LocatedFinding]:
    """Yield all findings of a report, each with its session."""
    return (LocatedFinding(session, finding) for session in report["sessions"] for finding in session["findings"])


def fails(finding: Mapping[str, Any], limit: str) -> bool:
    """Return whether a finding fails the audit: it is in no baseline, and as severe as `limit` or worse.

    None fails if `limit` is `never`.
    """
    return limit != FailOn.NEVER and finding.get("new", True) and rank_of(finding["severity"]) <= rank_of(limit)


def report_schema() -> str:
    """Return the published JSON Schema (2020-12) of the report."""
    return read_asset("reports/assets/audit/report.schema.json")
