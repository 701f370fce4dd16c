"""The report as SARIF 2.1.0, which code-scanning services and editors read.

A result's location is a line of a recording. Its fingerprint covers rule, content, player, event type and path, but
neither message nor recording: a baseline outlives a better message and a new recording of the same mistake.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from tapehead.reports.audit.json_report import LocatedFinding, Report, locate_findings, sort_by_time
from tapehead.reports.json_output import render_json
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule

SCHEMA_URI = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
INDEXES = {rule: index for index, rule in enumerate(RULES)}
FINGERPRINT = "tapeheadFinding/v1"


def render_sarif(report: Report) -> str:
    """Render the report as a SARIF log, indented."""
    rules = [rule_object(rule) for rule in RULES.values()]
    run = {
        "tool": {"driver": {"name": "tapehead", "version": report["tapehead"], "rules": rules}},
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": list(results_of(report)),
        "properties": {"summary": report["summary"]},
    }
    return render_json({"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]})


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
    counts: Counter[tuple[str, ...]] = Counter()
    for located in locate_findings({"sessions": sort_by_time(report["sessions"])}):
        finding, session = located.finding, located.session
        event_type = finding["event"]["type"] if finding["event"] else None
        identity = finding["rule"], session["media_id"], session["player"], event_type or "", finding["path"]
        hashed = "\0".join((*identity, str(counts[identity]))).encode("utf-8", "surrogatepass")
        counts[identity] += 1
        state = {"baselineState": "new" if finding["new"] else "unchanged"} if "new" in finding else {}
        yield state | {
            "ruleId": finding["rule"],
            "ruleIndex": INDEXES[finding["rule"]],
            "level": LEVELS[finding["severity"]],
            "message": {"text": finding["message"]},
            "locations": [location_of(located, event_type)],
            "partialFingerprints": {FINGERPRINT: hashlib.sha256(hashed).hexdigest()[:32]},
            "properties": {"session": session["id"], "path": finding["path"], "event": finding["event"]},
        }


def location_of(located: LocatedFinding, event_type: str | None) -> dict[str, Any]:
    """Return a finding's line, and the event it is about; a recording's URI is relative unless its path is absolute."""
    path = PurePath(located.recording)
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    name = f"{located.session['id'] or 'no session'}/{event_type or ''}"
    return {
        "physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": located.finding["line"]}},
        "logicalLocations": [{"name": event_type or "exchange", "fullyQualifiedName": name}],
    }
