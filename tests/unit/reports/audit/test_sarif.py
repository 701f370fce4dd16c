"""The report as SARIF: the official schema, rules with help, places, and fingerprints that outlive wording."""

import copy
from typing import Any

import jsonschema_rs
import orjson
import pytest

from support import reports
from support.sarif_schema import official_schema
from tapehead.reports.audit.baseline import count_known, identify, mark_new
from tapehead.reports.audit.json_report import Report
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.sarif_log import location_of
from tapehead.rules.catalog import RULES

REPORT = reports.report_of(reports.faulty("faulty-session"), reports.documented(1, "documented-1"))
# Of ad-outside-break in two sessions of the faulty content.
PINNED = ["a81e8ace86a2e88d8a11718f3a37e356", "66002b9aad46137919be546696eb8988"]


def parse(report: Report) -> dict[str, Any]:
    log: dict[str, Any] = orjson.loads("".join(render_sarif(report)))
    return log


def results(report: Report) -> list[dict[str, Any]]:
    return list(parse(report)["runs"][0]["results"])


@pytest.mark.parametrize("report", [REPORT, reports.report_of()], ids=["findings", "nothing"])
def test_it_is_sarif_by_the_official_schema(report: Report) -> None:
    jsonschema_rs.Draft7Validator(official_schema()).validate(parse(report))


def test_the_official_schema_would_complain() -> None:
    assert not jsonschema_rs.Draft7Validator(official_schema()).is_valid({"version": "2.1.0", "runs": [{}]})


def test_every_rule_is_there_with_its_help() -> None:
    told = parse(REPORT)["runs"][0]["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in told] == list(RULES)
    for rule in told:
        entry = RULES[rule["id"]]
        for said in (entry.why, entry.fix, entry.bad, entry.good):
            assert said in rule["help"]["text"]
            assert said in rule["help"]["markdown"]


def test_a_result_points_to_its_rule_and_line() -> None:
    log = parse(REPORT)
    result = next(each for each in results(REPORT) if each["ruleId"] == "ad-outside-break")
    place = result["locations"][0]["physicalLocation"]

    assert log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "ad-outside-break"
    assert result["level"] == "error"
    assert place["artifactLocation"]["uri"] == "recording.jsonl"
    assert place["region"]["startLine"] > 1


@pytest.mark.parametrize("name", ["a/session.har", "session.HAR.gz", "session.flow", "session.zip"])
def test_a_place_in_saved_traffic_is_an_entry_and_no_line(name: str) -> None:
    places = [location_of(each, 5, "s1", "play") for each in (name, "har/session.jsonl")]
    log = parse(REPORT)
    log["runs"][0]["results"][0]["locations"] = places

    assert [place["physicalLocation"]["region"] for place in places] == [{"startLine": 1}, {"startLine": 5}]
    assert [place.get("message") for place in places] == [{"text": "entry 5"}, None]
    jsonschema_rs.Draft7Validator(official_schema()).validate(log)


@pytest.mark.parametrize(("severity", "level"), [("error", "error"), ("warning", "warning"), ("info", "note")])
def test_severities_become_levels(severity: str, level: str) -> None:
    report = copy.deepcopy(REPORT)
    report["sessions"][0]["findings"][0]["severity"] = severity

    assert results(report)[0]["level"] == level


@pytest.mark.parametrize(
    ("name", "uri"), [("a b/ü.jsonl", "a%20b/%C3%BC.jsonl"), ("/var/a b.jsonl", "file:///var/a%20b.jsonl")]
)
def test_a_recording_is_named_by_a_uri(name: str, uri: str) -> None:
    report = copy.deepcopy(REPORT)
    report["sessions"][0]["recording"] = name

    assert results(report)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_fingerprints_outlive_wording_recordings_and_ids() -> None:
    other = copy.deepcopy(REPORT)
    for session in other["sessions"]:
        session |= {"id": "another", "recording": "another.jsonl", "started": "2027-01-01T00:00:00.000Z"}
        for finding in session["findings"]:
            finding |= {"message": "worded anew", "line": finding["line"] + 100}
            finding["event"]["ts"] = 1

    ours, theirs = ([each["partialFingerprints"] for each in results(report)] for report in (REPORT, other))
    assert ours == theirs


def test_fingerprints_are_those_of_earlier_versions() -> None:
    """Literal values: code-scanning services keep them, so none may change, whatever the report's order."""
    report = reports.report_of(reports.faulty("a"), reports.faulty("b"))
    report["sessions"].reverse()
    found = [(each["ruleId"], each["partialFingerprints"]) for each in results(report)]
    first = next(each for each in results(report) if each["ruleId"] == "ad-outside-break")

    assert [mark["tapeheadFinding/v1"] for rule, mark in found if rule == "ad-outside-break"] == PINNED
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == min(
        each["locations"][0]["physicalLocation"]["region"]["startLine"]
        for each in results(report)
        if each["ruleId"] == "ad-outside-break"
    )
    assert all(set(mark) == {"tapeheadFinding/v1"} and len(mark["tapeheadFinding/v1"]) == 32 for _, mark in found)


def test_a_baseline_says_which_results_are_new() -> None:
    report = copy.deepcopy(REPORT)
    known = count_known(report)
    known[identify(report["sessions"][0], report["sessions"][0]["findings"][0])] -= 1
    mark_new(report, known)

    assert [each["baselineState"] for each in results(report)].count("new") == 1
    assert not any("baselineState" in each for each in results(REPORT))
    jsonschema_rs.Draft7Validator(official_schema()).validate(parse(report))


def test_the_run_says_that_it_succeeded() -> None:
    assert parse(REPORT)["runs"][0]["invocations"] == [{"executionSuccessful": True}]


def test_fingerprints_tell_findings_apart() -> None:
    report = reports.report_of(reports.faulty("a"), reports.faulty("b"))
    found = [each["partialFingerprints"]["tapeheadFinding/v1"] for each in results(report)]

    assert len(set(found)) == len(found)
