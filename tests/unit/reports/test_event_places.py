"""Every finding names its event by number, type and time, the same in all reports, as `show` lists it."""

import json
from xml.etree.ElementTree import fromstring

import pytest

from support import reports
from support.rule_pairs import row
from support.sessions import Timeline
from tapehead.reports.audit.json_report import locate_findings
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.json_output import render_json
from tapehead.reports.terminal_text import TextStyle

REPORT = reports.report_of(reports.faulty("faulty-session"), reports.documented(2, "documented-2"))
NAMED = [
    (at.finding, f"(event {at.finding['event']['index']}") for at in locate_findings(REPORT) if at.finding["event"]
]


def test_every_message_has_number_type_and_time() -> None:
    assert len(NAMED) > 8
    for finding, number in NAMED:
        place = finding["message"].rpartition("(event ")[2]
        assert number in finding["message"]
        assert place.endswith(" s in)") or finding["event"]["ts"] is None
        event_type = finding["event"]["type"]
        assert event_type is None or event_type in finding["message"]


def test_all_formats_have_the_same_place() -> None:
    messages = {finding["message"] for finding, _ in NAMED}
    lines = {finding["line"] for finding, _ in NAMED}
    wide = TextStyle(width=1000, colour=False, verbose=True)
    text = "".join(render_text(REPORT, wide))
    assert [message for message in messages if message not in text] == []
    assert all(f"recording.jsonl:{line}" in text for line in lines)
    assert {
        finding["line"] for each in json.loads(render_json(REPORT))["sessions"] for finding in each["findings"]
    } >= lines
    root = fromstring("".join(render_junit(REPORT, "info")).encode())
    junit = "\n".join(failure.text or "" for failure in root.iter("failure"))
    for finding, _ in NAMED:
        assert f"recording.jsonl:{finding['line']}: {finding['severity']} {finding['rule']}: " in junit
    results = json.loads("".join(render_sarif(REPORT)))["runs"][0]["results"]
    assert {each["message"]["text"] for each in results} >= messages
    located = {each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in results}
    assert located >= lines


# Findings whose messages do not name the type of their event.
UNNAMED = [
    (row("play").at(10, "ping", status=500).at(11, "sessionEnd"), "(event 2 ping, 10.0 s in)"),
    (row("play").at(10, "ping", status=None).at(11, "sessionEnd"), "(event 2 ping, 10.0 s in)"),
]


@pytest.mark.parametrize(("played", "place"), UNNAMED)
def test_a_message_without_the_type_gets_it_from_the_place(played: Timeline, place: str) -> None:
    (result,) = played.audit()
    (found,) = result.findings
    assert found.message.endswith(place)


def test_a_body_that_cannot_be_read_has_the_number_alone() -> None:
    (result,) = row("play").raw(b"{", status=400).at(6, "sessionEnd").audit()
    (found,) = result.findings
    assert found.event
    assert found.message.endswith(f"; the endpoint answered 400 (event {found.event.index})")


def test_a_ts_of_another_unit_has_no_time_in_the_session() -> None:
    (result,) = row("play").at(10, "ping", ts=1_795_428_010).at(11, "sessionEnd").audit()

    (message,) = (each.message for each in result.findings if each.rule == "timestamp-unit")
    assert message.endswith("(event 2)")
