"""The rules of a session's life: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row
from support.sessions import Timeline
from tapehead.protocol.exchange import Severity
from tapehead.rules import lifecycle

PAIRS = [
    Pair("no-play", row("ping", "ping"), row("ping", "play", "ping")),
    Pair(
        "no-play",
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete"),
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete", "play"),
    ),
    # In the gap of a break before its ad.
    Pair(
        "no-play",
        row("adBreakStart", "play", "adStart", "adComplete", "adBreakComplete", "ping"),
        row("adBreakStart", "adStart", "adComplete", "adBreakComplete", "play", "ping"),
    ),
    # In an ad outside a break.
    Pair("no-play", row("adStart", "play", "adComplete", "ping"), row("adStart", "adComplete", "play", "ping")),
    Pair("no-play", row("ping"), Timeline().at(1, "ping")),
    Pair("no-play", row("ping"), row("pauseStart", "sessionEnd")),
    Pair("event-after-end", row("play", "sessionEnd", "ping", "ping"), row("play", "sessionEnd", "sessionEnd")),
    Pair(
        "event-after-complete",
        row("play", "sessionComplete", "play", "chapterStart"),
        row("play", "sessionComplete", "ping", "stateStart", "sessionEnd"),
    ),
    Pair("session-not-closed", row("play", "ping"), row("play", "sessionComplete")),
    Pair("session-not-closed", row("play"), Timeline(sid=None).start(status=500)),
    Pair("session-not-closed", row("play", "ping"), row("play").at(10, "ping", status=410)),
    Pair("no-play", row("adBreakStart", "adStart", "adComplete", "adBreakComplete"), row("adBreakStart", "adStart")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(lifecycle, PAIRS)


POST_ROLL = ("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete")


def late_grades(*event_types: str) -> list[tuple[Severity, str]]:
    (result,) = row("play", "sessionComplete", *event_types).audit()
    found = [each for each in result.findings if each.rule == "event-after-complete"]
    return [(each.severity, each.message.partition(" (event")[0].rpartition("last")[2]) for each in found]


def test_a_post_roll_is_an_information_with_the_play_of_an_sdk_in_it() -> None:
    assert late_grades(*POST_ROLL) == [(Severity.INFO, " (5 such events)")]


@pytest.mark.parametrize("event_type", ["play", "chapterStart"])
def test_content_after_its_completion_is_a_warning(event_type: str) -> None:
    assert late_grades(event_type) == [(Severity.WARNING, "")]
    assert late_grades(*POST_ROLL, event_type) == [(Severity.INFO, " (5 such events)"), (Severity.WARNING, "")]


def test_events_after_the_end_are_counted() -> None:
    (result,) = row("play", "sessionEnd", "ping", "play", "sessionEnd").audit()
    assert [(each.rule, each.message) for each in result.findings] == [
        (
            "event-after-end",
            "ping: it comes after sessionEnd, which closed the session; expected nothing after it (2 such events) "
            "(event 3, 15.0 s in)",
        )
    ]
