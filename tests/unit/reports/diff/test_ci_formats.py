"""The diff as JUnit XML and as SARIF."""

import json
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import jsonschema_rs
import pytest

from support.diff_variants import altered, compare, play, without
from support.junit_schema import violations_in
from support.sarif_schema import official_schema
from support.sessions import BEGIN_MS, Timeline, ad, make_exchange, mix
from tapehead.comparison.differences import Change, Diff, Verdict
from tapehead.protocol.routes import Call
from tapehead.reports.diff.junit_diff import render_junit
from tapehead.reports.diff.sarif_diff import DESCRIPTIONS, render_sarif

# Of the sessionComplete that is missing.
PINNED = "7a6961374a36121ac13d6b1186292a67"


def found() -> Diff:
    """One session unchanged, one changed, one missing, one added, and a call outside any session."""
    base = [
        Timeline("a").start(name="Same").at(1, "play"),
        Timeline("b", BEGIN_MS + 1000).start(id="gone", name="Gone").at(1, "play"),
        Timeline(exchanges=play(sid="c", begin_ms=BEGIN_MS + 5000)),
    ]
    new = [
        Timeline("d").start(name="Same").at(1, "play"),
        Timeline("e", BEGIN_MS + 1000).start(id="fresh", name="\x00Fresh").at(1, "play"),
        Timeline(exchanges=play(without("sessionComplete"), sid="f", begin_ms=BEGIN_MS + 5000)),
    ]
    refused = make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None, status=500)
    return compare(mix(*base), [*mix(*new), refused])


def cases(diff: Diff) -> dict[str, Element]:
    root = fromstring("".join(render_junit(diff)).encode())
    assert violations_in(root) == []
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def test_a_pair_of_sessions_is_a_test_case_that_fails_on_differences() -> None:
    told = cases(found())

    assert {name: case.find("failure") is not None for name, case in told.items()} == {
        "Same #1": False,
        "News #1": True,
        "Gone #1": True,
        "\ufffdFresh #1": True,
        "calls outside any session": True,
    }
    failures = {name: case.find("failure") for name, case in told.items()}
    types = {name: each.attrib["type"] for name, each in failures.items() if each is not None}
    assert types == {
        "News #1": "changed",
        "Gone #1": "missing",
        "\ufffdFresh #1": "added",
        "calls outside any session": "changed",
    }


def test_a_failure_lists_the_differences_with_their_places_and_the_case_its_ids() -> None:
    case = cases(found())["News #1"]
    text = case.findtext("failure", "")

    assert any(
        line.startswith("recording.jsonl:") and line.endswith("event-missing sessionComplete: missing")
        for line in text.splitlines()
    )
    assert case.attrib["classname"] == "web"
    assert case.findtext("system-out", "").startswith("c, ")
    assert " -> f, " in case.findtext("system-out", "")


def test_equal_sessions_have_numbers() -> None:
    sessions = mix(Timeline("a").start().at(1, "play"), Timeline("b", BEGIN_MS + 9000).start().at(1, "play"))

    assert list(cases(compare(sessions, sessions))) == ["News #1", "News #2"]


def results(diff: Diff) -> list[dict[str, Any]]:
    log = json.loads("".join(render_sarif(diff)))
    jsonschema_rs.Draft7Validator(official_schema()).validate(log)
    for result in log["runs"][0]["results"]:
        assert log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return list(log["runs"][0]["results"])


def test_a_difference_is_a_result_at_its_event() -> None:
    told = results(found())
    missing = next(each for each in told if each["ruleId"] == "event-missing")

    assert missing["message"]["text"] == "News, web: sessionComplete: missing"
    assert missing["locations"][0]["physicalLocation"]["region"]["startLine"] > 1
    assert missing["locations"][0]["logicalLocations"][0] == {
        "name": "sessionComplete",
        "fullyQualifiedName": "c/sessionComplete",
    }
    assert {each["ruleId"] for each in told} >= {"session-missing", "session-added", "event-missing", "finding-new"}
    assert len(told) == 2 + sum(1 for _ in found().all_differences())


def test_a_difference_of_two_events_is_at_the_new_one() -> None:
    found = compare(play(sid="old"), play(altered("adStart", ad(1) | {"media.ad.name": "Soap"}), sid="new"))
    (added,) = (each for each in results(found) if each["ruleId"] == "parameter-added")

    assert added["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "new/adStart"


def test_no_difference_is_no_result() -> None:
    assert results(compare(play(), play())) == []


def test_every_kind_of_difference_is_described() -> None:
    assert set(DESCRIPTIONS) == {*Change, f"session-{Verdict.MISSING}", f"session-{Verdict.ADDED}"}


def test_fingerprints_are_those_of_earlier_versions_and_tell_results_apart() -> None:
    marks = [each["partialFingerprints"]["tapeheadDifference/v1"] for each in results(found())]
    missing = [each for each in results(found()) if each["ruleId"] == "event-missing"]

    assert len(set(marks)) == len(marks)
    assert missing[0]["partialFingerprints"] == {"tapeheadDifference/v1": PINNED}


@pytest.mark.parametrize("other", ["z", "y"])
def test_fingerprints_do_not_depend_on_ids_or_times(other: str) -> None:
    later = compare(play(), play(without("sessionComplete"), sid=other, begin_ms=BEGIN_MS + 99_000))
    first = compare(play(), play(without("sessionComplete")))

    assert [each["partialFingerprints"] for each in results(later)] == [
        each["partialFingerprints"] for each in results(first)
    ]
