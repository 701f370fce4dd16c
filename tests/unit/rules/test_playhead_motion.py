"""The rules of the playhead's motion: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, timeline
from support.sessions import Timeline, run
from tapehead.rules import playhead_motion


def moving(*playheads: float, every: float = 10, **params: Any) -> Timeline:
    """Return a session that plays from the first playhead on, with a ping at each of the others."""
    played = Timeline().start(**params).at(1, "play", playhead=playheads[0])
    for number, playhead in enumerate(playheads[1:], start=1):
        played.at(1 + number * every, "ping", playhead=playhead)
    return played


def at_rate(rate: float, seconds: int = 60) -> Timeline:
    return moving(*(rate * second for second in range(0, seconds + 1, 10)))


def seek(*events: str) -> Timeline:
    """Return a session that is at 10, then at 300 after these events, and plays on."""
    played = moving(0, 10)
    for number, event in enumerate(events):
        played.at(13 + number, event, playhead=13 if number == 0 else 300)
    return played.at(21, "ping", playhead=308).at(31, "ping", playhead=318)


SEEK = seek("pauseStart", "play")


def reread(event: str, playhead: float = 13) -> Timeline:
    """Return a session that is at 13 with this event, plays from `playhead` on, and is at 300 with the next ping."""
    held = moving(0, 10).at(13.5, event, playhead=13).at(15, "play", playhead=playhead)
    return held.at(25, "ping", playhead=300).at(35, "ping", playhead=310)


PAIRS = [
    # Twice the clock plus two seconds.
    Pair("playhead-jump", moving(0, 10, 32.01), moving(0, 10, 32)),
    Pair("playhead-jump", moving(0, 10).at(11, "ping", playhead=12.01), moving(0, 10).at(11, "ping", playhead=12)),
    # The vendor's SDK names the position a second after the start, or with the first ping; not later.
    Pair("playhead-jump", moving(0, 250, every=11.001), moving(0, 250, every=11)),
    Pair("playhead-jump", moving(0, 1.5, 250, every=1), moving(0, 0, 250, every=1)),
    # After a seek that was paused for, it may send the old position once more.
    Pair("playhead-jump", reread("ping"), reread("pauseStart")),
    Pair("playhead-jump", reread("pauseStart", playhead=15.5), reread("pauseStart", playhead=14)),
    # Back by more than what a rounded playhead may be off.
    Pair("playhead-jump", moving(50, 60, 58.9), moving(50, 60, 59)),
    Pair("playhead-jump", moving(0, 10, 400, 410, 420), SEEK),
    Pair("playhead-jump", seek(), seek("bufferStart", "play")),
    Pair("playhead-jump", seek("ping", "play"), SEEK),
    # One event with a playhead of its own is one jump: the way back is none.
    Pair("playhead-jump", moving(10, 20, 0, 40, 50), moving(10, 20, 30, 40, 50)),
    # A speed that no clock explains is one finding, however long it lasts.
    Pair("playhead-jump", moving(0, 30, 60, 90, 120, 150), moving(0, 22, 44, 66, 88)),
    # The second of the day begins anew at midnight.
    Pair(
        "playhead-jump",
        moving(86385, 86395, 405, contentType="live", length=86400),
        moving(86385, 86395, 5, 15, contentType="live", length=86400),
    ),
    # A player that is reset when it closes.
    Pair(
        "playhead-jump",
        moving(50, 60).at(20, "sessionEnd", playhead=20),
        moving(50, 60).at(20, "sessionEnd", playhead=0),
    ),
    # A seek has its new place already when it begins.
    Pair("playhead-jump", seek("ping"), moving(0, 10).at(13, "pauseStart", playhead=300).at(14, "play", playhead=300)),
    Pair("playhead-jump", moving(0, 10, 300), moving(0, 10).at(13, "bufferStart", playhead=300)),
    # An ad whose playhead ran is no jump of the content.
    Pair(
        "playhead-jump",
        moving(0, 10).at(12, "adBreakStart", playhead=60),
        moving(0, 10).at(12, "adBreakStart").at(13, "adStart").at(18, "adBreakComplete", playhead=17).at(20, "ping"),
    ),
    Pair("playhead-jump", moving(0, 10, 5), moving(0, 10).at(15, "error", playhead=14).at(21, "play", playhead=9)),
    # Nothing is known of a clock that was set back.
    Pair(
        "playhead-jump",
        moving(0, 10, 60),
        moving(0, 10).at(21, "ping", ts=6, playhead=20).at(31, "ping", ts=11.5, playhead=30),
    ),
    Pair("playhead-drift", at_rate(0.79), at_rate(0.8)),
    Pair("playhead-drift", at_rate(1.26), at_rate(1.25)),
    Pair("playhead-drift", at_rate(0.5, 600), at_rate(1, 600)),
    Pair("playhead-drift", at_rate(2), at_rate(2, 50)),
    # A stall that was not reported, and a device that slept, are other mistakes.
    Pair("playhead-drift", at_rate(0.7), moving(0, 10, 13, 13, 20, 30, 40, 50)),
    Pair("playhead-drift", at_rate(0.7), moving(0, 3, 10, every=60)),
    # What moves, however slowly, has not stalled.
    Pair("playhead-drift", at_rate(0.05), at_rate(0)),
    # Whole seconds.
    Pair("playhead-drift", at_rate(0.7), moving(0, 9, 20, 29, 40, 49, 60, 69)),
    # A seek without a pause is one mistake.
    Pair("playhead-drift", at_rate(1.5), moving(0, 10, 400, 410, 420, 430, 440, 450)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(playhead_motion, PAIRS)


def test_each_seek_without_a_pause_is_a_finding_of_its_own_and_nothing_else() -> None:
    session = moving(0, 10, 400, 410, 420, 100, 110, 120).at(72, "sessionEnd", playhead=121)
    assert session.rules() == ["playhead-jump", "playhead-jump"]


def test_a_playhead_that_runs_too_slow_and_then_too_fast_is_two_findings() -> None:
    slow, fast = [7.0 * step for step in range(13)], [84 + 15.0 * step for step in range(1, 20)]
    assert moving(*slow, *fast).rules().count("playhead-drift") == 2


def test_messages_name_the_jump_and_its_clock() -> None:
    (result,) = run(moving(0, 10, 400).at(22, "sessionEnd", playhead=401).exchanges)
    (found,) = result.findings
    assert found.message == (
        "ping: playerTime.playhead is 400, 390 s forward in 10.0 s of playing since event 2; "
        "expected pauseStart and play around a seek (event 3, 21.0 s in)"
    )
    assert found.path == "playerTime.playhead"


def test_messages_name_the_speed() -> None:
    (result,) = run(at_rate(1.5).at(62, "sessionEnd", playhead=91).exchanges)
    (found,) = result.findings
    assert found.message == (
        "ping: playerTime.playhead moved by 90 s in the last 60.0 s of playing main content; "
        "expected at most 1.25 times the clock, unless the playback speed is 1.5 (event 7, 61.0 s in)"
    )


def test_a_missing_playhead_or_ts_does_not_hide_what_follows() -> None:
    body = {"eventType": "ping", "playerTime": {"ts": timeline().begin_ms + 15_000}}
    session = moving(0, 10).at(14, "ping", playhead=13).raw(body, arrived_ms=timeline().begin_ms + 15_005)
    assert session.at(21, "ping", playhead=300).rules().count("playhead-jump") == 1
