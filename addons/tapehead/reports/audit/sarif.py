"""The report as SARIF 2.1.0, which code-scanning services and editors read.

A result's place is a line of a recording. Its fingerprint says what is wrong, and with which content, but neither
how that is worded nor in which recording: a baseline outlives a better message and a new recording of the same slip.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import orjson

from tapehead.reports.audit.json_report import Place, Report, places_of
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule

SCHEMA_URI = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_INDEXES = {rule: index for index, rule in enumerate(RULES)}
_FINGERPRINT = "tapeheadFinding/v1"


def render_sarif(report: Report) -> str:
    """The report as a SARIF log, indented."""
    driver = {"name": "tapehead", "version": report["tapehead"], "rules": [_rule(rule) for rule in RULES.values()]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "columnKind": "unicodeCodePoints",
        "results": list(_results(report)),
        "properties": {"summary": report["summary"]},
    }
    log = {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.when},
        "fullDescription": {"text": f"{rule.when} {rule.why}"},
        "help": {"text": _help(rule, "{}:\n{}"), "markdown": _help(rule, "**{}**\n\n{}", code="```\n{}\n```")},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"source": rule.source},
    }


def _help(rule: Rule, form: str, code: str = "{}") -> str:
    """Why the rule is there, how to mend what it finds, and an example of each."""
    parts = [
        ("Why it matters", rule.why),
        ("How to fix it", rule.fix),
        ("Wrong", code.format(rule.bad)),
        ("Right", code.format(rule.good)),
        ("Where the documents disagree", rule.contradictions),
    ]
    return "\n\n".join(form.format(title, text) for title, text in parts if text)


def _results(report: Report) -> Iterator[dict[str, Any]]:
    seen: Counter[tuple[str, ...]] = Counter()
    for place in places_of(report):
        identity = _identity(place)
        yield _result(place, _fingerprint(*identity, str(seen[identity])))
        seen[identity] += 1


def _identity(place: Place) -> tuple[str, ...]:
    finding, session = place.finding, place.session
    event_type = finding["event"]["type"] if finding["event"] else None
    return finding["rule"], session["media_id"], session["player"], event_type or "", finding["path"]


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _result(place: Place, fingerprint: str) -> dict[str, Any]:
    finding = place.finding
    return {
        "ruleId": finding["rule"],
        "ruleIndex": _INDEXES[finding["rule"]],
        "level": _LEVELS[finding["severity"]],
        "message": {"text": finding["message"]},
        "locations": [_location(place)],
        "partialFingerprints": {_FINGERPRINT: fingerprint},
        "properties": {"session": place.session["id"], "path": finding["path"], "event": finding["event"]},
    }


def _location(place: Place) -> dict[str, Any]:
    finding, sid = place.finding, place.session["id"]
    name = finding["event"]["type"] if finding["event"] else None
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.recording)},
            "region": {"startLine": finding["line"]},
        },
        "logicalLocations": [{"name": name or "exchange", "fullyQualifiedName": f"{sid or 'no session'}/{name or ''}"}],
    }


def _uri(recording: str) -> str:
    """A recording's name as a URI, relative to where the command ran unless its path is absolute."""
    path = PurePath(recording)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
