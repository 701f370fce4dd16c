"""One mistake, one finding: a sound session with a single mistake in it, of each kind and at each of its events."""

from collections.abc import Callable
from typing import Any

import pytest

from support.sessions import rules_of, run
from support.sound_session import SOUND, Body, deliver


def test_the_session_is_sound() -> None:
    assert rules_of(run(deliver(SOUND))) == []


# ---- An event is missing ----

# By the place of the event that is missing; a session without any other of its events is sound, too.
MISSING = {
    0: "unknown-session",
    1: "ad-outside-break",
    2: "ad-not-open",
    4: "ad-overlap",
    5: "ad-not-open",
    6: "ad-left-open",
    7: "ad-break-nested",
    9: "chapter-not-open",
    10: "ping-gap",
    12: "state-not-open",
    13: "ping-gap",
    15: "playhead-paused",
    19: "buffer-not-ended",
    21: "chapter-overlap",
    22: "chapter-not-open",
    24: "ad-outside-break",
    25: "ad-not-open",
    26: "ad-left-open",
    27: "ad-break-left-open",
    30: "chapter-left-open",
}


@pytest.mark.parametrize("place", range(len(SOUND)))
def test_a_missing_event_is_one_finding(place: int) -> None:
    found = rules_of(run(deliver(SOUND[:place] + SOUND[place + 1 :])))
    assert found == ([MISSING[place]] if place in MISSING else [])


# ---- Two events are in the wrong order ----

# Events that are further apart do not come in the wrong order by mistake.
RACE_SECONDS = 2.5
# By the place of the first of two events that changed places.
SWAPPED = {
    1: "ad-outside-break",
    4: "ad-overlap",
    6: "ad-left-open",
    17: "buffer-not-ended",
    18: "buffer-not-ended",
    21: "chapter-overlap",
    24: "ad-outside-break",
    26: "ad-left-open",
    32: "event-after-end",
}


@pytest.mark.parametrize("place", [n for n in range(1, len(SOUND) - 1) if SOUND[n + 1].at - SOUND[n].at < RACE_SECONDS])
def test_two_events_in_the_wrong_order_are_one_finding(place: int) -> None:
    rows = list(SOUND)
    one, other = rows[place], rows[place + 1]
    first, second = other._replace(at=one.at, playhead=one.playhead), one._replace(at=other.at, playhead=other.playhead)
    rows[place : place + 2] = first, second
    found = rules_of(run(deliver(rows)))
    assert found == ([SWAPPED[place]] if place in SWAPPED else [])


# ---- A body has a mistake ----


def with_time(body: Body, **changes: Any) -> Body:
    return body | {"playerTime": body["playerTime"] | changes}


def without_time(body: Body, key: str) -> Body:
    return body | {"playerTime": {name: value for name, value in body["playerTime"].items() if name != key}}


def scaled(body: Body, factor: float) -> Body:
    return with_time(body, ts=int(body["playerTime"]["ts"] * factor))


HOUR_MS = 3_600_000
MISTAKES: dict[str, tuple[Callable[[Body], object], str]] = {
    "ts in seconds": (lambda body: scaled(body, 1 / 1000), "timestamp-unit"),
    "ts in microseconds": (lambda body: scaled(body, 1000), "timestamp-unit"),
    "ts in nanoseconds": (lambda body: scaled(body, 1_000_000), "timestamp-unit"),
    "ts 0": (lambda body: scaled(body, 0), "timestamp-unit"),
    "ts as text": (lambda body: with_time(body, ts=str(body["playerTime"]["ts"])), "wrong-type"),
    "no ts": (lambda body: without_time(body, "ts"), "missing-parameter"),
    "no playhead": (lambda body: without_time(body, "playhead"), "missing-parameter"),
    "playhead as text": (lambda body: with_time(body, playhead=str(body["playerTime"]["playhead"])), "wrong-type"),
    "no playerTime": (lambda body: body | {"playerTime": {}}, "missing-parameter"),
    "ts an hour ahead": (lambda body: with_time(body, ts=body["playerTime"]["ts"] + HOUR_MS), "clock-skew"),
    "ts two minutes ahead": (lambda body: with_time(body, ts=body["playerTime"]["ts"] + 120_000), "clock-skew"),
    "broken JSON": (lambda _: b'{"eventType":', "not-json"),
    "no eventType": (lambda body: {key: body[key] for key in body if key != "eventType"}, "missing-parameter"),
    "a number as eventType": (lambda body: body | {"eventType": 7}, "unknown-event-type"),
    "a misspelled eventType": (lambda body: body | {"eventType": body["eventType"][:-1]}, "unknown-event-type"),
    "an eventType in capitals": (lambda body: body | {"eventType": body["eventType"].upper()}, "unknown-event-type"),
    "a key more": (lambda body: body | {"session": "s1"}, "unknown-parameter"),
}


@pytest.mark.parametrize("place", range(len(SOUND)), ids=lambda place: f"{place}-{SOUND[place].type}")
@pytest.mark.parametrize(("change", "rule"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_one_body_is_one_finding(change: Callable[[Body], object], rule: str, place: int) -> None:
    results = run(deliver(SOUND, lambda index, body: change(body) if index == place else body))
    ((found, event),) = [(each.rule, each.event) for result in results for each in result.findings]
    assert (found, event and event.index) == (rule, place)


@pytest.mark.parametrize("place", range(len(SOUND)), ids=lambda place: f"{place}-{SOUND[place].type}")
def test_a_ts_that_lies_back_is_one_finding(place: int) -> None:
    back = run(deliver(SOUND, lambda i, body: with_time(body, ts=body["playerTime"]["ts"] - (i == place) * HOUR_MS)))
    rules = {0: "clock-skew", 1: "event-before-start"}
    assert rules_of(back) == [rules.get(place, "timestamp-order")]


def test_a_mistake_in_every_body_is_one_finding_where_the_rest_follows_from_it() -> None:
    assert rules_of(run(deliver(SOUND, lambda _, body: scaled(body, 1 / 1000)))) == ["timestamp-unit"]


def test_a_clock_that_was_set_is_believed_from_its_second_event_on() -> None:
    moved = run(deliver(SOUND, lambda i, body: with_time(body, ts=body["playerTime"]["ts"] + (i > 16) * HOUR_MS)))
    assert rules_of(moved) == ["clock-skew", "expired-idle"]


# What players of other APIs call events, and which they mean.
MISNAMED = {
    "contentComplete": 32,
    "stop": 33,
    "resume": 15,
    "bufferComplete": 19,
    "seekComplete": 8,
    "seekStart": 13,
    "adBreakEnd": 27,
    "adEnd": 4,
    "Heartbeat": 11,
}


@pytest.mark.parametrize(("name", "place"), MISNAMED.items())
def test_an_event_by_another_name_is_one_finding_that_says_the_right_one(name: str, place: int) -> None:
    results = run(deliver(SOUND, lambda index, body: body | {"eventType": name} if index == place else body))
    ((rule, message),) = [(each.rule, each.message) for result in results for each in result.findings]
    assert rule == "unknown-event-type"
    assert f'eventType is "{name}", which is not documented; did you mean {SOUND[place].type}?' in message
    assert results[0].steps[place].event.type == name, "the report shows what was sent"


def test_an_event_of_no_known_name_leaves_the_session_as_it_is() -> None:
    results = run(deliver(SOUND, lambda index, body: body | {"eventType": "xyzzy"} if index == 3 else body))
    assert rules_of(results) == ["unknown-event-type"]
