"""The rules of a session's life: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row
from support.sessions import Timeline
from tapehead.rules import lifecycle

PAIRS = [
    Pair("no-play", row("ping", "ping"), row("ping", "play", "ping")),
    Pair(
        "no-play",
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete"),
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete", "play"),
    ),
    Pair("no-play", row("ping"), Timeline().at(1, "ping")),
    Pair("no-play", row("ping"), row("pauseStart", "sessionEnd")),
    Pair("event-after-end", row("play", "sessionEnd", "ping", "ping"), row("play", "sessionEnd", "sessionEnd")),
    Pair(
        "event-after-complete",
        row("play", "sessionComplete", "play", "adBreakStart"),
        row("play", "sessionComplete", "ping", "stateStart", "sessionEnd"),
    ),
    Pair("session-not-closed", row("play", "ping"), row("play", "sessionComplete")),
    Pair("session-not-closed", row("play"), Timeline(sid=None).start(status=500)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(lifecycle, PAIRS)
