"""The conditions of steps at their edges."""

import pytest

from tapehead.auditor.scenario_conditions import (
    follows_clock,
    is_live,
    is_second_of_day,
    lasts,
    pings,
    says,
)
from tapehead.auditor.scenarios import Moment, Phase
from tapehead.protocol.events import Event

DAY_MS = 86_400_000
MIDNIGHT_MS = 20_000 * DAY_MS


def moment(event: Event, lasted: float = 0, gap: float = 0, moved: float = 0) -> Moment:
    return Moment(event, Phase.CONTENT, 0, lasted, gap, moved, ends=True)


LIVE = moment(Event(type="sessionStart", params={"media.contentType": "live"}))
PROGRAMME = moment(Event(type="sessionStart", params={"media.contentType": "live", "media.length": 3600}))


@pytest.mark.parametrize(
    ("playhead", "second", "problem"),
    [
        (86_390, 5, ""),
        (5, 86_390, ""),
        (900, 0, ""),
        (901, 0, "is at 901 s; expected the second of the day, 0"),
        (85_499, 0, "is at 85499 s; expected the second of the day, 0"),
    ],
)
def test_the_second_of_the_day_may_be_a_quarter_of_an_hour_off(playhead: float, second: int, problem: str) -> None:
    play = moment(Event(type="play", playhead=playhead, ts=MIDNIGHT_MS + second * 1000))

    assert is_second_of_day("start")(play, {"start": LIVE}) == problem
    assert is_second_of_day("start")(play, {"start": PROGRAMME}) == ""


@pytest.mark.parametrize(
    ("length", "problem"),
    [
        (86_400, ""),
        (1, ""),
        (None, ""),
        (0, "has media.length 0; expected 86400, or that of the programme"),
        (86_400_000, "has media.length 86400000; expected 86400, or that of the programme"),
    ],
)
def test_live_content_has_a_length_of_live_content(length: float | None, problem: str) -> None:
    params = {"media.contentType": "Linear"} | ({} if length is None else {"media.length": length})

    assert is_live(moment(Event(type="sessionStart", params=params)), {}) == problem


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (True, ""),
        (1, "has media.resume 1; expected true"),
        ("true", 'has media.resume "true"; expected true'),
        (None, "has media.resume unset; expected true"),
    ],
)
def test_a_value_is_of_the_type_that_is_expected(value: object, problem: str) -> None:
    start = moment(Event(type="sessionStart", params={"media.resume": value}))

    assert says("media.resume", True)(start, {}) == problem


@pytest.mark.parametrize(("lasted", "is_enough"), [(9.4, False), (9.5, True), (10, True)])
def test_a_duration_may_be_half_a_second_short(lasted: float, is_enough: bool) -> None:
    assert (lasts(10)(moment(Event(), lasted), {}) == "") == is_enough


@pytest.mark.parametrize(("gap", "is_fine"), [(12, True), (12.1, False)])
def test_a_ping_may_be_two_seconds_late(gap: float, is_fine: bool) -> None:
    assert (pings(moment(Event(), gap=gap), {}) == "") == is_fine


@pytest.mark.parametrize(
    ("moved", "lasted", "is_fine"),
    [(12, 10, True), (8, 10, True), (12.1, 10, False), (7.9, 10, False), (110, 100, True), (110.1, 100, False)],
)
def test_a_playhead_may_be_two_seconds_or_a_tenth_off(moved: float, lasted: float, is_fine: bool) -> None:
    assert (follows_clock(moment(Event(), lasted, moved=moved), {}) == "") == is_fine
