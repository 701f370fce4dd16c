"""Answers that are prepared and kept, and pings searched for in part, are those of the plain way."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any
from unittest.mock import patch

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.exchanges import NOW, Step, event, exchange, index_of, opened, request, response, sent, session, start_with
from tapehead.answers import Answer
from tapehead.protocol.events import EventKey, EventPosition
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import sid_of_location
from tapehead.protocol.schemas import Schemas, build_schema
from tapehead.replay import matching, recorded_answers
from tapehead.replay.matching import EXACT, choose
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.positions import CAP, distance
from tapehead.replay.recorded_session import RecordedCall, RecordedSession
from tapehead.replay.replayer import Replayer
from tapehead.simulator.endpoint import SimulatedEndpoint, Simulator
from tapehead.simulator.faults import parse_fault
from tapehead.simulator.keyed_engine import KeyedEngine

MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
PAGE = "https://page.example"
STEPS: list[Step] = [
    (0, 0, "play", {}),
    *((float(at), at - 1.0, "ping", {}) for at in range(2, 12, 2)),
    (12, 11, "chapterStart", {"media.chapter.index": 1, "media.chapter.offset": 0, "media.chapter.length": 20}),
    (13, 12, "sessionComplete", {}),
]
ELSEWHERE = [("Location", "https://elsewhere.example/x")]
SCHEMA = orjson.dumps(build_schema("play"))
FIRST = [
    *session("abc", STEPS),
    sent("abc", event("ping", 14, 14), 14, response(204, [("Access-Control-Allow-Origin", PAGE), ("Date", "twice")])),
    sent("abc", event("ping", 16, 16), 16, response(200, ELSEWHERE, b"to example.hb-api.omtrdc.net")),
    sent("abc", event("ping", 18, 18), 18, None),
    msgspec.structs.replace(sent("abc", event("ping", 20, 20), 20, None), closed_by="client"),
    sent("abc", event("ping", 22, 22), 22, msgspec.structs.replace(response(204), headers=[])),
    exchange(request(path="/api/v1/sessions/abc/events", method="OPTIONS"), response(200), 30),
    exchange(request(path="/api/v1/schemas/play", method="GET"), response(200, [], SCHEMA), 31),
]  # fmt: skip
SECOND = [
    opened("def", start_with({"media.id": "clip-2"}), 100),
    sent("def", event("play", 0, 0), 101, response(204, [("Timing-Allow-Origin", PAGE)])),
    exchange(request([start_with({"media.downloaded": True})], "/api/v1/downloaded"), response(201), 102),
]


def plain_nearest(
    session: RecordedSession, pings: Sequence[RecordedCall], position: EventPosition, used: set[int]
) -> RecordedCall:
    """Look at every ping within CAP by time or by playhead, as the theory of `matching` says."""

    def is_within(own: float | None, live: float | None) -> bool:
        return own is not None and (live is None or live - CAP <= own <= live + CAP)

    close = [
        (distance(call.position, position), call.line, call.file, call)
        for call in session.calls
        if call.key.event_type == "ping"
        and (is_within(call.position.elapsed, position.elapsed) or is_within(call.position.playhead, position.playhead))
    ]
    if not close:
        return min(pings, key=lambda call: abs((call.position.playhead or 0) - (position.playhead or 0)))
    least = min(close)[0]
    fresh = [near[1:] for near in close if near[0] <= least + EXACT / 2 and near[-1].place not in used]
    return min(fresh)[-1] if fresh else min(close)[-1]


@contextmanager
def plain_way() -> Iterator[None]:
    with (
        patch.object(matching, "_nearest_ping", plain_nearest),
        patch.object(SimulatedEndpoint, "_is_valid", lambda *_: False),
        patch.object(recorded_answers, "LARGEST_KEPT", -1),
    ):
        yield


def chances() -> Callable[[int], bytes]:
    numbers = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


HOSTS = st.sampled_from(
    ["http://localhost:8080", "http://localhost:8080", "https://other.example", "HTTP://Localhost:8080"]
)
KEYS = st.sampled_from(["", "", "", "one", "two"])
ORIGINS = st.sampled_from([None, None, PAGE, "https://another.example", "null"])
SPOTS = st.sampled_from([None, 0, 1, 2.5, 5, 9.75, 14, 16.1, 18, 20, 22, 50, 1000, "5"])
TYPES = st.sampled_from(
    ["ping"] * 6 + ["play", "chapterStart", "sessionComplete", "sessionEnd", "pley", "bufferStart", 7]
)
PARAMS: st.SearchStrategy[object] = st.sampled_from(
    [None, None, {}, {"media.chapter.index": 1}, {"x": 1}, {"media.ad.id": []}, []]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An event's body, now and then a broken one."""
    if not draw(st.integers(0, 9)):
        return draw(st.sampled_from([b"", b"{", b"[]", b"1", b'"ping"', b"null", b"\xff", b"[{}]", b"{}"]))
    at, playhead = draw(SPOTS), draw(SPOTS)
    time = {"playhead": playhead, "ts": round((NOW + at) * 1000) if isinstance(at, (int, float)) else at}
    body: dict[str, Any] = {"eventType": draw(TYPES), "playerTime": {k: v for k, v in time.items() if v is not None}}
    params, metadata = draw(PARAMS), draw(st.sampled_from([None] * 5 + [{"a.b": "c"}, {"my key": "c"}, {"ok": 1}]))
    body |= {} if params is None else {"params": params}
    return orjson.dumps(body | ({} if metadata is None else {"customMetadata": metadata}))


Make = Callable[[str], Request]


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, Make]:
    """A kind of call, and a function that returns its request, given the id of the live session."""
    host, key, origin = draw(HOSTS), draw(KEYS), draw(ORIGINS)
    headers = {"Origin": origin} if origin else {}
    kind = draw(
        st.sampled_from(
            ["start"] * 3 + ["event"] * 12 + ["recorded", "unknown", "preflight", "schema", "array", "other"]
        )
    )
    method, path, body = "POST", "/api/v1/sessions/{}/events", b""
    match kind:
        case "start":
            path = draw(st.sampled_from(["/api/v1/sessions", "/api/v1/sessions/"]))
            body = orjson.dumps(
                start_with({"media.id": draw(st.sampled_from(["clip-1", "clip-1", "clip-2", "clip-3"]))})
            )
        case "event" | "recorded" | "unknown":
            body = draw(bodies())
            path = {"event": path, "recorded": path.format("abc"), "unknown": path.format("ghi")}[kind]
        case "preflight":
            method, headers = "OPTIONS", headers | {"Access-Control-Request-Private-Network": "true"}
        case "schema":
            method, path = "GET", "/api/v1/schemas/play"
        case "array":
            path, body = "/api/v1/downloaded", orjson.dumps([start_with({"media.downloaded": True})])
        case _:
            method, path = (
                draw(st.sampled_from(["GET", "POST"])),
                draw(st.sampled_from(["/", "/api/v1/sessions", "/x?/y"])),
            )
    named = f"/k/{key}" if key else ""

    def make(sid: str) -> Request:
        asked = request(body, path.format(sid), method, **headers)
        return asked.with_url(f"{host}{named}{path.format(sid)}")

    return kind, make


def played(engine: KeyedEngine, sequence: Sequence[tuple[str, Make]]) -> list[tuple[Answer, str]]:
    """Send calls, two within each second, and return the answers with their notes."""
    answers, sid = [], "none"
    for number, (_, make) in enumerate(sequence):
        answer = engine.answer(make(sid), NOW + number / 2)
        answers.append((msgspec.structs.replace(answer, reason=""), answer.note))
        sid = sid_of_location(answer.response.header("Location") if answer.response else None) or sid
    return answers


FAULTS = st.lists(
    st.sampled_from(["event:ping:3=410", "session:2=500", "event:*:/4=cut", "event:play=drop"]), max_size=1
)


@MANY
@given(
    st.lists(calls(), min_size=1, max_size=25), st.sampled_from([OnMiss.SIMULATE, OnMiss.ERROR, OnMiss.FORWARD]), FAULTS
)
def test_the_fast_way_answers_as_the_plain_one(
    sequence: list[tuple[str, Make]], on_miss: OnMiss, faults: list[str]
) -> None:
    def run() -> list[object]:
        told: list[str] = []
        index = index_of(FIRST, SECOND)
        replayer = Replayer(
            index, Schemas(), random_bytes=chances(), on_miss=on_miss, files=("a", "one"), warn=told.append
        )
        engine = KeyedEngine(replayer, list(map(parse_fault, faults)))
        answers = played(engine, sequence)
        counts = replayer.stats.counts
        return [answers, replayer.summary(), counts, told, engine.faults_injected]

    fast = run()
    with plain_way():
        plain = run()
    assert fast == plain


@MANY
@given(st.lists(calls(), min_size=1, max_size=25), st.booleans(), st.booleans())
def test_the_fast_simulation_answers_as_the_plain_one(
    sequence: list[tuple[str, Make]], strict: bool, is_recorded: bool
) -> None:
    schemas = Schemas({"ping": build_schema("ping")} if is_recorded else {})

    def run() -> object:
        return played(KeyedEngine(Simulator(schemas, random_bytes=chances(), strict=strict)), sequence)

    fast = run()
    with plain_way():
        plain = run()
    assert fast == plain


PLACES = st.none() | st.integers(0, 90).map(float) | st.floats(-50, 200, allow_nan=False)
PINGS = st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=30)


def recorded(pings: list[tuple[float | None, float | None]]) -> RecordedSession:
    lines = [exchange(request(event("ping"), "/api/v1/sessions/abc/events"), response(204))] * len(pings)
    session = index_of(lines).sessions[0]
    session.calls[:] = [
        msgspec.structs.replace(call, playhead=place[0], elapsed=place[1], file=call.line % 2, line=call.line // 2)
        for call, place in zip(session.calls, pings, strict=True)
    ]
    return session


@settings(MANY, max_examples=400)
@given(PINGS, PLACES, PLACES, st.sets(st.tuples(st.integers(0, 1), st.integers(0, 15))))
def test_the_nearest_ping_is_that_of_a_look_at_all_of_them(
    pings: list[tuple[float | None, float | None]],
    playhead: float | None,
    elapsed: float | None,
    used: set[tuple[int, int]],
) -> None:
    session = recorded(pings)
    places = {call.place for call in session.calls if (call.file, call.line) in used}
    chosen = partial(choose, session, EventKey("ping"), EventPosition(playhead, elapsed), places, 0)
    fast = chosen()
    with patch.object(matching, "_nearest_ping", plain_nearest):
        assert chosen() == fast


@pytest.mark.parametrize("playhead", [95.0, 1e17])
@pytest.mark.parametrize("places", [[0.0, 10.0, 20.0], [20.0, 10.0, 20.0], [10.0, 10.0], [None, 20.0]])
def test_far_behind_the_recording_the_first_of_the_nearest_pings_is_chosen(
    places: list[float | None], playhead: float
) -> None:
    """Where a number is so large that the distances are equal, that is the first of all."""
    session = recorded([(place, place) for place in places])
    chosen = partial(choose, session, EventKey("ping"), EventPosition(playhead, playhead), set(), 0)
    fast = chosen()
    with patch.object(matching, "_nearest_ping", plain_nearest):
        assert chosen() == fast


def test_within_a_second_an_answer_is_the_same_object_and_then_has_another_date() -> None:
    engine = Replayer(index_of(FIRST), Schemas(), random_bytes=chances())
    sid = sid_of_location(engine.answer(request(start_with({})), NOW).response.header("Location"))  # type: ignore[union-attr]
    answers = [
        engine.answer(request(event("ping", 9, 10), f"/api/v1/sessions/{sid}/events"), NOW + at).response
        for at in (0, 0.9, 1)
    ]
    assert answers[0] is answers[1]
    assert answers[2] is not None
    assert answers[2] != answers[1]
    assert answers[2].header("Date") == "Mon, 23 Nov 2026 02:40:01 GMT"


def test_a_reason_is_put_into_words_when_it_is_shown() -> None:
    engine = Replayer(index_of(FIRST), Schemas(), random_bytes=chances())
    with patch("tapehead.replay.summary.name_call", side_effect=AssertionError):
        answer = engine.answer(request(start_with({})), NOW)
    assert answer.response is not None
    assert answer.note == "line 1 (sessionStart at 0), session"


def test_an_answer_for_one_page_is_not_given_to_another() -> None:
    engine = Replayer(index_of(FIRST), Schemas(), random_bytes=chances())
    sid = sid_of_location(engine.answer(request(start_with({})), NOW).response.header("Location"))  # type: ignore[union-attr]
    path = f"/api/v1/sessions/{sid}/events"
    answers = [
        engine.answer(request(event("ping", 14, 14), path, Origin=page), NOW).response
        for page in (PAGE, "https://another.example", PAGE)
    ]
    allowed = [answer.header("Access-Control-Allow-Origin") for answer in answers if answer]
    assert allowed == [PAGE, "https://another.example", PAGE]
