"""Ratios over sessions."""

import pytest

from support.metrics import at, of, of_timeline, pre_roll, start
from support.timelines import ABANDON
from tapehead.demo.timelines import VIEW_TO_END
from tapehead.metrics.catalog import keys_of
from tapehead.metrics.ratios import RATIOS, calculate_ratios

LEFT_IN_PRE_ROLL = of(start(), *pre_roll(0, 10)[:2], at(5, "sessionEnd"))


def test_each_ratio_is_of_metrics_of_the_session() -> None:
    assert {key for ratio in RATIOS for key in ratio[1:]} <= set(keys_of("session"))
    assert len({ratio.key for ratio in RATIOS}) == len(RATIOS)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("media_completion", 1 / 3),
        ("content_completion", 1 / 2),
        ("ad_completion", 4 / 6),
        ("chapter_completion", None),
        ("drop_before_start_rate", 1 / 3),
        ("pause_rate", 10 / 78),
        ("buffer_rate", 3 / 78),
        ("time_to_start_rate", 0),
        ("ad_time_rate", 50 / 78),
        ("average_media_time", 128 / 3),
        ("average_content_time", 78 / 2),
        ("average_ad_time", 50 / 6),
        ("average_chapter_time", None),
        ("ads_per_stream", 6 / 3),
        ("chapters_per_stream", 0),
        ("pre_roll_drop_rate", 1 / 3),
    ],
)
def test_a_ratio_over_three_sessions(key: str, expected: float | None) -> None:
    ratios = calculate_ratios([of_timeline(VIEW_TO_END), of_timeline(ABANDON), LEFT_IN_PRE_ROLL])

    assert ratios[key] == (None if expected is None else pytest.approx(expected, abs=0.005))


def test_there_are_no_ratios_of_nothing() -> None:
    assert set(calculate_ratios([]).values()) == {None}
