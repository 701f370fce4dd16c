"""The rules of the back end's timeouts: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import HOUR, MINUTE, Pair, check_family, row, timeline
from support.sessions import Timeline, run
from tapehead.protocol.exchange import Severity
from tapehead.rules import timeouts


def long_pause(minutes: float, last: str) -> Timeline:
    paused = timeline().at(1, "play").at(10, "pauseStart").pings(20, minutes * MINUTE)
    return paused.at(minutes * MINUTE + 20, last)


PAIRS = [
    # A sessionEnd within a minute is that of an SDK that restarts.
    Pair(
        "session-too-long",
        row("play").pings(300, 24 * HOUR - 300, 300).at(24 * HOUR + 60.001, "sessionEnd"),
        row("play").pings(300, 24 * HOUR - 300, 300).at(24 * HOUR + 60, "sessionEnd"),
    ),
    Pair(
        "session-too-long",
        row("play").pings(300, 24 * HOUR + 600, 300),
        row("play").pings(300, 24 * HOUR - 300, 300).at(24 * HOUR + 1, "sessionEnd"),
    ),
    Pair("expired-idle", row("play").at(5 + 601, "ping").at(2000, "ping"), row("play").at(5 + 600, "ping")),
    Pair(
        "expired-idle",
        row("play", "sessionComplete").at(5000, "play"),
        row("play", "sessionComplete").at(5000, "sessionEnd"),
    ),
    Pair("expired-stalled", long_pause(31, "play"), long_pause(29, "play")),
    Pair("expired-stalled", long_pause(31, "play"), long_pause(29.8, "sessionEnd")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(timeouts, PAIRS)


@pytest.mark.parametrize(("last", "grade"), [("sessionEnd", Severity.INFO), ("play", Severity.ERROR)])
def test_an_end_after_the_timeout_is_an_information(last: str, grade: Severity) -> None:
    """A device that was asleep: the session is over as it would be with the timeout."""
    (result,) = run(timeline().at(1, "play").at(10, "pauseStart").at(3000, last, status=404).exchanges)
    assert [(each.rule, each.severity) for each in result.findings] == [("expired-idle", grade)]
