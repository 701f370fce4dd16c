"""The rule on one session that several players feed."""

import pytest

from support.rule_pairs import Pair, check_family, timeline
from support.sessions import Timeline, ad
from tapehead.rules import two_players


def tabs(*rows: tuple[float, float]) -> Timeline:
    """A session that plays, with pings at these seconds and playheads."""
    session = timeline().at(0.1, "play", playhead=0)
    for second, playhead in rows:
        session.at(second, "ping", playhead=playhead)
    return session.at(70, "sessionEnd", playhead=rows[-1][1])


BOTH_PLAY = tabs((10, 10), (10.05, 310), (20, 20), (20.05, 320), (30, 30), (30.05, 330), (40, 40), (40.05, 340))
ONE_SEEK = tabs((10, 10), (20, 320), (30, 330), (40, 340), (50, 350))
ONE_PAUSED = tabs((10, 10), (14, 300), (20, 20), (24, 300), (30, 30), (34, 300), (40, 40), (44, 300))
# A player that names two places in turn, and plays at neither.
BOTH_STAND = tabs(*((second, 100 if second % 20 else 10) for second in range(10, 70, 10)))
# Away and back, each time to where the viewer was: no place goes on by itself while the other one is watched.
REWATCHED = tabs((10, 10), (20, 320), (30, 330), (40, 10), (50, 20), (60, 30))
SCRUBBED = tabs((10, 10), (10.5, 300), (11, 10.5), (11.5, 301), (12, 11), (12.5, 302), (20, 310), (30, 320))
# A second look at the other place, long after, is no return.
LONG_BETWEEN = tabs(*((second, second if second % 100 else second + 300) for second in range(10, 700, 10)))
TWICE = tabs((10, 10), (20, 320), (30, 30), (40, 340), (50, 350), (60, 360))
# Two returns, a jump to a third place, and two returns between that and the second one.
ELSEWHERE = tabs((8, 8), (16, 316), (24, 24), (32, 332), (40, 1000), (48, 348), (56, 1000), (64, 1008))
THREE_TABS = tabs(
    *((second + tab, (0, 300, 900)[tab // 3] + second + tab) for second in range(10, 70, 10) for tab in (0, 3, 6))
)
PAIRS = [
    Pair("two-players", THREE_TABS, ELSEWHERE),
    Pair("two-players", BOTH_PLAY, ELSEWHERE),
    Pair("two-players", BOTH_PLAY, LONG_BETWEEN),
    Pair("two-players", BOTH_PLAY, TWICE),
    Pair("two-players", BOTH_PLAY, ONE_SEEK),
    Pair("two-players", ONE_PAUSED, REWATCHED),
    Pair("two-players", ONE_PAUSED, BOTH_STAND),
    Pair("two-players", BOTH_PLAY, SCRUBBED),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(two_players, PAIRS)


def test_the_finding_names_both_places_and_where_it_began() -> None:
    (result,) = BOTH_PLAY.audit()
    (found,) = [each for each in result.findings if each.rule == "two-players"]
    assert found.event is not None
    assert (found.event.index, found.line, found.path) == (3, 4, "playerTime.playhead")
    assert found.message == (
        "ping: from here on playerTime.playhead goes back and forth between two places, by event 6 320 and 30, "
        "and goes on there; expected a session for each player (event 3, 10.1 s in)"
    )


def test_places_where_nothing_goes_on_are_jumps() -> None:
    assert set(BOTH_STAND.rules()) == {"playhead-jump"}


def test_ads_in_between_are_no_second_place() -> None:
    session = timeline().at(0.1, "play", playhead=0)
    for second in range(10, 130, 20):
        session.at(second, "adBreakStart", playhead=second).at(second + 0.1, "adStart", playhead=0)
        session.at(second + 4, "ping", playhead=5).at(second + 5, "adComplete", playhead=5)
        session.at(second + 5.1, "adBreakComplete", playhead=second).at(second + 5.2, "play", playhead=second)
        session.at(second + 10, "ping", playhead=second + 5)
    assert "two-players" not in session.rules()


def test_an_ads_own_playheads_are_no_second_place() -> None:
    session = timeline().at(0.1, "play", playhead=0).at(10, "adBreakStart", playhead=10)
    for number in range(4):
        session.at(11 + 10 * number, "adStart", ad(number + 1, 9), playhead=10)
        session.at(15 + 10 * number, "ping", playhead=300).at(20 + 10 * number, "adComplete", playhead=10)
    session.at(51, "adBreakComplete", playhead=10).at(52, "play", playhead=10).at(60, "ping", playhead=18)
    assert "two-players" not in session.rules()


def test_a_viewer_who_looks_ahead_again_and_again_is_one_player() -> None:
    session = timeline().at(0.1, "play", playhead=0)
    for second in range(10, 200, 20):
        session.at(second, "ping", playhead=second).at(second + 3, "ping", playhead=300 + second * 0.35)
        session.at(second + 6, "ping", playhead=second + 6).at(second + 16, "ping", playhead=second + 16)
    assert session.rules().count("two-players") == 0


def test_content_that_loops_is_one_player() -> None:
    session = timeline().at(0.1, "play", playhead=0)
    for number, second in enumerate(range(10, 200, 10)):
        session.at(second, "ping", playhead=(0, 10, 20)[number % 3])
    assert "two-players" not in session.rules()


def test_what_three_players_send_is_one_finding() -> None:
    assert THREE_TABS.rules() == ["two-players"]
