"""What of the content was seen: unique time, markers, segments, stalls."""

import pytest

from support.metrics import AD, POD, Case, at, case, check, pre_roll, start

VIEWING = [
    case("a pause is not viewed twice", start(), at(0, "play"), at(5, "pauseStart", 5), unique_time_played=5.0),
    case(
        "a gap between two pieces",
        start(),
        at(0, "play", 0),
        at(10, "pauseStart", 10),
        at(10, "play", 50),
        at(20, "ping", 60),
        unique_time_played=20.0,
        content_time_spent=20.0,
    ),
    case("a playhead left out", start(), at(0, "play"), at(5, "ping", None), at(9, "ping", 9), unique_time_played=9.0),
    case("at double speed", start(), at(0, "play"), at(10, "ping", 20), unique_time_played=20.0),
    case("no length, no audience", start(length=0), at(0, "play"), at(9, "ping", 9), average_minute_audience=None),
    case("no length, no markers", start(length=0), at(0, "play"), at(9, "ping", 9), progress_10=0, progress_95=0),
    case("a length below 0, no markers", start(length=-0.5), at(0, "play"), at(9, "ping", 9), progress_10=0),
    case("the audience", start(), at(0, "play"), at(9, "ping", 9), average_minute_audience=0.09),
    case("just before a marker", start(), at(0, "play"), at(10, "ping", 9.99), progress_10=0),
    case("at a marker", start(), at(0, "play"), at(10, "ping", 10), progress_10=1, progress_25=0),
    case(
        "all markers",
        start(),
        at(0, "play"),
        at(95, "ping", 95),
        progress_10=1,
        progress_25=1,
        progress_50=1,
        progress_75=1,
        progress_95=1,
    ),
    case("no play, no markers", start(), at(10, "ping", 60), progress_10=0, content_segment_views=0),
    case(
        "a marker stays",
        start(),
        at(0, "play", 20),
        at(10, "pauseStart", 30),
        at(10, "play", 0),
        progress_25=1,
        progress_50=0,
    ),
    case(
        "an ad's own playhead sets no marker",
        start(),
        at(0, "play"),
        at(1, "adBreakStart", 1, POD),
        at(1, "adStart", 1, AD),
        at(9, "ping", 80),
        at(9, "adComplete", 90),
        progress_10=0,
    ),
    case("the first segment", start(), at(0, "play"), content_segment="[0-5]", content_segment_views=1),
    case("the third segment", start(), at(0, "play", 601), at(9, "ping", 610), content_segment="[10-15]"),
    case("two segments", start(), at(0, "play", 299), at(9, "ping", 308), content_segment="[0-10]"),
    case("no segment", start(), content_segment=None),
    case(
        "live segments count from the first playhead",
        start(contentType="Live", length=86400),
        at(0, "play", 40_000),
        at(300, "ping", 40_301),
        content_segment="[0-10]",
    ),
]

STALLED = (start(), at(0, "play"), at(10, "ping", 10), at(14, "ping", 10), at(20, "ping", 10), at(25, "ping", 12))
STALLS = [
    case(
        "three equal playheads",
        *STALLED,
        stall_events=1,
        stall_impacted_streams=1,
        total_stalling_duration=10.0,
        content_time_spent=15.0,
    ),
    case(
        "two equal playheads",
        *STALLED[:4],
        stall_events=0,
        stall_impacted_streams=0,
        total_stalling_duration=0.0,
        content_time_spent=14.0,
    ),
    case("one stall goes on", *STALLED[:5], at(30, "ping", 10), stall_events=1, total_stalling_duration=20.0),
    case("a stall ends in a pause", *STALLED[:5], at(20, "pauseStart", 10), at(40, "play", 10), stall_events=1),
    case(
        "a stall is no chapter time",
        *STALLED[:3],
        at(12, "chapterStart", 10),
        *STALLED[3:],
        at(25, "chapterComplete", 12),
        chapter_time_spent=5.0,
        content_time_spent=15.0,
    ),
    case("movement ends a standstill", *STALLED[:4], at(16, "ping", 12), at(20, "ping", 12), stall_events=0),
    case(
        "an ad ends a standstill",
        *STALLED[:4],
        at(14, "adBreakStart", 10, POD),
        at(14, "adStart", 10, AD),
        at(20, "adComplete", 10),
        at(25, "ping", 10),
        stall_events=0,
    ),
    case(
        "a pause ends a standstill",
        *STALLED[:4],
        at(14, "pauseStart", 10),
        at(20, "play", 10),
        at(24, "ping", 10),
        stall_events=0,
    ),
    case(
        "a stall leaves out an earlier standstill",
        *STALLED[:4],
        at(16, "ping", 12),
        at(20, "ping", 12),
        at(24, "ping", 12),
        stall_events=1,
        total_stalling_duration=8.0,
    ),
    case(
        "two stalls",
        *STALLED,
        at(30, "ping", 12),
        at(35, "ping", 12),
        at(40, "ping", 20),
        stall_events=2,
        total_stalling_duration=20.0,
    ),
    case("ads do not stall", start(), *pre_roll(0, 1)[:2], *(at(s, "ping") for s in (2, 4, 6, 8)), stall_events=0),
    case("a pause is no stall", *STALLED[:3], at(10, "pauseStart", 10), *STALLED[3:5], stall_events=0),
]


@pytest.mark.parametrize("given", [*VIEWING, *STALLS])
def test_what_was_seen_is_as_defined(given: Case) -> None:
    check(given)
