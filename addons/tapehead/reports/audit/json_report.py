"""The report as plain objects: printed by `--format json`, and rendered by every other format.

Its shape is published as `assets/audit/report.schema.json`; within a major version keys are added, never taken away.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tapehead import __version__
from tapehead.auditor.results import Outcome, SessionResult
from tapehead.protocol.exchange import Severity
from tapehead.reports.report_formats import FailOn
from tapehead.web.asset_files import read_asset

Report = dict[str, Any]

# Outcomes of results that are no sessions of their own.
PARTIAL = (Outcome.LATE_EVENTS, Outcome.NONE)
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class LocatedFinding(NamedTuple):
    """A finding with the session it is in, both as the report has them."""

    session: Mapping[str, Any]
    finding: Mapping[str, Any]

    @property
    def recording(self) -> str:
        """The name of the recording that holds the finding's line."""
        return str(self.finding.get("recording", self.session["recording"]))


def session_of(result: SessionResult) -> dict[str, Any]:
    """Return one session as the report has it; findings in other recordings than the session's name theirs."""
    session = result.report()
    findings = [
        shown if finding.recording == result.recording else shown | {"recording": finding.recording}
        for shown, finding in zip(session["findings"], result.findings, strict=True)
    ]
    return session | {"findings": findings}


def build_report(sessions: Iterable[dict[str, Any]]) -> Report:
    """Build the report on `sessions`, each as `session_of` returns it, in the order given."""
    listed = list(sessions)
    findings = [finding for session in listed for finding in session["findings"]]
    severities = Counter(finding["severity"] for finding in findings)
    rules = Counter(finding["rule"] for finding in findings)
    summary = {
        "sessions": sum(session["outcome"] not in PARTIAL for session in listed),
        "events": sum(session["events"] for session in listed),
        "errors": severities["error"],
        "warnings": severities["warning"],
        "infos": severities["info"],
        "by_rule": dict(sorted(rules.items())),
    }
    return {"tapehead": __version__, "summary": summary, "sessions": listed}


def locate_findings(report: Report) -> Iterator[LocatedFinding]:
    """Yield all findings of a report, each with its session."""
    return (LocatedFinding(session, finding) for session in report["sessions"] for finding in session["findings"])


def fails(finding: Mapping[str, Any], limit: str) -> bool:
    """Return whether a finding is as severe as `limit`, a severity, or more; nothing is, if that is `never`."""
    return limit != FailOn.NEVER and rank_of(finding["severity"]) <= rank_of(limit)


def rank_of(severity: str) -> int:
    """Return the rank of a severity; the worst has 0."""
    return _RANKS[Severity(severity)]


def count_severities(session: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of findings of each severity in a session."""
    counts = Counter(finding["severity"] for finding in session["findings"])
    return {severity: counts[severity] for severity in Severity}


def report_schema() -> str:
    """Return the published JSON Schema (2020-12) of the report."""
    return read_asset("reports/assets/audit/report.schema.json")
