"""The meter: starts, ends and time spent, and what it makes of senseless values."""

import pytest

from support.metrics import AD, START_MS, Case, at, case, check, event, of, pre_roll, start, state
from tapehead.metrics.calculator import MetricsCalculator, calculate
from tapehead.protocol.backend_limits import Timeouts
from tapehead.protocol.events import Event

STARTS_AND_ENDS = [
    case("a session start alone", start(), media_starts=1, content_starts=0, drops_before_start=1),
    case("no session start was seen", at(0, "play"), at(5, "ping", 5), media_starts=0, content_starts=1),
    case("a play starts the content", start(), at(1, "play"), content_starts=1, drops_before_start=0),
    case("left in the pre-roll", start(), *pre_roll(0, 9), content_starts=0, drops_before_start=1, ad_starts=1),
    case("a buffer that never ends", start(), at(1, "bufferStart"), at(9, "sessionEnd"), drops_before_start=1),
    case("complete", start(), at(0, "play"), at(9, "sessionComplete", 9), content_completes=1),
    case("ended, not complete", start(), at(0, "play"), at(99, "sessionEnd", 99), content_completes=0),
    case("resumed", start(resume=True), media_starts=0, content_resumes=1),
    case("resumed", start(resume=True), assume="resume=starts", media_starts=1, content_resumes=1),
    case("not resumed", start(resume=False), media_starts=1, content_resumes=0),
    case("authorized", start(pass__auth="TRUE"), authorized=1),
    case("not authorized", start(pass__auth="false"), authorized=0),
    case("downloaded", start(downloaded=True), media_downloaded="true"),
    case("not downloaded", start(downloaded=False), media_downloaded=None),
    case(
        "nothing counts after the end",
        start(),
        at(0, "play"),
        at(5, "sessionEnd", 5),
        at(9, "error", 9),
        at(9, "sessionComplete", 9),
        content_time_spent=5.0,
        error_events=0,
        content_completes=0,
    ),
]

TIME_SPENT = [
    case("before a play", start(), at(9, "ping"), content_time_spent=0.0, media_time_spent=0.0),
    case("playing", start(), at(2, "play"), at(9, "ping", 7), content_time_spent=7.0, media_time_spent=7.0),
    case("the clock counts, not the playhead", start(), at(0, "play"), at(9, "ping", 3), content_time_spent=9.0),
    case(
        "watched twice",
        start(),
        at(0, "play", 0),
        at(60, "pauseStart", 60),
        at(60, "play", 0),
        at(120, "ping", 60),
        content_time_spent=120.0,
        unique_time_played=60.0,
        average_minute_audience=1.2,
    ),
    case(
        "paused, then buffering",
        start(),
        at(0, "play"),
        at(3, "pauseStart", 3),
        at(5, "play", 3),
        at(6, "bufferStart", 4),
        at(9, "play", 4),
        at(10, "ping", 5),
        content_time_spent=5.0,
    ),
    case(
        "a pre-roll ad",
        start(),
        *pre_roll(0, 15),
        at(15, "play"),
        at(20, "ping", 5),
        content_time_spent=5.0,
        ad_time_spent=15.0,
        media_time_spent=20.0,
    ),
    case(
        "a paused ad",
        start(),
        *pre_roll(0, 15)[:2],
        at(4, "pauseStart"),
        at(10, "play"),
        *pre_roll(0, 15)[2:],
        ad_time_spent=9.0,
        total_pause_duration=6.0,
    ),
    case(
        "an ad outside a break is content",
        start(),
        at(0, "play"),
        at(5, "adStart", 5, AD),
        at(9, "adComplete", 9),
        ad_starts=0,
        ad_completes=0,
        ads=[],
        content_time_spent=9.0,
    ),
    case(
        "under half an hour", start(), at(0, "play"), *(at(60 * m, "ping", m) for m in range(30)), estimated_streams=1
    ),
    case("half an hour", start(), at(0, "play"), *(at(60 * m, "ping", m) for m in range(31)), estimated_streams=2),
]


@pytest.mark.parametrize("given", [*STARTS_AND_ENDS, *TIME_SPENT])
def test_starts_ends_and_time_spent_are_as_defined(given: Case) -> None:
    check(given)


@pytest.mark.parametrize(
    "events",
    [
        (start(), event(None, None, None), at(5, "nonsense", -3)),
        (start(length="long", downloaded="yes", resume="no"), at(1, "play", float("nan"), bitrate="fast")),
        (start(length=float("inf")), at(1, "play", float("inf"), droppedFrames=-1, timeToStart=True)),
        (start(length=1e-320), at(1, "play", 1e300), at(5, "ping", 5)),
        (at(1, "adStart"), event("play", 1, 10**400), event("ping", 1, -(10**400))),
        (start(), at(1, "statesUpdate", 0, {"statesStart": "mute", "statesEnd": [1, {}, state("")]})),
        (start(), at(1, "error", 0, {"media.errorId": ["x"], "media.errorSource": {}})),
    ],
)
def test_senseless_values_count_for_nothing(events: tuple[Event, ...]) -> None:
    values = of(*events)

    assert values["average_minute_audience"] in (None, 0.0)
    assert (values["dropped_frames"], values["time_to_start"], values["average_bitrate"]) == (None, None, None)
    assert values["content_time_spent"] in (0.0, 4.0)


def test_half_an_hour_without_movement_ends_the_session() -> None:
    pauses = [at(600 * count, "ping", 5) for count in range(1, 5)]

    assert of(start(), at(0, "play", 5), at(0, "pauseStart", 5), *pauses)["total_pause_duration"] == 1800.0


@pytest.mark.parametrize(
    ("timeouts", "completes"),
    [(Timeouts(), 0), (Timeouts(idle_minutes=20), 1), (Timeouts(20, stalled_minutes=14), 0)],
)
def test_timeouts_are_settings(timeouts: Timeouts, completes: int) -> None:
    events = (start(), at(0, "play", 5), at(1, "pauseStart", 5), at(900, "play", 5), at(910, "sessionComplete", 15))

    assert calculate(events, timeouts=timeouts)["content_completes"] == completes


def test_a_session_whose_start_was_rejected_or_not_recorded_has_none() -> None:
    rejected = event("sessionStart", 0, START_MS, status=400)

    assert of(rejected)["media_starts"] == 0
    assert of(at(1, "adStart", 0, AD), at(5, "adComplete"))["ad_time_spent"] == 4.0


def test_the_duration_and_the_end_of_a_session_are_calculated() -> None:
    meter = MetricsCalculator()
    for one in (start(), at(5, "play"), at(4, "ping"), at(9, "sessionEnd"), at(20, "ping")):
        meter.add(one)

    assert (meter.elapsed_ms, meter.closed) == (9000, True)


def test_the_row_of_an_open_ad_is_dropped_with_its_time() -> None:
    values = of(start(), *pre_roll(0, 9)[:2], at(5, "ping"), assume="open-at-end=dropped")

    assert (values["ad_time_spent"], values["ads"][0]["ad_time_spent"]) == (0.0, 0.0)


def test_a_result_can_be_asked_for_at_any_time() -> None:
    meter = MetricsCalculator()
    asked = []
    for one in (start(), at(0, "play"), at(5, "pauseStart", 5), at(9, "ping", 5), at(10, "play", 5)):
        meter.add(one)
        asked.append((meter.result()["content_time_spent"], meter.result()["total_pause_duration"]))

    assert asked == [(0, 0), (0, 0), (5, 0), (5, 4), (5, 5)]


def test_a_timestamp_that_goes_back_stands_still() -> None:
    values = of(start(), at(10, "play"), at(4, "ping", 2), at(12, "ping", 4))

    assert values["content_time_spent"] == 2.0
