"""The table of metrics, and what the documented timelines come to."""

import json
from typing import Any

import pytest

from support.metrics import at, of, of_timeline, start, state
from support.timelines import ABANDON, CHAPTERS
from tapehead.demo.timelines import VIEW_TO_END
from tapehead.metrics.catalog import METRICS, Scope
from tapehead.metrics.xdm_paths import XDM_PATHS

EVERYTHING = of(
    start(),
    at(1, "play"),
    at(2, "stateStart", 1, state("mute")),
    at(3, "chapterStart", 2, {"media.chapter.index": 1}),
    at(4, "adBreakStart", 3),
    at(4, "adStart", 3, {"media.ad.id": "a"}),
)
# Events of one moment are a millisecond apart on the wire, so durations are off by a few of them.
CLOSE = pytest.approx
FEW_MS = 0.01


def near(expected: dict[str, Any]) -> dict[str, Any]:
    return {key: CLOSE(value, abs=FEW_MS) if isinstance(value, float) else value for key, value in expected.items()}


@pytest.mark.parametrize(
    ("scope", "values"),
    [
        ("session", {key: value for key, value in EVERYTHING.items() if key not in ("ads", "chapters", "states")}),
        ("ad", EVERYTHING["ads"][0]),
        ("chapter", EVERYTHING["chapters"][0]),
        ("state", EVERYTHING["states"]["mute"]),
    ],
)
def test_the_table_has_just_what_is_computed(scope: Scope, values: dict[str, Any]) -> None:
    assert list(values) == [metric.key for metric in METRICS if metric.scope == scope]


def test_each_metric_has_a_variable_of_its_own() -> None:
    session = [metric.variable for metric in METRICS if metric.scope == "session" and metric.variable]

    assert len(set(session)) == len(session)
    assert all(variable.startswith("a.media.") for variable in session)
    # No page of the reference names a variable of this one.
    assert [metric.key for metric in METRICS if not metric.variable] == ["seconds_since_last_call"]


@pytest.mark.parametrize(
    ("key", "scope", "path"),
    [
        ("media_starts", "session", "sessionDetails.isViewed"),
        ("content_time_spent", "session", "sessionDetails.timePlayed"),
        ("progress_95", "session", "sessionDetails.hasProgress95"),
        ("seconds_since_last_call", "session", "sessionDetails.secondsSinceLastCall"),
        ("ad_count", "session", "sessionDetails.adCount"),
        ("average_bitrate", "session", "qoeDataDetails.bitrateAverage"),
        ("stall_impacted_streams", "session", "qoeDataDetails.hasStallImpactedStreams"),
        ("ad", "ad", "advertisingDetails.name"),
        ("ad_completes", "ad", "advertisingDetails.isCompleted"),
        ("pod", "ad", "advertisingPodDetails.ID"),
        ("pod_second", "ad", "advertisingPodDetails.offset"),
        ("chapter", "chapter", "chapterDetails.index"),
        ("impacted_streams", "state", "states[].isSet"),
    ],
)
def test_a_metric_has_its_path_in_customer_journey_analytics(key: str, scope: Scope, path: str) -> None:
    (metric,) = (metric for metric in METRICS if (metric.key, metric.scope) == (key, scope))

    assert metric.xdm == f"xdm.mediaReporting.{path}"


def test_every_metric_has_a_path_and_no_two_of_one_scope_share_it() -> None:
    named = [(metric.scope, metric.xdm) for metric in METRICS]

    assert all(path for _, path in named)
    assert len(set(named)) == len(named)
    assert set(XDM_PATHS) == {metric.key for metric in METRICS}


def test_each_metric_is_defined_in_one_sentence_and_has_a_page() -> None:
    for metric in METRICS:
        assert metric.definition.endswith(".")
        assert metric.source.startswith(("metrics/", "dimensions/", "implementation/"))


def test_the_result_is_json() -> None:
    assert json.loads(json.dumps(EVERYTHING, allow_nan=False)) == EVERYTHING


VIEWED_TO_END = {
    "media_starts": 1,
    "content_starts": 1,
    "content_completes": 1,
    "content_resumes": 0,
    "content_time_spent": 45.0,
    "media_time_spent": 75.0,
    "unique_time_played": 45.0,
    "average_minute_audience": 1.0,
    "progress_10": 1,
    "progress_25": 1,
    "progress_50": 1,
    "progress_75": 1,
    "progress_95": 1,
    "content_segment_views": 1,
    "content_segment": "[0-5]",
    "pause_events": 1,
    "paused_impacted_streams": 1,
    "total_pause_duration": 10.0,
    "estimated_streams": 1,
    "authorized": 0,
    "media_downloaded": None,
    "seconds_since_last_call": 0.0,
    "ad_starts": 3,
    "ad_completes": 3,
    "ad_time_spent": 30.0,
    "ad_count": 3,
    "drops_before_start": 0,
    "time_to_start": None,
    "bitrate_changes": 0,
    "bitrate_change_impacted_streams": 0,
    "average_bitrate": None,
    "average_bitrate_bucket": None,
    "dropped_frames": None,
    "dropped_frame_impacted_streams": 0,
    "error_events": 0,
    "error_impacted_streams": 0,
    "player_sdk_errors": [],
    "external_errors": [],
    "buffer_events": 1,
    "buffer_impacted_streams": 1,
    "total_buffer_duration": 3.0,
    "stall_events": 0,
    "stall_impacted_streams": 0,
    "total_stalling_duration": 0.0,
    "states": {},
}
NO_CHAPTERS = {"chapter_starts": 0, "chapter_completes": 0, "chapter_time_spent": 0.0, "chapter_count": 0}
TWO_CHAPTERS = {"chapter_starts": 2, "chapter_completes": 2, "chapter_time_spent": 41.0, "chapter_count": 2}


def without_parts(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in ("ads", "chapters")}


def times(rows: list[dict[str, Any]], name: str) -> list[Any]:
    return [(row[f"{name}_completes"], row[f"{name}_time_spent"]) for row in rows]


def test_timeline_1_comes_to_what_its_page_implies() -> None:
    values = of_timeline(VIEW_TO_END)

    assert without_parts(values) == near(VIEWED_TO_END | NO_CHAPTERS)
    assert times(values["ads"], "ad") == [
        (1, CLOSE(15, abs=FEW_MS)),
        (1, CLOSE(7, abs=FEW_MS)),
        (1, CLOSE(8, abs=FEW_MS)),
    ]
    assert values["chapters"] == []


def test_timeline_3_is_timeline_1_with_chapters() -> None:
    values = of_timeline(CHAPTERS)

    assert without_parts(values) == near(VIEWED_TO_END | TWO_CHAPTERS)
    assert times(values["chapters"], "chapter") == [(1, CLOSE(19, abs=FEW_MS)), (1, CLOSE(22, abs=FEW_MS))]
    assert [row["chapter"] for row in values["chapters"]] == [1, 2]


ABANDONED = {
    "content_starts": 1,
    "content_completes": 0,
    "content_time_spent": 33.0,
    "media_time_spent": 48.0,
    "ad_starts": 2,
    "ad_completes": 1,
    "ad_time_spent": 15.0,
    "progress_50": 1,
    "progress_75": 0,
    "error_events": 1,
    "drops_before_start": 0,
    "average_bitrate": 10,
    "average_bitrate_bucket": "0-99",
    # The page lets the playhead run 8 seconds in 3; the other 5 are taken for a jump.
    "unique_time_played": 28.0,
}


@pytest.mark.parametrize(
    ("assume", "changed"),
    [
        ("", {}),
        ("error-span=excluded", {"content_time_spent": 28.0, "media_time_spent": 43.0}),
        ("unique-jump=all", {"unique_time_played": 33.0}),
        ("bitrate-unit=kbps", {"average_bitrate": 10000, "average_bitrate_bucket": "10000-10099"}),
    ],
)
def test_timeline_2_comes_to_what_its_page_implies(assume: str, changed: dict[str, Any]) -> None:
    values = of_timeline(ABANDON, assume)

    expected = ABANDONED | changed
    assert {key: values[key] for key in expected} == near(expected)
    assert times(values["ads"], "ad") == [(1, CLOSE(12, abs=FEW_MS)), (0, CLOSE(3, abs=FEW_MS))]


@pytest.mark.parametrize(("assume", "ad_time"), [("", 15), ("open-at-end=dropped", 12)])
def test_timeline_2_as_published_ends_in_an_open_ad(assume: str, ad_time: float) -> None:
    closes = ("adSkip", "adBreakComplete")
    published = tuple(step for step in ABANDON if not (step.at == 48 and step.event_type in closes))

    values = of_timeline(published, assume)

    assert values["ad_time_spent"] == CLOSE(ad_time, abs=FEW_MS)
    assert values["media_time_spent"] == CLOSE(33 + ad_time, abs=FEW_MS)
