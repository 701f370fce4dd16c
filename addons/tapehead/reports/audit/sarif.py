"""The report as SARIF 2.1.0, which code-scanning services and editors read.

A result's location is a line of a recording. Its fingerprint covers rule, content, player, event type and path, but
neither message nor recording: a baseline outlives a better message and a new recording of the same mistake.
"""

from collections.abc import Iterator
from typing import Any

from tapehead.reports.audit.json_report import LocatedFinding, Report, enumerate_by_time
from tapehead.reports.sarif_log import Fingerprints, location_of, render_log
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule

LEVELS = {"error": "error", "warning": "warning", "info": "note"}
INDEXES = {rule: index for index, rule in enumerate(RULES)}


def render_sarif(report: Report) -> Iterator[str]:
    """Yield the parts of the report as a SARIF log, indented."""
    rules = [rule_object(rule) for rule in RULES.values()]
    return render_log(rules, results_of(report), {"summary": report["summary"]})


def rule_object(rule: Rule) -> dict[str, Any]:
    """Return a rule as SARIF has it, with its explanation as text and as Markdown."""

    def explain(form: str, code: str = "{}") -> str:
        parts = [
            ("Why it matters", rule.why),
            ("How to fix it", rule.fix),
            ("Wrong", code.format(rule.bad)),
            ("Right", code.format(rule.good)),
            ("Where the documents disagree", rule.contradictions),
        ]
        return "\n\n".join(form.format(title, text) for title, text in parts if text)

    return {
        "id": rule.id,
        "shortDescription": {"text": rule.when},
        "fullDescription": {"text": f"{rule.when} {rule.why}"},
        "help": {"text": explain("{}:\n{}"), "markdown": explain("**{}**\n\n{}", code="```\n{}\n```")},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"source": rule.source},
    }


def results_of(report: Report) -> Iterator[dict[str, Any]]:
    """Yield a result for each finding by time; those alike are told apart in their fingerprints by their number."""
    fingerprints = Fingerprints("tapeheadFinding/v1")
    sessions = enumerate_by_time(report["sessions"])
    for located in (LocatedFinding(session, finding) for _, session in sessions for finding in session["findings"]):
        finding, session = located.finding, located.session
        event_type = finding["event"]["type"] if finding["event"] else None
        identity = finding["rule"], session["media_id"], session["player"], event_type or "", finding["path"]
        state = {"baselineState": "new" if finding["new"] else "unchanged"} if "new" in finding else {}
        yield state | {
            "ruleId": finding["rule"],
            "ruleIndex": INDEXES[finding["rule"]],
            "level": LEVELS[finding["severity"]],
            "message": {"text": finding["message"]},
            "locations": [location_of(located.recording, finding["line"], session["id"], event_type)],
            "partialFingerprints": fingerprints.next_of(*identity),
            "properties": {"session": session["id"], "path": finding["path"], "event": finding["event"]},
        }
