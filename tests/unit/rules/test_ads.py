"""The rules of ads and ad breaks: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import Timeline, ad
from tapehead.rules import ads


def ad_of(length: float, *, pause: bool = False) -> Timeline:
    played = timeline().at(1, "adBreakStart").at(2, "adStart", ad(length=length))
    if pause:
        played.at(4, "pauseStart").at(12, "play")
    return played.at(15 if pause else 7, "adComplete").at(16, "adBreakComplete").at(17, "play").at(20, "sessionEnd")


PAIRS = [
    Pair("ad-outside-break", row("play", "adStart", "adComplete"), row("adBreakStart", "adStart", "adComplete")),
    Pair(
        "ad-break-not-open",
        row("play", "adBreakComplete"),
        row("play", "adBreakStart", "adStart", "adComplete", "adBreakComplete"),
    ),
    Pair(
        "ad-break-nested",
        row("adBreakStart", "adStart", "adComplete", "adBreakStart", "adBreakComplete", "adBreakComplete"),
        row("adBreakStart", "adStart", "adComplete", "adBreakComplete", "adBreakStart", "adStart"),
    ),
    Pair("ad-break-empty", row("adBreakStart", "adBreakComplete"), row("adBreakStart", "adStart", "adBreakComplete")),
    Pair(
        "ad-break-left-open",
        row("adBreakStart", "adStart", "adComplete", "sessionEnd"),
        row("adBreakStart", "adStart", "adComplete", "adBreakComplete", "sessionEnd"),
    ),
    Pair("ad-break-left-open", row("adBreakStart"), row("adBreakStart", "adBreakComplete")),
    Pair("ad-not-open", row("adBreakStart", "adComplete"), row("adBreakStart", "adStart", "adComplete")),
    Pair("ad-not-open", row("adBreakStart", "adSkip"), row("adBreakStart", "adStart", "adSkip")),
    Pair("ad-not-open", row("play", "adSkip"), Timeline().at(1, "adSkip").at(2, "play")),
    Pair(
        "ad-overlap",
        row("adBreakStart", "adStart").at(11, "adStart", ad(2)).at(15, "adComplete").at(16, "adComplete"),
        row("adBreakStart", "adStart", "adSkip").at(16, "adStart", ad(2)).at(21, "adComplete"),
    ),
    Pair(
        "ad-left-open",
        row("adBreakStart", "adStart", "adBreakComplete", "sessionEnd"),
        row("adBreakStart", "adStart", "adSkip", "adBreakComplete", "sessionEnd"),
    ),
    Pair("ad-left-open", row("adBreakStart", "adStart", "sessionEnd"), row("adBreakStart", "sessionEnd")),
    Pair(
        "ad-position",
        row("adBreakStart", "adStart", "adComplete").at(16, "adStart", ad(1)),
        row("adBreakStart", "adStart", "adComplete").at(16, "adStart", ad(2)),
    ),
    Pair(
        "ad-position",
        row("adBreakStart").at(6, "adStart", ad(2)),
        row("adBreakStart").at(6, "adStart", ad(0)).at(11, "adComplete").at(12, "adStart", ad(1)),
    ),
    Pair("ad-duration", ad_of(7.5), ad_of(7)),
    Pair("ad-duration", ad_of(12, pause=True), ad_of(5, pause=True)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(ads, PAIRS)
