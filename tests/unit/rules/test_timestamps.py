"""The rules of timestamps: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import Timeline
from tapehead.protocol.exchange import Severity
from tapehead.rules import timestamps


def late(behind: float) -> Timeline:
    return row("play").at(14, "ping").at(14.5, "pauseStart", ts=14 - behind)


PAIRS = [
    Pair("event-before-start", timeline().at(1, "play", ts=-0.5), timeline().at(1, "play", ts=0.5)),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play").at(9, "ping", ts=5.001)),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play", "ping")),
    Pair("timestamp-order", late(0.9), late(-0.1)),
    Pair("timestamp-order", late(4), late(-0.1)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(timestamps, PAIRS)


@pytest.mark.parametrize(("behind", "severity"), [(0.9, Severity.WARNING), (1.1, Severity.ERROR), (8, Severity.ERROR)])
def test_a_ts_that_goes_back_far_is_an_error(behind: float, severity: Severity) -> None:
    found = [each for result in late(behind).audit() for each in result.findings if each.rule == "timestamp-order"]
    assert [each.severity for each in found] == [severity]


def test_events_before_the_start_are_said_with_what_they_cost() -> None:
    queued = Timeline().start().at(1, "adBreakStart", ts=-5).at(1.1, "adStart", ts=-4.5).at(1.2, "adComplete", ts=-0.5)
    (hit,) = (each for each in queued.audit()[0].findings if each.rule == "event-before-start")

    begin = queued.begin_ms
    assert hit.message == (
        f"adBreakStart: playerTime.ts is {begin - 5000}, before the sessionStart's {begin} (3 such events); expected "
        "a later one; 5.0 s are not in the metrics (--assume before-start=counted counts them) (event 1, -5.0 s in)"
    )
