"""The calculated metrics: one metric summed over sessions, divided by another.

Source: the reference's page on calculated metrics; the pre-roll drop rate: its page on content starts.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Values = Mapping[str, Any]


class Ratio(NamedTuple):
    """A metric over sessions: the sum of one metric, divided by that of another."""

    key: str
    dividend: str
    divisor: str


RATIOS = (
    Ratio("media_completion", "content_completes", "media_starts"),
    Ratio("content_completion", "content_completes", "content_starts"),
    Ratio("ad_completion", "ad_completes", "ad_starts"),
    Ratio("chapter_completion", "chapter_completes", "chapter_starts"),
    Ratio("drop_before_start_rate", "drops_before_start", "media_starts"),
    Ratio("pause_rate", "total_pause_duration", "content_time_spent"),
    Ratio("buffer_rate", "total_buffer_duration", "content_time_spent"),
    Ratio("time_to_start_rate", "time_to_start", "content_time_spent"),
    Ratio("ad_time_rate", "ad_time_spent", "content_time_spent"),
    Ratio("average_media_time", "media_time_spent", "media_starts"),
    Ratio("average_content_time", "content_time_spent", "content_starts"),
    Ratio("average_ad_time", "ad_time_spent", "ad_starts"),
    Ratio("average_chapter_time", "chapter_time_spent", "chapter_starts"),
    Ratio("ads_per_stream", "ad_starts", "media_starts"),
    Ratio("chapters_per_stream", "chapter_starts", "media_starts"),
)


def calculate_ratios(sessions: Iterable[Values]) -> dict[str, float | None]:
    """Return the calculated metrics over several sessions; None where there is nothing to divide by.

    The pre-roll drop rate is the share of media starts without a content start.
    """
    sums = dict.fromkeys((key for ratio in RATIOS for key in ratio[1:]), 0.0)
    for values in sessions:
        for key in sums:
            sums[key] += values[key] or 0
    ratios = {ratio.key: _divide(sums[ratio.dividend], sums[ratio.divisor]) for ratio in RATIOS}
    lost = sums["media_starts"] - sums["content_starts"]
    return ratios | {"pre_roll_drop_rate": _divide(max(lost, 0), sums["media_starts"])}


def _divide(dividend: float, divisor: float) -> float | None:
    return round(dividend / divisor, 4) if divisor > 0 else None
