"""Which recorded event answers a live one: in order, nearest, absorbed, or none, and why."""

from typing import Any

import pytest

from support.exchanges import NOW, Step, event, index_of, opened, sent, session, start, start_with
from tapehead.protocol.events import IDENTITY_KEYS, EventKey, EventPosition, first_event, read_event
from tapehead.replay.matching import (
    MOST_NEAR,
    Choice,
    Difference,
    Reason,
    choose,
    likeness,
    near_events,
    near_sessions,
)
from tapehead.replay.positions import distance
from tapehead.replay.recorded_session import RecordedSession
from tapehead.text import MOST_FIELDS

STEPS: list[Step] = [
    (0, 0, "play", {}),  # line 2
    (10, 10, "ping", {}),
    (20, 20, "ping", {}),
    (25, 25, "pauseStart", {}),
    (30, 25, "ping", {}),
    (35, 25, "play", {}),
    (40, 30, "ping", {}),
    (45, 35, "pauseStart", {}),
    (46, 40, "play", {}),
    (60, 54, "sessionComplete", {}),
]
LINES = dict(enumerate(STEPS, start=2))


def _session(steps: list[Step] | None = None) -> RecordedSession:
    return index_of(session("abc", STEPS if steps is None else steps)).sessions[0]


def _choose(
    event_type: str,
    playhead: float | None = None,
    elapsed: float | None = None,
    used: set[int] | None = None,
    reached: int | None = 0,
) -> tuple[int | None, Reason]:
    """The line chosen, and why."""
    choice = choose(_session(), EventKey(event_type), EventPosition(playhead, elapsed), used or set(), reached)
    return (choice.call.line if choice.call else None), choice.reason


def test_the_next_of_its_kind_is_in_order() -> None:
    assert _choose("play", 0, 0) == (2, Reason.IN_ORDER)


def test_the_how_manieth_of_its_kind_counts() -> None:
    assert _choose("play", 25, 35, used={2, 5}, reached=2) == (7, Reason.IN_ORDER)
    assert _choose("play", 40, 46, used={2, 5, 7, 9}, reached=4) == (10, Reason.IN_ORDER)


def test_the_next_in_order_may_come_at_any_speed() -> None:
    assert _choose("pauseStart", 2, 1, used={2}, reached=1) == (5, Reason.IN_ORDER)


def test_an_event_at_anothers_exact_place_belongs_to_it() -> None:
    assert _choose("pauseStart", 35, 45, used={2}, reached=1) == (9, Reason.NEAREST)


@pytest.mark.parametrize("event_type", ["bufferStart", "sessionEnd", "nonsense", ""])
def test_a_kind_that_was_not_recorded_is_no_such_event(event_type: str) -> None:
    assert _choose(event_type, 0, 0) == (None, Reason.NO_SUCH_EVENT)


def test_once_all_of_a_kind_are_used_there_is_none() -> None:
    assert _choose("pauseStart", 35, 45, used={5, 9}, reached=5) == (None, Reason.ALL_USED)


def test_far_behind_in_order_the_nearest_is_taken() -> None:
    steps: list[Step] = [(at, at, name, {}) for at, name in enumerate(["play", "pauseStart"] * 6)]
    choice = choose(_session(steps), EventKey("play"), EventPosition(0, 0), {12}, 11)

    assert choice.reason is Reason.NEAREST
    assert choice.call
    assert choice.call.line == 2


def test_far_from_every_unused_one_is_out_of_place() -> None:
    steps: list[Step] = [(0, 0, "play", {}), *((at, at, "bufferStart", {}) for at in range(1, 9)), (9, 500, "play", {})]
    used, reached = {2}, 1

    assert choose(_session(steps), EventKey("play"), EventPosition(100, 9), used, reached) == Choice(
        None, Reason.OUT_OF_PLACE
    )


@pytest.mark.parametrize(("playhead", "reason"), [(485, Reason.NEAREST), (484.9, Reason.OUT_OF_PLACE)])
def test_out_of_place_is_what_lies_more_than_fifteen_seconds_away(playhead: float, reason: Reason) -> None:
    steps: list[Step] = [(0, 0, "play", {}), *((at, at, "bufferStart", {}) for at in range(1, 9)), (9, 500, "play", {})]

    assert choose(_session(steps), EventKey("play"), EventPosition(playhead, 9), {2}, 1).reason is reason


def test_the_end_of_a_session_is_never_out_of_place() -> None:
    steps: list[Step] = [*((at, at, "bufferStart", {}) for at in range(1, 9)), (900, 900, "sessionComplete", {})]
    choice = choose(_session(steps), EventKey("sessionComplete"), EventPosition(9, 9), set(), 0)

    assert choice.reason is Reason.NEAREST
    assert choice.call
    assert choice.call.line == 10


@pytest.mark.parametrize(("playhead", "elapsed", "line"), [(0, 0, 2), (24, 34, 7), (41, 47, 10), (39.9, None, 10)])
def test_after_a_restart_the_nearest_is_taken(playhead: float, elapsed: float | None, line: int) -> None:
    assert _choose("play", playhead, elapsed, reached=None) == (line, Reason.NEAREST)


@pytest.mark.parametrize(("playhead", "elapsed", "line"), [(11, 11, 3), (19, 20, 4), (25, 31, 6), (54, 58, 8)])
def test_a_ping_gets_the_nearest(playhead: float, elapsed: float, line: int) -> None:
    assert _choose("ping", playhead, elapsed) == (line, Reason.ABSORBED)


def test_a_ping_gets_the_nearest_again_and_again() -> None:
    assert _choose("ping", 10, 10, used={3, 4, 6, 8}, reached=9) == (3, Reason.ABSORBED)


def test_of_pings_in_one_place_the_unused_goes_first() -> None:
    steps: list[Step] = [(10, 10, "ping", {}), (10, 10, "ping", {}), (10, 10, "ping", {})]
    chosen = choose(_session(steps), EventKey("ping"), EventPosition(10, 10), {2}, 0).call

    assert chosen
    assert chosen.line == 3


def test_a_session_without_pings_has_none_to_give() -> None:
    choice = choose(_session(STEPS[:1]), EventKey("ping"), EventPosition(10, 10), set(), 1)

    assert choice == Choice(None, Reason.NO_SUCH_EVENT)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (EventPosition(1, 1), EventPosition(1, 1), 0),
        (EventPosition(1, 1), EventPosition(3, 1), 2),
        (EventPosition(1, 1), EventPosition(1, 5), 1),
        (EventPosition(0, 0), EventPosition(1000, 1000), 37.5),
        (EventPosition(None, None), EventPosition(7, 7), 0),
        (EventPosition(7, None), EventPosition(9, 100), 2),
    ],
)
def test_places_are_apart_in_playhead_then_time(one: EventPosition, other: EventPosition, apart: float) -> None:
    assert distance(one, other) == distance(other, one) == apart


# ---- Names and places ----


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (event("play"), EventKey("play")),
        (event("adStart", params={"media.ad.id": "x", "media.ad.name": "y"}), EventKey("adStart", ("x",))),
        (event("adStart"), EventKey("adStart", (None,))),
        (event("chapterStart", params={"media.chapter.index": 2}), EventKey("chapterStart", (2,))),
        (event("stateStart", params={"media.state.name": "mute"}), EventKey("stateStart", ("mute",))),
        (event("stateEnd", params={"media.state.name": "mute"}), EventKey("stateEnd", ("mute",))),
        (event("adBreakStart", params={"media.ad.podIndex": 1}), EventKey("adBreakStart")),
        (event("statesUpdate", params={"statesStart": [{"media.state.name": "b"}, {"media.state.name": "a"}]}),
         EventKey("statesUpdate", (("a", "b"), ()))),
        (event("statesUpdate", params={"statesStart": 7, "statesEnd": [7]}), EventKey("statesUpdate", ((), ()))),
        ({"eventType": 7}, EventKey("7")),
        ({}, EventKey("")),
        ([], EventKey("")),
        (None, EventKey("")),
    ],
)  # fmt: skip
def test_an_event_is_called_by_type_and_names(body: object, key: EventKey) -> None:
    assert read_event(body).key == key


def test_numbers_name_the_same_however_spelt() -> None:
    keys = {read_event(event("chapterStart", params={"media.chapter.index": index})).key for index in (1, 1.0)}

    assert len(keys) == 1


def test_names_of_any_shape_can_be_compared() -> None:
    names: list[Any] = [{"b": 1, "a": 2}, {"a": 2, "b": 1}, [1], None, True]
    keys = {read_event(event("adStart", params={"media.ad.id": name})).key for name in names}

    assert len(keys) == 4


def test_names_of_any_depth_can_be_compared() -> None:
    deep: object = "x"
    for _ in range(300):
        deep = [deep]

    assert read_event(event("adStart", params={"media.ad.id": deep})).key.event_type == "adStart"
    assert len(first_event(start_with({"media.id": deep})).identity) == len(IDENTITY_KEYS)


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (event("play", 7.5, at=3), EventPosition(7.5, 3)),
        ({"playerTime": {"playhead": True, "ts": "1"}}, EventPosition(None, None)),
        ({"playerTime": {"ts": round(NOW * 1000) - 500}}, EventPosition(None, -0.5)),
        ({"playerTime": 7}, EventPosition(None, None)),
        (None, EventPosition(None, None)),
    ],
)
def test_a_place_is_playhead_and_time_since_the_start(body: object, position: EventPosition) -> None:
    assert read_event(body).position(NOW * 1000) == position


def test_without_a_start_there_is_no_time_since_it() -> None:
    assert read_event(event("play", 7)).position(None) == EventPosition(7, None)


# ---- Sessions ----


def test_a_session_of_other_content_is_not_alike() -> None:
    assert likeness(_session().identity, first_event(start_with({"media.id": "clip-2"})).identity)[0] is False


def test_the_more_is_equal_the_more_alike() -> None:
    same = likeness(_session().identity, first_event(start()).identity)
    other_length = likeness(_session().identity, first_event(start_with({"media.length": 61})).identity)
    other_name = likeness(_session().identity, first_event(start_with({"media.name": "Second clip"})).identity)

    assert same
    assert other_length
    assert other_name
    assert same > other_length > other_name


def test_a_session_that_began_before_the_recording_is_not_alike() -> None:
    index = index_of([sent("abc", event("play"))])

    assert index.sessions[0].start is None
    assert index.by_content == {}


def test_identity_is_that_of_a_downloaded_arrays_start() -> None:
    assert first_event([start(), event("ping")]).identity == first_event(start()).identity
    assert first_event([]).identity == first_event(None).identity == (None,) * len(IDENTITY_KEYS)


# ---- Near misses ----


def test_the_nearest_sessions_say_what_differs() -> None:
    index = index_of([opened("a", start()), opened("b", start_with({"media.id": "clip-2", "media.name": "Second"}))])
    near = near_sessions(index.sessions, first_event(start_with({"media.id": "clip-3"})).identity)

    assert [miss.line for miss in near] == [1, 2]
    assert near[0].differences == (Difference("params.media.id", "clip-1", "clip-3"),)
    assert [each.field for each in near[1].differences] == ["params.media.id", "params.media.name"]


def test_the_nearest_events_are_of_the_same_kind_first() -> None:
    near = near_events(_session(), EventKey("play"), EventPosition(25, 36), {2, 7, 10})

    assert [miss.line for miss in near] == [7, 10, 2]
    assert near[0].differences == (Difference("seconds since the sessionStart", "35", "36"),)
    assert [miss.used for miss in near] == [True, True, True]


def test_near_misses_are_few_and_short() -> None:
    index = index_of([opened(str(number), start_with({"media.name": "x" * 9999})) for number in range(50)])
    near = near_sessions(index.sessions, first_event(start_with({"media.name": "y" * 9999})).identity)
    name = near[0].differences[0]

    assert len(near) == MOST_NEAR
    assert (len(name.recorded), len(name.live)) == (60, 60)


def test_near_events_are_few_and_short() -> None:
    near = near_events(_session(), EventKey("adStart", ("x" * 9999,)), EventPosition(1, 1), set(LINES))

    assert len(near) == MOST_NEAR
    assert all(len(miss.differences) <= MOST_FIELDS for miss in near)
    assert all(len(f"{each}") < 300 for miss in near for each in miss.differences)


# ---- The index ----


def test_interleaved_sessions_are_distinguished() -> None:
    one, other = session("one", STEPS[:3]), session("other", STEPS[:2], began=1)
    index = index_of(sorted([*one, *other], key=lambda each: each.started))

    assert [(each.sid, len(each.calls)) for each in index.sessions] == [("one", 3), ("other", 2)]


def test_events_written_before_their_start_belong_to_it() -> None:
    first, *rest = session("abc", STEPS)

    assert [(each.sid, len(each.calls)) for each in index_of([*rest, first]).sessions] == [("abc", len(STEPS))]


def test_calls_come_in_the_order_of_their_arrival() -> None:
    first, *rest = session("abc", STEPS)
    calls = index_of([first, *reversed(rest)]).sessions[0].calls

    assert [call.key.event_type for call in calls] == [step[2] for step in STEPS]


def test_sessions_with_one_id_keep_their_events() -> None:
    index = index_of([*session("1", STEPS[:3]), *session("1", STEPS[:2], began=100)])

    assert [len(each.calls) for each in index.sessions] == [3, 2]
