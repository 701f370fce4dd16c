"""Metrics of content derived by hand: each case with its arithmetic, and a neighbour on the other side of its rule."""

from typing import Any

import msgspec
import pytest

from support.metrics import START_MS, Case, at, case, check, event, of, pre_roll, start
from tapehead.metrics.calculator import calculate
from tapehead.protocol.backend_limits import Timeouts
from tapehead.protocol.events import Event
from tapehead.protocol.routes import Call

LIVE = {"contentType": "live", "length": 86400}
MINUTE = 60


def pause_of(minutes: int) -> tuple[Any, ...]:
    """Ten seconds of content, then a pause that pings for some minutes, each a minute."""
    pings = (at(10 + MINUTE * count, "ping", 10) for count in range(1, minutes + 1))
    return at(0, "play"), at(10, "pauseStart", 10), *pings


MIDNIGHT = [
    case(
        "live content over midnight",
        # 86380 -> 86390 -> 0.1 (86400.1) -> 10.1 -> 20.1 -> 25.1 (86425.1): from 86380 to 86425.1, whose steps are
        # 10 + 10.1 + 10 + 10 + 5 = 45.1 s of playhead in 45 s of clock; none is beyond double speed: 45.1 s viewed.
        # Relative to the lowest playhead that is 0 to 45.1 s: the first five minutes.
        start(**LIVE),
        at(0, "play", 86380),
        at(10, "ping", 86390),
        at(20, "ping", 0.1),
        at(30, "ping", 10.1),
        at(40, "ping", 20.1),
        at(45, "sessionEnd", 25.1),
        unique_time_played=45.1,
        content_segment="[0-5]",
        content_time_spent=45.0,
    ),
    case(
        "a seek over midnight in a live stream",
        # 86300 -> seek back from 86310 to 86000 -> on to 86010 -> seek to 100 (86500): viewed 86300-86310, 86000-86010
        # and 86500-86510: 30 s. The lowest is 86000, the highest 86510: 510 s, two pieces of five minutes.
        start(**LIVE),
        at(0, "play", 86300),
        at(10, "pauseStart", 86310),
        at(10, "play", 86000),
        at(20, "pauseStart", 86010),
        at(20, "play", 100),
        at(30, "ping", 110),
        unique_time_played=30.0,
        content_segment="[0-10]",
    ),
    case(
        "back before midnight",
        # 5 -> seek back by 20 s to 86385 (-15) -> 86395 (-5): viewed -15 to -5 after 0 to 5: 15 s.
        start(**LIVE),
        at(0, "play", 0),
        at(5, "pauseStart", 5),
        at(5, "play", 86385),
        at(15, "ping", 86395),
        unique_time_played=15.0,
        content_segment="[0-5]",
    ),
    case(
        "a live programme counts from its beginning",
        # 3600 s long: 3590 -> 0 is a move back, 0 -> 10 is viewed besides 3580 -> 3590: 20 s, minutes 0 to 60.
        start(contentType="live", length=3600),
        at(0, "play", 3580),
        at(10, "ping", 3590),
        at(10, "pauseStart", 3590),
        at(10, "play", 0),
        at(20, "ping", 10),
        unique_time_played=20.0,
        content_segment="[0-60]",
    ),
    case(
        "a jump of most of a day is no midnight",
        # 50000 -> 10 after 10 s: a day later that would be 36410 s ahead of the clock; so it is a move back.
        start(**LIVE),
        at(0, "play", 50000),
        at(10, "ping", 10),
        at(20, "ping", 20),
        unique_time_played=10.0,
        content_segment="[0-835]",
    ),
]

BITRATES = [
    case(
        "bitrates weigh as long as something plays",
        # 3000 kbit/s for 8 s of content, then 6 s of pause, then 4000 for 2 s:
        # (8 * 3000 + 2 * 4000) / 10 = 32000 / 10 = 3200. With the pause it would be (14 * 3000 + 8000) / 16 = 3125.
        start(),
        at(0, "play", bitrate=3_000_000),
        at(8, "pauseStart", 8),
        at(14, "play", 8),
        at(14, "bitrateChange", 8, bitrate=4_000_000),
        at(16, "ping", 10),
        average_bitrate=3200,
        average_bitrate_bucket="3200-3299",
    ),
    case(
        "a stall is no play",
        # 1000 for 10 s, then a stall of 10 s (20, 25, 30 with one playhead), then 2000 for 10 s: (10 + 20) / 20 = 1500.
        start(),
        at(10, "play", bitrate=1_000_000),
        at(20, "ping", 10),
        at(25, "ping", 10),
        at(30, "bitrateChange", 10, bitrate=2_000_000),
        at(40, "ping", 20),
        stall_events=1,
        total_stalling_duration=10.0,
        average_bitrate=1500,
    ),
    case(
        "an ad is play",
        # 1000 for 5 s of ad, 3000 for 5 s of content: (5 * 1000 + 5 * 3000) / 10 = 2000.
        start(),
        at(0, "bitrateChange", 0, bitrate=1_000_000),
        *pre_roll(0, 5),
        at(5, "play", 0, bitrate=3_000_000),
        at(10, "ping", 5),
        average_bitrate=2000,
    ),
    case(
        "an average is whole, from half up",
        # 1000 for 1 s and 2001 for 1 s: 3001 / 2 = 1500.5, which is 1501.
        start(),
        at(0, "play", bitrate=1_000_000),
        at(1, "ping", 1, bitrate=2_001_000),
        at(2, "ping", 2),
        average_bitrate=1501,
        average_bitrate_bucket="1500-1599",
    ),
    case(
        "each bitrate has the unit that it looks like",
        # 9999 is below 10000 and so kilobits, 10000 is 10 kilobits: (9999 + 10) / 2 = 5004.5, which is 5005.
        start(),
        at(0, "play", bitrate=9999),
        at(1, "ping", 1, bitrate=10_000),
        at(2, "ping", 2),
        average_bitrate=5005,
    ),
]

SEEKS = [
    case(
        "markers that a seek jumps over",
        # Of 100 s: 0-12 viewed, seek to 60, 60-80 viewed. 10 and 75 lie in it, 25 and 50 do not, 95 neither.
        start(),
        at(0, "play"),
        at(12, "pauseStart", 12),
        at(12, "play", 60),
        at(32, "ping", 80),
        progress_10=1,
        progress_25=0,
        progress_50=0,
        progress_75=1,
        progress_95=0,
        unique_time_played=32.0,
    ),
    case(
        "the same way, viewed",
        start(),
        at(0, "play"),
        *(at(second, "ping", second) for second in (20, 40, 60, 80)),
        progress_10=1,
        progress_25=1,
        progress_50=1,
        progress_75=1,
        progress_95=0,
    ),
]
RESUMES = [
    # A seek in the pause keeps the session open: 29 + 2 minutes of pause, which are more than 30.
    case(
        "31 minutes of pause",
        start(),
        *pause_of(29),
        at(10 + 29 * MINUTE, "ping", 50),
        at(10 + 31 * MINUTE, "play", 50),
        content_resumes=1,
        media_starts=1,
    ),
    case("30 minutes of pause", start(), *pause_of(29), at(10 + 30 * MINUTE, "play", 10), content_resumes=0),
    # The session expired after 30 minutes, so that nothing else of what follows counts.
    case(
        "a pause in which the session expired",
        start(),
        *pause_of(32),
        at(10 + 33 * MINUTE, "play", 10),
        at(20 + 33 * MINUTE, "ping", 20),
        content_resumes=1,
        content_time_spent=10.0,
    ),
    case("a pause without an end", start(), *pause_of(33), content_resumes=0),
    case(
        "31 minutes of buffer",
        start(),
        at(0, "bufferStart"),
        *(at(MINUTE * count, "ping") for count in range(1, 31)),
        at(31 * MINUTE, "play"),
        content_resumes=1,
    ),
    case(
        "31 minutes of stall",
        start(),
        at(0, "play"),
        *(at(MINUTE * count, "ping") for count in range(1, 31)),
        at(31 * MINUTE, "ping", 5),
        content_resumes=1,
    ),
    case(
        "a second pauseStart goes on with the pause",
        start(),
        *pause_of(19),
        at(10 + 20 * MINUTE, "pauseStart", 10),
        at(10 + 29 * MINUTE, "ping", 50),
        at(10 + 31 * MINUTE, "play", 50),
        content_resumes=1,
    ),
    case(
        "a play after the end",
        start(),
        *pause_of(5),
        at(10 + 6 * MINUTE, "sessionEnd", 10),
        at(10 + 40 * MINUTE, "play", 10),
        content_resumes=0,
    ),
    case(
        "two pauses of 20 minutes",
        start(),
        *pause_of(20),
        at(10 + 20 * MINUTE, "play", 10),
        at(20 + 20 * MINUTE, "pauseStart", 20),
        *(at(20 + MINUTE * (20 + count), "ping", 20) for count in range(1, 21)),
        at(20 + 40 * MINUTE, "play", 20),
        content_resumes=0,
    ),
]


LAST_CALLS = [
    # Silence after the ping at 20 s: the session closes 10 minutes = 600 s later.
    case("silence", start(), at(0, "play"), at(20, "ping", 20), seconds_since_last_call=600.0),
    # Paused from 10 s on with pings up to 10 + 25 * 60 s; after 30 minutes without movement it closes: 300 s are left.
    case("silence in a long pause", start(), *pause_of(25), seconds_since_last_call=300.0),
    # The pings go on for 33 minutes; it closed with the one at 30 minutes.
    case("a pause in which the session expires", start(), *pause_of(33), seconds_since_last_call=0.0),
    case("a gap in which it expires", start(), at(0, "play"), at(900, "ping", 900), seconds_since_last_call=600.0),
    case("ended", start(), at(0, "play"), at(20, "sessionEnd", 20), seconds_since_last_call=0.0),
    case("completed", start(), at(0, "play"), at(20, "sessionComplete", 20), seconds_since_last_call=0.0),
    case("never closed", start(), assume="timeouts=ignored", seconds_since_last_call=None),
]


@pytest.mark.parametrize("given", [*MIDNIGHT, *BITRATES, *SEEKS, *RESUMES, *LAST_CALLS])
def test_metrics_of_content_come_to_what_was_derived_by_hand(given: Case) -> None:
    check(given)


@pytest.mark.parametrize(("length", "seconds"), [(86400, 10), (86400, 61), (7200, 0.125), (3, 1)])
def test_the_audience_of_a_live_day_is_exact_to_a_millionth(length: float, seconds: float) -> None:
    values = of(start(length=length), at(0, "play"), at(seconds, "ping", seconds))

    # 10 s of a day are 10 / 86400 = 0.000115740740...
    assert values["average_minute_audience"] == pytest.approx(seconds / length, rel=1e-8)


@pytest.mark.parametrize(
    ("delivery", "downloaded"),
    [
        ({"call": Call.DOWNLOADED, "in_array": True}, "true"),
        ({"call": Call.DOWNLOADED, "in_array": False}, "true"),
        ({"call": Call.SESSION, "in_array": True}, "true"),
        ({"call": Call.SESSION, "in_array": False}, None),
    ],
)
def test_what_came_to_downloaded_or_in_an_array_is_downloaded(delivery: dict[str, Any], downloaded: str | None) -> None:
    events = [msgspec.structs.replace(one, **delivery) for one in (start(), at(0, "play"), at(9, "ping", 9))]
    values = calculate(events)

    assert values["media_downloaded"] == downloaded
    # Downloaded content is over when it is sent.
    assert values["seconds_since_last_call"] == (0.0 if downloaded else 600.0)


def hourly(hours: int) -> tuple[Event, ...]:
    """A session that plays for some hours, with a ping a minute."""
    minutes = (at(MINUTE * count, "ping", MINUTE * count) for count in range(1, hours * 60 + 1))
    return start(length=0), at(0, "play"), *minutes


@pytest.mark.parametrize(
    ("timeouts", "hours"), [(Timeouts(), 24), (Timeouts(session_hours=1), 1), (Timeouts(session_hours=48), 25)]
)
def test_nothing_counts_beyond_the_longest_session(timeouts: Timeouts, hours: int) -> None:
    """Pings go on for 25 hours; the one at just the limit is the last that counts."""
    assert calculate(hourly(25), timeouts=timeouts)["content_time_spent"] == hours * 3600


def test_the_first_time_to_start_counts() -> None:
    """500 ms, frozen at the first frame as it should be, are 0.5 s; the 900 ms after it change nothing."""
    values = of(start(), at(0, "play", timeToStart=500), at(1, "ping", 1, timeToStart=900))

    assert values["time_to_start"] == 0.5


def test_a_time_to_start_that_comes_late_counts() -> None:
    assert of(start(), at(0, "play"), at(1, "ping", 1, timeToStart=900))["time_to_start"] == 0.9


def test_a_senseless_timestamp_is_not_unwrapped_with() -> None:
    """Without a clock, 5 to 6 is within the second that playheads may be off; 6 to 9 follows it: 1 + 3 s viewed."""
    values = of(start(**LIVE), event("play", 5, None), event("ping", 6, 10**400), event("ping", 9, START_MS + 4000))

    assert (values["unique_time_played"], values["content_time_spent"]) == (4.0, 4.0)
