"""The rules of the playhead: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, timeline
from support.sessions import Timeline, ad, run
from tapehead.rules import playhead


def frozen(last: float) -> Timeline:
    return timeline().at(1, "play").at(6, "ping", playhead=0).at(last, "ping", playhead=0).at(last + 1, "sessionEnd")


def in_ad(playhead: float) -> Timeline:
    played = timeline().at(0, "play").at(5, "adBreakStart").at(6, "adStart", ad(length=10))
    return played.at(11, "ping", playhead=playhead).at(16, "adComplete", playhead=5).at(17, "adBreakComplete")


def paused(playhead: float, *, play: bool = False) -> Timeline:
    played = timeline().at(0, "play").at(5, "pauseStart")
    if play:
        played.at(6, "play", playhead=playhead)
    return played.at(10, "ping", playhead=playhead)


def at_playhead(playhead: float, **params: Any) -> Timeline:
    return Timeline().start(**params).at(1, "play", playhead=playhead).at(2, "sessionEnd", playhead=playhead)


PAIRS = [
    Pair("playhead-range", at_playhead(-1), at_playhead(0)),
    Pair("playhead-range", at_playhead(61.5, length=60), at_playhead(61, length=60)),
    Pair(
        "playhead-range",
        at_playhead(86400, contentType="Live", length=120),
        at_playhead(40_000, contentType="linear", length=120),
    ),
    Pair("playhead-range", at_playhead(86400, length=86400), at_playhead(86399, length=86400)),
    Pair("playhead-range", at_playhead(-1, length=0), at_playhead(99_999, length=0)),
    Pair("playhead-frozen", frozen(11.5), frozen(10.5)),
    Pair("playhead-frozen", frozen(11.5), timeline().at(1, "pauseStart").at(6, "ping").at(12, "ping").at(18, "ping")),
    Pair("playhead-frozen", frozen(11.5), in_ad(5)),
    Pair("playhead-in-ad", in_ad(9), in_ad(6)),
    Pair("playhead-paused", paused(9), paused(6)),
    Pair("playhead-paused", paused(30), paused(30, play=True)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(playhead, PAIRS)


def test_messages_name_event_value_and_place() -> None:
    (result,) = run(at_playhead(99, length=60).exchanges)
    (found,) = (each for each in result.findings if each.rule == "playhead-range")
    assert found.message == (
        "play: playerTime.playhead is 99; expected 60 at most, which is media.length (event 1, 1.0 s in)"
    )
    assert found.path == "playerTime.playhead"
