"""The rules of the playhead: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, timeline
from support.sessions import Timeline, ad, run
from tapehead.protocol.exchange import Severity
from tapehead.rules import playhead


def frozen(last: float) -> Timeline:
    return timeline().at(1, "play").at(6, "ping", playhead=0).at(last, "ping", playhead=0).at(last + 1, "sessionEnd")


def in_ad(playhead: float) -> Timeline:
    played = timeline().at(0, "play").at(5, "adBreakStart").at(6, "adStart", ad(length=10))
    return played.at(11, "ping", playhead=playhead).at(16, "adComplete", playhead=5).at(17, "adBreakComplete")


def still(*, in_content: bool = False, outside_break: bool = False) -> Timeline:
    """A playhead that stands still in content, in the gap between two ads of a break, or in an ad outside a break."""
    played = timeline().at(0, "play").at(10, "ping", playhead=10)
    if outside_break:
        played.at(11, "adStart", ad(length=20), playhead=10)
    elif not in_content:
        played.at(11, "adBreakStart", playhead=10).at(12, "adStart", playhead=10).at(17, "adComplete", playhead=10)
    for second in (18, 24, 30):
        played.at(second, "ping", playhead=10)
    if outside_break:
        played.at(31, "adComplete", playhead=10)
    elif not in_content:
        played.at(31, "adStart", ad(2), playhead=10).at(36, "adSkip", playhead=10).at(
            37, "adBreakComplete", playhead=10
        )
    return played.at(40, "sessionEnd", playhead=10)


def sought_in_ad(*ends: str, hold: str = "pauseStart") -> Timeline:
    """Return a session whose viewer seeks in a pre-roll: the position is new with the play, before the ad's end."""
    played = timeline().at(1, "adBreakStart").at(1.1, "adStart").at(3, hold).at(4, "play", playhead=300)
    for end in ends:
        played.at(4, end, playhead=300)
    return played


def paused(playhead: float, *, play: bool = False) -> Timeline:
    played = timeline().at(0, "play").at(5, "pauseStart")
    if play:
        played.at(6, "play", playhead=playhead)
    return played.at(10, "ping", playhead=playhead)


def at_playhead(playhead: float, **params: Any) -> Timeline:
    return Timeline().start(**params).at(1, "play", playhead=playhead).at(2, "sessionEnd", playhead=playhead)


def buffering(*playheads: float, play: bool = False, hold: str = "bufferStart") -> Timeline:
    """Return a session that stalls at 5, and then has these playheads, ten seconds apart."""
    played = timeline().at(0, "play").at(5, hold)
    if play:
        played.at(6, "play")
    for number, position in enumerate(playheads, start=1):
        played.at(5 + 10 * number, "ping", playhead=position)
    return played


PAIRS = [
    Pair("playhead-range", at_playhead(-1), at_playhead(0)),
    Pair("playhead-range", at_playhead(61.5, length=60), at_playhead(61, length=60)),
    Pair(
        "playhead-range",
        at_playhead(86400, contentType="Live", length=120),
        at_playhead(121, contentType="linear", length=120),
    ),
    Pair("playhead-range", at_playhead(86400, length=86400), at_playhead(86399, length=86400)),
    Pair("playhead-range", at_playhead(-1, length=0), at_playhead(99_999, length=0)),
    Pair("playhead-frozen", frozen(11.5), frozen(10.5)),
    Pair("playhead-frozen", frozen(11.5), timeline().at(1, "pauseStart").at(6, "ping").at(12, "ping").at(18, "ping")),
    Pair("playhead-frozen", frozen(11.5), in_ad(5)),
    Pair("playhead-frozen", still(in_content=True), still()),
    Pair("playhead-frozen", still(in_content=True), still(outside_break=True)),
    Pair("playhead-in-ad", in_ad(9), in_ad(6)),
    Pair("playhead-in-ad", sought_in_ad("adComplete"), sought_in_ad("adSkip")),
    Pair("playhead-in-ad", sought_in_ad(), sought_in_ad("adSkip")),
    Pair("playhead-in-ad", sought_in_ad("adSkip", hold="ping"), sought_in_ad("adSkip")),
    Pair("playhead-paused", paused(9), paused(6)),
    Pair("playhead-paused", paused(30), paused(30, play=True)),
    Pair("buffer-not-ended", buffering(15, 25, 35), buffering(14, 24, 34, play=True)),
    Pair("buffer-not-ended", buffering(6.1), buffering(6)),
    Pair("buffer-not-ended", buffering(5, 5, 15), buffering(5, 5, 5)),
    # A seek that buffers on, forward and back.
    Pair("buffer-not-ended", buffering(27), buffering(27.1, 27.1, 0)),
    Pair("buffer-not-ended", buffering(15), buffering(15, hold="pauseStart")),
    # The way of a seek in the SDKs; a player that sets the playhead to the end when it is done.
    Pair("buffer-not-ended", buffering(15), buffering().at(8, "pauseStart", playhead=9).at(9, "play", playhead=9)),
    Pair("buffer-not-ended", buffering(15), buffering().at(9, "sessionComplete", playhead=8)),
    Pair(
        "buffer-not-ended",
        buffering().at(15, "adBreakStart", playhead=15),
        buffering().at(6, "adBreakStart").at(7, "adStart").at(12, "adComplete", playhead=9),
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


@pytest.mark.parametrize(
    ("playhead", "params", "severity"),
    [
        (122, {"contentType": "live", "length": 120}, Severity.WARNING),
        (86_500, {"contentType": "live", "length": 120}, Severity.WARNING),
        (-2, {"contentType": "live", "length": 120}, Severity.ERROR),
        (122, {"length": 120}, Severity.ERROR),
        (86_400, {"contentType": "live", "length": 86_400}, Severity.ERROR),
        (86_400, {"contentType": "live", "length": 0}, Severity.ERROR),
    ],
)
def test_only_a_live_programme_may_run_over(playhead: float, params: dict[str, Any], severity: Severity) -> None:
    (result,) = at_playhead(playhead, **params).audit()
    assert [each.severity for each in result.findings if each.rule == "playhead-range"] == [severity]


def test_a_live_programme_with_the_second_of_the_day_is_one_finding() -> None:
    ten = 10 * 3600
    played = Timeline().start(contentType="live", length=7200).at(1, "play", playhead=ten + 1)
    played.at(11, "ping", playhead=ten + 11).at(12, "sessionEnd", playhead=ten + 12)
    assert played.rules() == ["live-playhead"]


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(playhead, PAIRS)


def test_messages_name_event_value_and_place() -> None:
    (result,) = run(at_playhead(99, length=60).exchanges)
    (found,) = (each for each in result.findings if each.rule == "playhead-range")
    assert found.message == (
        "play: playerTime.playhead is 99; expected 60 at most, which is media.length (event 1, 1.0 s in)"
    )
    assert found.path == "playerTime.playhead"


@pytest.mark.parametrize(
    ("holds", "rule"),
    [
        (("pauseStart",), "playhead-paused"),
        (("bufferStart",), "buffer-not-ended"),
        (("adBreakStart", "adStart"), "playhead-in-ad"),
    ],
)
@pytest.mark.parametrize(
    ("moved", "grade"),
    [
        (10, Severity.INFO),
        (10.9, Severity.INFO),
        (9.1, Severity.INFO),
        (11.1, Severity.WARNING),
        (8.9, Severity.WARNING),
    ],
)
def test_a_second_of_the_day_may_go_on(holds: tuple[str, ...], rule: str, moved: float, grade: Severity) -> None:
    """A channel whose playhead goes with the clock, give or take a second, ten seconds after a hold."""
    assert grades_of_channel(holds, rule, 36_019, 36_019 + moved) == [grade]


def test_a_second_of_the_day_may_go_on_over_midnight() -> None:
    assert grades_of_channel(("pauseStart",), "playhead-paused", 86_395, 5) == [Severity.INFO]


def grades_of_channel(holds: tuple[str, ...], rule: str, *playheads: float) -> list[Severity]:
    played = Timeline().start(contentType="live", length=86_400).at(1, "play", playhead=playheads[0] - 19)
    for hold in holds:
        played.at(20, hold, playhead=playheads[0])
    (result,) = run(played.at(30, "ping", playhead=playheads[1]).exchanges)
    return [each.severity for each in result.findings if each.rule == rule]
