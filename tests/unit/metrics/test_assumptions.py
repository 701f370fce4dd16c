"""The assumptions: how people set them, and a session that each one decides."""

import re
from typing import Any

import pytest

from support.metrics import AD, POD, START_MS, at, event, of, pre_roll, start, state
from tapehead.metrics.assumptions import ASSUMPTIONS, Assumptions, parse_assumptions
from tapehead.protocol.events import Event

BREAK = (at(10, "adBreakStart", 10, POD), at(10, "adStart", 10, AD))

# Key, the metric that it decides, a session, and the metric's value by each option.
DECIDED: list[tuple[str, str, tuple[Event, ...], dict[str, Any]]] = [
    (
        "error-span",
        "content_time_spent",
        (start(), at(0, "play"), at(5, "error", 5), at(8, "play", 5), at(10, "ping", 7)),
        {"counted": 10.0, "excluded": 7.0},
    ),
    (
        "after-complete",
        "content_time_spent",
        (start(), at(0, "play"), at(5, "sessionComplete", 5), at(8, "ping", 5)),
        {"stopped": 5.0, "counted": 8.0},
    ),
    (
        "open-at-end",
        "total_pause_duration",
        (start(), at(0, "play"), at(5, "pauseStart", 5), at(9, "sessionEnd", 5)),
        {"last-event": 4.0, "dropped": 0.0},
    ),
    (
        "rejected",
        "error_events",
        (
            start(),
            at(0, "error"),
            event("error", 0, START_MS + 1, status=400),
            event("error", 0, START_MS + 2, status=204),
        ),
        {"ignored": 2, "counted": 3},
    ),
    (
        "timeouts",
        "content_time_spent",
        (start(), at(0, "play"), at(600, "ping", 600), at(1201, "ping", 1201)),
        {"applied": 600.0, "ignored": 1201.0},
    ),
    ("resume", "media_starts", (start(resume=True),), {"resumes-only": 0, "starts": 1}),
    (
        "open-break",
        "ad_time_spent",
        (start(), at(0, "play"), *BREAK, at(14, "adComplete", 10), at(24, "ping", 20)),
        {"ignored": 0.0, "counted": 4.0},
    ),
    (
        "before-start",
        "ad_time_spent",
        (start(), *pre_roll(-5, -1)),
        {"ignored": 0.0, "counted": 4.0},
    ),
    (
        "content-play",
        "content_starts",
        (start(), *pre_roll(0, 5)[:2], at(1, "play"), at(5, "adComplete")),
        {"outside-ads": 0, "outside-breaks": 0, "anywhere": 1},
    ),
    (
        "content-play",
        "drops_before_start",
        (start(), *pre_roll(0, 5)[:3], at(5, "play"), at(6, "adStart", 0, AD), at(9, "sessionEnd")),
        {"outside-ads": 0, "outside-breaks": 1, "anywhere": 0},
    ),
    ("ad-without-play", "ad_time_spent", (start(), *pre_roll(0, 5)), {"counted": 5.0, "excluded": 0.0}),
    (
        "ad-while-paused",
        "ad_time_spent",
        (start(), at(0, "play"), at(8, "pauseStart", 8), *BREAK, at(14, "adComplete", 8)),
        {"excluded": 0.0, "counted": 4.0},
    ),
    (
        "break-gap",
        "content_time_spent",
        (start(), at(0, "play"), BREAK[0], at(13, "adStart", 10, AD), at(20, "adComplete", 10)),
        {"content": 13.0, "excluded": 10.0},
    ),
    (
        "pause-until",
        "total_pause_duration",
        (start(), at(1, "pauseStart"), at(3, "bufferStart"), at(6, "play")),
        {"play": 5.0, "any-change": 2.0},
    ),
    (
        "chapter-ads",
        "chapter_time_spent",
        (start(), at(0, "play"), at(5, "chapterStart", 5), *BREAK, at(14, "adComplete", 10)),
        {"excluded": 5.0, "counted": 9.0},
    ),
    (
        "unique-jump",
        "unique_time_played",
        (start(), at(0, "play"), at(10, "ping", 60)),
        {"clock": 10.0, "all": 60.0, "none": 0.0},
    ),
    (
        "marker-jump",
        "progress_25",
        (start(), at(0, "play", 5), at(5, "ping", 60)),
        {"viewed": 0, "passed": 1},
    ),
    (
        "stall-after",
        "stall_events",
        (start(), at(0, "play"), at(5, "ping", 5), at(8, "ping", 5), at(10, "ping", 5)),
        {"3-playheads": 1, "3-repeats": 0},
    ),
    (
        "stall-bursts",
        "stall_events",
        (start(), at(5, "play"), at(5.1, "stateStart", 0, state("mute")), at(5.2, "bitrateChange")),
        {"ignored": 0, "counted": 1},
    ),
    (
        "stall-paused",
        "stall_events",
        (start(), at(0, "play"), at(5, "pauseStart", 5), at(8, "ping", 5), at(10, "ping", 5)),
        {"ignored": 0, "counted": 1},
    ),
    (
        "stall-from",
        "total_stalling_duration",
        (start(), at(0, "play"), at(5, "ping", 5), at(8, "ping", 5), at(10, "ping", 5), at(20, "ping", 5)),
        {"first-event": 15.0, "detection": 10.0},
    ),
    ("bitrate-unit", "average_bitrate", (start(), at(0, "ping", bitrate=5000)), {"auto": 5000, "bps": 5, "kbps": 5000}),
    (
        "bitrate-unit",
        "average_bitrate",
        (start(), at(0, "ping", bitrate=800_000)),
        {"auto": 800, "bps": 800, "kbps": 800_000},
    ),
    (
        "bitrate-weight",
        "average_bitrate_bucket",
        (
            start(),
            at(0, "play", bitrate=1_000_000),
            at(5, "pauseStart", 5),
            at(10, "play", 5, bitrate=2_000_000),
            at(15, "ping", 10),
        ),
        {"played": "1500-1599", "active": "1300-1399"},
    ),
    (
        "time-to-start",
        "time_to_start",
        (start(), at(0, "play", timeToStart=500), at(1, "ping", 1, timeToStart=900)),
        {"first": 0.5, "last": 0.9},
    ),
]


@pytest.mark.parametrize(
    ("setting", "metric", "events", "expected"),
    [
        pytest.param(f"{key}={option}", metric, events, value, id=f"{key}={option} {metric}")
        for key, metric, events, by_option in DECIDED
        for option, value in by_option.items()
    ],
)
def test_an_assumption_decides_a_metric(setting: str, metric: str, events: tuple[Event, ...], expected: object) -> None:
    assert of(*events, assume=setting)[metric] == expected


def test_every_option_of_every_assumption_has_a_case() -> None:
    cases = {(key, option) for key, _, _, by_option in DECIDED for option in by_option}

    assert cases == {(row.key, option) for row in ASSUMPTIONS for option in row.options}


@pytest.mark.parametrize(("key", "metric", "events", "by_option"), DECIDED)
def test_the_default_is_the_first_option(
    key: str, metric: str, events: tuple[Event, ...], by_option: dict[str, Any]
) -> None:
    row = next(row for row in ASSUMPTIONS if row.key == key)

    assert row.default == row.options[0]
    assert of(*events)[metric] == by_option[row.default]


def test_each_assumption_is_explained_and_sourced() -> None:
    for row in ASSUMPTIONS:
        assert row.explanation.endswith(".")
        assert row.source in ("documents silent", "documents disagree")


def test_a_taken_back_stall_is_taken_from_the_chapter_it_was_in() -> None:
    values = of(
        start(),
        at(0, "play"),
        at(0, "chapterStart"),
        at(5, "ping", 5),
        at(8, "chapterComplete", 5),
        at(10, "ping", 5),
    )

    assert (values["chapter_time_spent"], values["total_stalling_duration"]) == (5.0, 5.0)


def test_settings_are_read_in_either_spelling_and_the_last_one_wins() -> None:
    chosen = parse_assumptions(["error_span = excluded", "Error-Span=counted", "resume=starts"])

    assert chosen == Assumptions(resume="starts")


def test_settings_go_on_top_of_others() -> None:
    base = Assumptions(bitrate_unit="kbps")

    assert parse_assumptions(["error-span=excluded"], base) == Assumptions(bitrate_unit="kbps", error_span="excluded")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("error-span", "'error-span' is no assumption; expected KEY=VALUE"),
        ("eror-span=excluded", "there is no assumption 'eror-span'; did you mean error-span?"),
        ("error-span=exclude", "error-span is 'exclude'; expected counted or excluded; did you mean excluded?"),
        ("xyz=1", "there is no assumption 'xyz'"),
        ("", "'' is no assumption"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_nearest_one(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_assumptions([setting])
