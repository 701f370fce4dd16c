"""The rules of pings: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, array, check_family, row, timeline
from support.sessions import Timeline, ad
from tapehead.rules import pings


def flood(step: float) -> Timeline:
    return timeline().at(1, "play").pings(10, 60, step)


def between_ads(*event_types: str) -> Timeline:
    """Pings a second apart in the gap between two ads of a break, or in content after it if it ends in the gap."""
    played = row("adBreakStart", "adStart", "adComplete")
    if event_types:
        played.at(15.1, "adBreakComplete")
    for event_type in event_types:
        played.at(15.2, event_type)
    return played.pings(16, 22, 1).at(23, "sessionEnd")


PAIRS = [
    Pair("ping-gap", row("play").at(17.1, "ping"), row("play").at(17, "ping")),
    Pair("ping-gap", row("play").pings(25, 105, 20), row("play").pings(15, 105, 10)),
    Pair("ping-gap", row("play").at(40, "ping"), row("sessionComplete").at(40, "sessionEnd")),
    Pair("ping-gap", array("sessionStart", "play", "ping", step=61), array("sessionStart", "play", "ping", step=50)),
    Pair("ping-flood", row("play").at(15, "ping").at(15.5, "ping"), row("play").at(15, "ping").at(16, "ping")),
    Pair("ping-flood", flood(8), flood(9.5)),
    Pair("ping-flood", row("play").pings(10, 34, 8), row("play").pings(10, 26, 8)),
    Pair("ping-flood", between_ads("play"), between_ads()),
    Pair(
        "ping-flood", row("play").pings(10, 40, 5), row("adBreakStart").at(6, "adStart", ad(length=60)).pings(7, 60, 1)
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(pings, PAIRS)
