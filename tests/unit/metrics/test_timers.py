"""Pauses, buffers, ads, chapters and states: how many, how long."""

import pytest

from support.metrics import AD, POD, Case, at, case, check, of, start, state

PAUSES_AND_BUFFERS = [
    case("none", start(), pause_events=0, paused_impacted_streams=0, buffer_events=0, buffer_impacted_streams=0),
    case(
        "two pauses",
        start(),
        at(0, "play"),
        at(1, "pauseStart", 1),
        at(3, "play", 1),
        at(4, "pauseStart", 2),
        at(7, "play", 2),
        pause_events=2,
        paused_impacted_streams=1,
        total_pause_duration=5.0,
    ),
    case(
        "a second pauseStart and pings go on with the pause",
        start(),
        at(0, "pauseStart"),
        at(1, "ping"),
        at(2, "pauseStart"),
        at(5, "play"),
        pause_events=1,
        total_pause_duration=5.0,
    ),
    case(
        "an initial buffer",
        start(),
        at(1, "bufferStart"),
        at(4, "play"),
        buffer_events=1,
        buffer_impacted_streams=1,
        total_buffer_duration=3.0,
    ),
    case(
        "a pause ends a buffer",
        start(),
        at(0, "bufferStart"),
        at(2, "pauseStart"),
        at(5, "play"),
        total_buffer_duration=2.0,
        total_pause_duration=3.0,
    ),
]

PARTS = [
    case(
        "an ad's names and time",
        start(),
        at(0, "play"),
        at(10, "adBreakStart", 10, POD),
        at(10, "adStart", 10, AD),
        at(13, "adComplete", 10),
        ads=[
            {
                "ad": "ad",
                "pod": "1_10",
                "pod_second": 10,
                "pod_position": 1,
                "ad_completes": 1,
                "ad_time_spent": 3.0,
            }
        ],
        ad_count=1,
    ),
    case(
        "skipped, overlapped, and abandoned ads are not complete",
        start(),
        at(0, "adBreakStart", 0, POD),
        at(0, "adStart", 0, AD),
        at(1, "adSkip"),
        at(1, "adStart", 0, AD),
        at(2, "adStart", 0, AD),
        at(3, "adBreakComplete"),
        at(3, "adComplete"),
        ad_starts=3,
        ad_completes=0,
        ad_time_spent=3.0,
        ad_count=3,
    ),
    case(
        "a chapter without its pause",
        start(),
        at(0, "play"),
        at(1, "chapterStart", 1, {"media.chapter.index": 4}),
        at(3, "pauseStart", 3),
        at(5, "play", 3),
        at(6, "chapterComplete", 4),
        at(9, "ping", 7),
        chapters=[{"chapter": 4, "chapter_completes": 1, "chapter_time_spent": 3.0}],
        chapter_starts=1,
        chapter_completes=1,
        chapter_time_spent=3.0,
        chapter_count=1,
    ),
    case(
        "skipped and overlapped chapters are not complete",
        start(),
        at(0, "chapterStart"),
        at(1, "chapterSkip"),
        at(1, "chapterStart"),
        at(2, "chapterStart"),
        chapter_starts=3,
        chapter_completes=0,
    ),
]

STATES = [
    case("no states", start(), states={}),
    case(
        "a state through pause and ad",
        start(),
        at(0, "play"),
        at(1, "stateStart", 1, state("fullScreen")),
        at(3, "pauseStart", 3),
        at(5, "adBreakStart", 3, POD),
        at(7, "stateEnd", 3, state("fullscreen")),
        at(9, "stateStart", 3, state("fullScreen")),
        at(10, "stateEnd", 3, state("fullScreen")),
        states={"fullscreen": {"count": 2, "impacted_streams": 1, "total_duration": 7.0}},
    ),
    case(
        "several at once",
        start(),
        at(1, "statesUpdate", 0, {"statesStart": [state("mute"), state("mine")]}),
        at(3, "statesUpdate", 0, {"statesStart": [state("inFocus")], "statesEnd": [state("mute")]}),
        at(4, "ping"),
        states={
            "mute": {"count": 1, "impacted_streams": 1, "total_duration": 2.0},
            "mine": {"count": 1, "impacted_streams": 1, "total_duration": 3.0},
            "infocus": {"count": 1, "impacted_streams": 1, "total_duration": 1.0},
        },
    ),
    case(
        "a start of an open state counts, its time goes on",
        start(),
        at(1, "stateStart", 0, state("mute")),
        at(3, "stateStart", 0, state("mute")),
        at(4, "stateEnd", 0, state("mute")),
        states={"mute": {"count": 2, "impacted_streams": 1, "total_duration": 3.0}},
    ),
    case("an end without a start", start(), at(1, "stateEnd", 0, state("mute")), states={}),
]


@pytest.mark.parametrize("given", [*PAUSES_AND_BUFFERS, *PARTS, *STATES])
def test_what_begins_and_ends_is_as_defined(given: Case) -> None:
    check(given)


def test_only_ten_different_states_are_kept() -> None:
    started = [at(1, "stateStart", 0, state(f"state{number}")) for number in range(12)]

    assert list(of(start(), *started)["states"]) == [f"state{number}" for number in range(10)]
