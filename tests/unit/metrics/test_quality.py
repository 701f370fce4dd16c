"""What events report of quality: time to start, frames, bitrates, errors."""

import pytest

from support.metrics import Case, at, case, check, start

QUALITY = [
    case("nothing reported", start(), time_to_start=None, dropped_frames=None, average_bitrate=None),
    case("time to start", start(), at(1, "play", timeToStart=1250), time_to_start=1.25),
    case(
        "time to start, again",
        start(),
        at(1, "play", timeToStart=1250),
        at(2, "ping", timeToStart=3000),
        time_to_start=1.25,
    ),
    case(
        "time to start, again",
        start(),
        at(1, "play", timeToStart=1250),
        at(2, "ping", timeToStart=3000),
        assume="time-to-start=last",
        time_to_start=3.0,
    ),
    case("dropped frames", start(), at(1, "ping", droppedFrames=7), dropped_frames=7, dropped_frame_impacted_streams=1),
    case(
        "the last total of dropped frames counts, not the highest",
        start(),
        at(1, "ping", droppedFrames=7),
        at(2, "ping", droppedFrames=0),
        dropped_frames=0,
        dropped_frame_impacted_streams=0,
    ),
    case(
        "quality in params",
        start(),
        at(1, "bitrateChange", 0, {"media.qoe.bitrate": 800_000}),
        average_bitrate=800,
        average_bitrate_bucket="800-899",
    ),
    case("a bitrate on its own is no change", start(), at(1, "ping", bitrate=1), bitrate_changes=0),
    case(
        "no bitrate in a change", start(), at(1, "bitrateChange"), bitrate_changes=1, bitrate_change_impacted_streams=1
    ),
    case(
        "a bitrate weighs as long as it plays",
        start(),
        at(0, "play", bitrate=3_000_000),
        at(8, "bitrateChange", 8, bitrate=4_000_000),
        at(10, "ping", 10),
        average_bitrate=3200,
        average_bitrate_bucket="3200-3299",
    ),
    case("no error", start(), at(1, "play"), error_events=0, error_impacted_streams=0),
    case("one error", start(), at(1, "error", errorID="a"), error_events=1, error_impacted_streams=1),
    case(
        "errors by source",
        start(),
        at(1, "error", errorID="b", errorSource="player"),
        at(2, "error", errorID="a", errorSource="player"),
        at(3, "error", 0, {"media.errorId": 404, "media.errorSource": "external"}),
        at(4, "error", errorID="a", errorSource="player"),
        error_events=4,
        error_impacted_streams=1,
        player_sdk_errors=["a", "b"],
        external_errors=["404"],
    ),
    case("an error without a source", start(), at(1, "error", errorID="x"), error_events=1, player_sdk_errors=[]),
    case("no errors", start(), error_events=0, error_impacted_streams=0),
]


@pytest.mark.parametrize("given", QUALITY)
def test_quality_is_as_defined(given: Case) -> None:
    check(given)
