"""What holds for the metrics of any row of events, however senseless."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support.metrics import START_MS, event, of
from support.played_sessions import played_events
from tapehead.metrics.assumptions import ASSUMPTIONS
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
NAMES = st.sampled_from(["mute", "fullScreen", "mine"])
STATES = st.lists(st.builds(lambda name: {"media.state.name": name}, NAMES), max_size=3)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "media.length": st.one_of(st.floats(0, 1e6), JUNK),
        "media.state.name": st.one_of(NAMES, JUNK),
        "media.contentType": st.one_of(st.sampled_from(["vod", "Live"]), JUNK),
        "media.resume": JUNK,
        "media.ad.podSecond": JUNK,
        "media.errorId": JUNK,
        "media.errorSource": st.one_of(st.sampled_from(["player", "external"]), JUNK),
        "statesStart": st.one_of(STATES, JUNK),
        "statesEnd": st.one_of(STATES, JUNK),
    },
)
QUALITY = st.fixed_dictionaries(
    {},
    optional={
        f"media.qoe.{key}": st.one_of(st.integers(0, 10**7), JUNK)
        for key in ("bitrate", "droppedFrames", "timeToStart")
    },
)
SANE_TS = st.integers(START_MS, START_MS + 3_000_000)
EVENTS = st.builds(
    event,
    st.one_of(st.sampled_from(list(EVENT_TYPES)), st.none(), st.text(max_size=4)),
    st.one_of(st.none(), st.floats(0, 100), st.integers(0, 5), st.floats(allow_nan=False, allow_infinity=False)),
    st.one_of(SANE_TS, SANE_TS, SANE_TS, st.none(), st.integers()),
    params=PARAMS,
    quality=QUALITY,
)
SESSIONS = st.lists(EVENTS, max_size=40)
# As honest players send them, with a few accidents.
PLAYED = played_events()
SETTINGS = st.tuples(*(st.sampled_from([f"{row.key}={option}" for option in row.options]) for row in ASSUMPTIONS))
# No metric of time is more than the time from the earliest event to the latest, in whichever order they came.
ROUNDING = 0.001


def span_of(events: list[Event]) -> float:
    stamps = [one.ts for one in events if one.ts is not None and abs(one.ts) <= 2**53]
    return (max(stamps) - min(stamps)) / 1000 if stamps else 0.0


def numbers_in(values: Any) -> list[float]:
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return [number for value in values for number in numbers_in(value)]
    return [values] if isinstance(values, int | float) else []


TIMES = (
    "content_time_spent",
    "ad_time_spent",
    "chapter_time_spent",
    "total_pause_duration",
    "total_buffer_duration",
    "total_stalling_duration",
    "unique_time_played",
)


def test_most_played_sessions_have_every_time_and_a_state() -> None:
    """Else the properties below would compare nothing with nothing."""
    found: list[set[str]] = []

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(PLAYED)
    def measure(events: list[Event]) -> None:
        values = of(*events)
        states = [name for name, state in values["states"].items() if state["total_duration"] > 0]
        found.append({key for key in TIMES if values[key] > 0} | ({"states"} if states else set()))

    measure()
    shares = {key: sum(key in each for each in found) / len(found) for key in (*TIMES, "states")}
    assert len(found) >= 100
    assert all(share > 0.5 for share in shares.values()), shares


@given(st.one_of(PLAYED, SESSIONS), SETTINGS)
def test_any_events_come_to_plain_values_none_of_them_negative(events: list[Event], chosen: tuple[str, ...]) -> None:
    values = of(*events, assume=" ".join(chosen))

    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert all(number >= 0 for number in numbers_in(values))


@given(st.one_of(PLAYED, SESSIONS), SETTINGS)
def test_times_are_within_one_another(events: list[Event], chosen: tuple[str, ...]) -> None:
    values = of(*events, assume=" ".join(chosen))

    content, media, longest = values["content_time_spent"], values["media_time_spent"], span_of(events) + ROUNDING
    assert content <= media <= longest
    assert values["ad_time_spent"] <= media - content + ROUNDING
    for key in ("total_pause_duration", "total_buffer_duration", "total_stalling_duration", "chapter_time_spent"):
        assert values[key] <= longest
    assert all(state["total_duration"] <= longest for state in values["states"].values())


@given(st.one_of(PLAYED, SESSIONS))
def test_chapter_time_is_within_content_time(events: list[Event]) -> None:
    values = of(*events)

    assert values["chapter_time_spent"] <= values["content_time_spent"]
    assert values["content_time_spent"] + values["total_buffer_duration"] + values["ad_time_spent"] <= (
        span_of(events) + 3 * ROUNDING
    )


@given(st.one_of(PLAYED, SESSIONS), SETTINGS)
def test_no_more_is_viewed_than_the_playheads_span(events: list[Event], chosen: tuple[str, ...]) -> None:
    values = of(*events, assume=" ".join(chosen))

    seen = [one.playhead for one in events if one.playhead is not None and 0 <= one.playhead <= 2**53]
    assert values["unique_time_played"] <= (max(seen) - min(seen) if seen else 0) + ROUNDING


@given(PLAYED, SETTINGS, st.integers(-(10**9), 10**9))
def test_a_session_that_is_played_at_another_time_has_the_same_times(
    events: list[Event], chosen: tuple[str, ...], later_ms: int
) -> None:
    moved = [msgspec.structs.replace(one, ts=one.ts and one.ts + later_ms) for one in events]

    assert of(*moved, assume=" ".join(chosen)) == of(*events, assume=" ".join(chosen))


@given(st.one_of(PLAYED, SESSIONS))
def test_flags_are_0_or_1(events: list[Event]) -> None:
    values = of(*events)

    flags = [metric.key for metric in METRICS if metric.unit == "flag" and metric.scope == "session"]
    assert {values[key] for key in flags} <= {0, 1}
