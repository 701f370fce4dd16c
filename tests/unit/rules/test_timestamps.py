"""The rules of timestamps: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import BEGIN_MS, Timeline, body_of
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import Call, location_of
from tapehead.rules import timestamps


def late(behind: float) -> Timeline:
    return row("play").at(14, "ping").at(14.5, "pauseStart", ts=14 - behind)


def overtaken(elapsed_ms: float) -> Timeline:
    """Two pauses that arrive 15 ms apart in the order in which they did not happen."""
    played = row("play").at(9, "play", ts=9.01, arrives=9.02, elapsed_ms=elapsed_ms)
    return played.at(9.035, "pauseStart", ts=9, arrives=9.035)


PAIRS = [
    Pair("event-before-start", timeline().at(1, "play", ts=-0.5), timeline().at(1, "play", ts=0.5)),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play").at(9, "ping", ts=5.001)),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play", "ping")),
    Pair("timestamp-order", late(0.9), late(-0.1)),
    Pair("timestamp-order", late(4), late(-0.1)),
    Pair("timestamp-order", overtaken(10), overtaken(20)),
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


def test_a_burst_that_was_queued_has_no_order_of_arrival() -> None:
    played = timeline()
    for number, name in enumerate(("ping", "bufferStart", "pauseStart", "play")):
        played.at(9, name, ts=4 - number / 10, arrives=9 + number / 1000, elapsed_ms=60)
    assert "timestamp-order" not in played.rules()


def test_the_order_of_a_late_call_is_that_of_what_was_answered_before_it() -> None:
    played = row("play").at(14, "ping", elapsed_ms=5).at(15, "bitrateChange", ts=20, arrives=15, elapsed_ms=2000)
    (result,) = played.at(16, "ping", ts=13, arrives=16).audit()
    (found,) = (each for each in result.findings if each.rule == "timestamp-order")
    assert "is 1795428013000, 1000 ms before that of an event that came earlier" in found.message


def equals(*event_types: str, alone: bool = False) -> list[tuple[Severity, str]]:
    """Return the findings about equal timestamps where these events share a moment in an ad, or in content."""
    played = row("play", "adBreakStart", "adStart") if not alone else row("play", "ping", "ping")
    for number, name in enumerate(event_types):
        played.at(20, name, ts=20, arrives=20 + number / 1000)
    (result,) = played.at(21, "ping").at(22, "sessionEnd").audit()
    found = [each for each in result.findings if each.rule == "equal-timestamps"]
    return [(each.severity, each.message.partition(" (event")[0]) for each in found]


TS = f"playerTime.ts {BEGIN_MS + 20_000}"


def test_where_only_one_order_is_allowed_equal_timestamps_are_an_information() -> None:
    ((severity, message),) = equals("adComplete", "adBreakComplete", "play")
    assert severity is Severity.INFO
    assert message == (
        f"adBreakComplete: adComplete, adBreakComplete, play have the same {TS}; expected them 1 ms apart at least"
    )


@pytest.mark.parametrize("together", [("pauseStart", "play"), ("play", "bufferStart"), ("pauseStart", "ping", "play")])
def test_where_two_orders_are_allowed_they_are_a_warning(together: tuple[str, ...]) -> None:
    ((severity, message),) = equals(*together, alone=True)
    assert severity is Severity.WARNING
    assert message == (
        f"{together[1]}: {', '.join(together)} have the same {TS}; either may count as the last; "
        "expected them 1 ms apart at least"
    )


def test_moments_are_one_information_a_session() -> None:
    played = row("play")
    for second in (9, 19, 29):
        played.at(second, "ping", ts=second).at(second, "bitrateChange", ts=second)
    (result,) = played.at(31, "sessionEnd").audit()
    ((severity, message),) = [(each.severity, each.message) for each in result.findings]
    assert severity is Severity.INFO
    assert f"have the same playerTime.ts {BEGIN_MS + 9000}, the first of 3 such moments; expected" in message


def test_a_start_that_is_stamped_ahead_of_all_that_follows_is_told_once() -> None:
    played = Timeline()
    played.raw(body_of("sessionStart", 0, BEGIN_MS + 3_600_000), Call.SESSION, status=201, location=location_of("s1"))
    assert played.at(1, "play").pings(11, 31).at(32, "sessionEnd").rules() == ["clock-skew"]
