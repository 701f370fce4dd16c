"""The report as plain objects: what `--format json` prints, and what every other form is rendered from.

Its shape is published as `assets/audit/report.schema.json`; within a major version keys are added, never taken away.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from tapehead import __version__
from tapehead.audit.results import Outcome, SessionFinding, SessionResult
from tapehead.protocol.exchange import Severity
from tapehead.reports.report_formats import FailOn
from tapehead.web.asset_files import read_asset

Report = dict[str, Any]

# Results that are no sessions of their own.
_PARTIAL = (Outcome.LATE, Outcome.NONE)
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Place(NamedTuple):
    """A finding with the session it is in, both as the report has them."""

    session: Mapping[str, Any]
    finding: Mapping[str, Any]

    @property
    def recording(self) -> str:
        """The name of the recording that holds the finding's line."""
        return str(self.finding.get("recording", self.session["recording"]))


def session_of(result: SessionResult) -> dict[str, Any]:
    """One session as the report has it."""
    session = result.report()
    findings = zip(session["findings"], result.findings, strict=True)
    return session | {"findings": [_name_recording(shown, found, result.recording) for shown, found in findings]}


def _name_recording(shown: dict[str, Any], found: SessionFinding, recording: str) -> dict[str, Any]:
    """A finding, with its recording named where that is not the session's."""
    return shown if found.recording == recording else shown | {"recording": found.recording}


def build_report(sessions: Iterable[dict[str, Any]]) -> Report:
    """The report on `sessions`, each as `session_of` makes it, in the order given."""
    listed = list(sessions)
    return {"tapehead": __version__, "summary": _summary(listed), "sessions": listed}


def _summary(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    findings = [finding for session in sessions for finding in session["findings"]]
    grades = Counter(finding["severity"] for finding in findings)
    rules = Counter(finding["rule"] for finding in findings)
    return {
        "sessions": sum(session["outcome"] not in _PARTIAL for session in sessions),
        "events": sum(session["events"] for session in sessions),
        "errors": grades["error"],
        "warnings": grades["warning"],
        "infos": grades["info"],
        "by_rule": dict(sorted(rules.items())),
    }


def places_of(report: Report) -> Iterator[Place]:
    """All findings of a report, each with its session."""
    return (Place(session, finding) for session in report["sessions"] for finding in session["findings"])


def fails(finding: Mapping[str, Any], limit: str) -> bool:
    """Whether a finding is as bad as `limit`, a severity, or worse; nothing is, if that is `never`."""
    return limit != FailOn.NEVER and _RANKS[Severity(finding["severity"])] <= _RANKS[Severity(limit)]


def rank_of(severity: str) -> int:
    """How far from the worst a severity is."""
    return _RANKS[Severity(severity)]


def counts_of(session: Mapping[str, Any]) -> dict[str, int]:
    """How many findings of each severity a session has."""
    found = Counter(finding["severity"] for finding in session["findings"])
    return {severity: found[severity] for severity in Severity}


def render_json(report: Report) -> str:
    """The report as JSON, indented."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def report_schema() -> str:
    """The JSON Schema (2020-12) of the report, as published."""
    return read_asset("reports/assets/audit/report.schema.json")
