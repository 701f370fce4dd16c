"""The report as plain objects: its totals and its published schema."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from support import reports
from support.paths import RECORDINGS_FOLDER
from tapehead import __version__
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import Outcome
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Entry
from tapehead.recording.reader import read_recording
from tapehead.reports.audit.json_report import build_report, fails, locate_findings, report_schema, session_of
from tapehead.reports.diff.json_diff import diff_schema
from tapehead.reports.json_output import render_json

RECORDINGS = RECORDINGS_FOLDER
SCHEMA: dict[str, Any] = orjson.loads(report_schema())


def check(report: dict[str, Any]) -> None:
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(orjson.loads(render_json(report)))


@pytest.mark.parametrize("made", [reports.faulty("s"), reports.long_film("s"), reports.documented(3, "s")])
def test_a_report_matches_its_schema(made: Any) -> None:
    check(reports.report_of(made))


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_report_on_a_sample_recording_matches_its_schema(path: Path) -> None:
    entries = (entry for entry in read_recording(path) if isinstance(entry, Entry))

    check(build_report(map(session_of, audit(entries))))


def test_an_empty_report_matches_its_schema() -> None:
    check(build_report([]))


def test_the_schema_is_valid_and_forbids_other_keys() -> None:
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    assert not jsonschema_rs.Draft202012Validator(SCHEMA).is_valid({"tapehead": __version__})


@pytest.mark.parametrize(
    ("definition", "scope"), [("metrics", "session"), ("ad", "ad"), ("chapter", "chapter"), ("state", "state")]
)
def test_the_schema_names_the_metrics_that_there_are(definition: str, scope: str) -> None:
    named = {key: value.get("description") for key, value in SCHEMA["$defs"][definition]["properties"].items()}
    lists = {"ads", "chapters", "states"} if scope == "session" else set()

    assert {key: named[key] for key in named if key not in lists} == {
        m.key: m.definition for m in METRICS if m.scope == scope
    }


def test_outcomes_have_one_name_each_in_all_schemas() -> None:
    names = "completed, ended, silent, end not saved, timed out, unknown session, start refused"
    rest = ["start unanswered", "late events", "no session"]
    assert [*names.split(", "), *rest] == list(Outcome)
    assert SCHEMA["$defs"]["session"]["properties"]["outcome"]["enum"] == list(Outcome)
    of_diff = orjson.loads(diff_schema())["definitions"]["session"]["properties"]["outcome"]
    assert of_diff["enum"] == list(Outcome)


def test_totals_count_what_sessions_hold() -> None:
    report = reports.report_of(reports.faulty("a"), reports.documented(1, "b"))
    findings = [place.finding for place in locate_findings(report)]

    assert report["tapehead"] == __version__
    assert report["summary"]["sessions"] == 2
    assert report["summary"]["events"] == 17 + 27
    assert report["summary"]["errors"] == sum(finding["severity"] == "error" for finding in findings) > 0
    assert sum(report["summary"]["by_rule"].values()) == len(findings)
    assert list(report["summary"]["by_rule"]) == sorted({finding["rule"] for finding in findings})


def test_a_finding_in_another_recording_than_its_session_names_it() -> None:
    made = reports.faulty("s")
    entries = [Entry(n + 1, each, "a.jsonl" if n < 5 else "b.jsonl") for n, each in enumerate(made)]
    (session,) = map(session_of, audit(entries))

    assert session["recording"] == "a.jsonl"
    assert {finding.get("recording", "a.jsonl") for finding in session["findings"]} == {"a.jsonl", "b.jsonl"}
    check(build_report([session]))


@pytest.mark.parametrize(
    ("severity", "limit", "expected"),
    [
        ("error", "error", True),
        ("warning", "error", False),
        ("warning", "warning", True),
        ("info", "warning", False),
        ("error", "warning", True),
        ("error", "never", False),
    ],
)
def test_findings_as_severe_as_the_limit_fail(severity: str, limit: str, expected: bool) -> None:
    assert fails({"severity": severity}, limit) is expected
