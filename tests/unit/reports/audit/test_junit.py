"""The report as JUnit XML: valid for its readers, with failures for failing findings."""

from xml.etree.ElementTree import Element, fromstring

import pytest

from support import reports
from support.junit_schema import violations_in
from tapehead.reports.audit.json_report import Report
from tapehead.reports.audit.junit import render_junit

REPORT = reports.report_of(reports.faulty("faulty-session"), reports.documented(1, "documented-1"))


def parse(report: Report, fail_on: str = "error") -> Element:
    return fromstring("".join(render_junit(report, fail_on)).encode())


@pytest.mark.parametrize("fail_on", ["error", "warning", "never"])
def test_readers_of_the_format_accept_it(fail_on: str) -> None:
    assert violations_in(parse(REPORT, fail_on)) == []


def test_an_empty_report_is_accepted() -> None:
    assert violations_in(parse(reports.report_of())) == []


def test_a_session_is_a_test_case() -> None:
    root = parse(REPORT)

    assert {case.attrib["classname"] for case in root.iter("testcase")} == {"web-player", "sample-html5-api-player"}
    assert [case.attrib["name"] for case in root.iter("testcase")] == [
        f"{reports.SCRIPT} #1",
        "ClickMe #1",
    ]


def test_names_are_the_same_in_every_run_and_ids_stand_in_the_body() -> None:
    """Twice the same content by one player, the second one faulty, and so the first of the report."""
    first = reports.session("sid-1", [reports.event(0, "sessionStart", 0, reports.START)])
    events = [reports.event(0, "sessionStart", 0, reports.START), reports.event(1, "adStart", params={"odd": 1})]
    second = list(reports.session("sid-2", events, began=600))
    cases = list(parse(reports.report_of(first, second)).iter("testcase"))

    assert [case.attrib["name"] for case in cases] == ["First clip #2", "First clip #1"]
    told = [case.findtext("system-out", "").splitlines()[0] for case in cases]
    assert told == ["session sid-2 in recording.jsonl", "session sid-1 in recording.jsonl"]


def test_errors_fail_a_test_case_and_warnings_are_output() -> None:
    (case,) = (case for case in parse(REPORT).iter("testcase") if reports.SCRIPT in case.attrib["name"])
    (failure,) = case.iter("failure")
    (told,) = case.iter("system-out")

    assert failure.attrib["type"] == "wrong-type"
    assert failure.attrib["message"].endswith(f"(and {REPORT['summary']['errors'] - 1} more findings)")
    assert failure.text is not None
    assert told.text is not None
    assert {line.split()[1] for line in failure.text.splitlines()} == {"error"}
    assert told.text.splitlines()[0] == "session faulty-session in recording.jsonl"
    assert {line.split()[1] for line in told.text.splitlines()[1:]} <= {"warning", "info"}
    assert failure.text.startswith("recording.jsonl:")


@pytest.mark.parametrize(("fail_on", "failures"), [("error", 1), ("warning", 2), ("never", 0)])
def test_the_failing_severity_is_configurable(fail_on: str, failures: int) -> None:
    report = reports.report_of(reports.faulty("faulty-session"), reports.long_film("long-session"))

    assert parse(report, fail_on).attrib["failures"] == str(failures)


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    start = reports.START | {"media.name": "a\x00b\x1bc\ufffe", "media.length": "\x02"}
    report = reports.report_of(reports.session("s", [reports.event(0, "sessionStart", 0, start)]))

    (case,) = parse(report).iter("testcase")
    assert case.attrib["name"] == "a\ufffdb\ufffdc\ufffd #1"
