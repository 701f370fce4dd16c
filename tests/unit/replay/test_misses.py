"""Recorded errors are replayed, playbacks survive a restart, and misses are reported."""

import re
from secrets import token_bytes
from typing import Any

import pytest

from support.exchanges import (
    AD,
    NOW,
    Player,
    Step,
    event,
    exchange,
    opened,
    request,
    response,
    sent,
    session,
    start,
    start_with,
)
from support.replay import (
    SCHEMAS,
    STEPS,
    marked,
    played_lines,
    player_of,
    reasons_of,
    replay_of,
    replay_summary,
    unused_lines,
)
from tapehead.protocol.routes import CORS_HEADERS
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, mint, read
from tapehead.replay.matching import Reason
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.summary import MOST_MISSES, MOST_SHOWN, summary_lines
from tapehead.simulator.endpoint import Simulator

# ---- Recorded failures ----


@pytest.mark.parametrize(
    ("answered", "status"), [(400, 400), (404, 404), (410, 410), (500, 500), (302, 302), (None, 0)]
)
def test_a_recorded_failure_comes_back_in_its_place(answered: int | None, status: int) -> None:
    pauses = [sent("abc", event("pauseStart", at), at, answered if at == 20 else 204) for at in (10, 20, 30)]
    player = player_of(opened("abc", start()), *pauses)
    player.open()

    assert player.play([(at, at, "pauseStart", {}) for at in (10, 20, 30)]) == [204, status, 204]


def test_a_recorded_failure_of_a_ping_comes_back_in_its_place() -> None:
    pings = [sent("abc", event("ping", at, at), at, 410 if at >= 30 else 204) for at in (10, 20, 30, 40)]
    player = player_of(opened("abc", start()), *pings)
    player.open()

    assert player.play([(at, at, "ping", {}) for at in (10, 20, 30, 40)]) == [204, 204, 410, 410]


def test_a_recorded_id_is_answered_from_its_own_session() -> None:
    player = player_of(*marked("first", STEPS[:1]), sent("late", event("ping", 3), 9, response(404)))
    player.sid = "late"

    assert player.send("ping", 3) == 404
    player.sid = "first"
    assert played_lines(player, STEPS[:1]) == [2]
    assert replay_summary(player).misses == 0


# ---- Restarts ----


def test_a_playback_survives_a_restart() -> None:
    recorded = marked("abc", STEPS)
    player = player_of(*recorded)
    player.open()
    before = played_lines(player, STEPS[:8])
    player.engine = replay_of(recorded, on_miss=OnMiss.ERROR)

    assert before + played_lines(player, STEPS[8:]) == list(range(2, len(STEPS) + 2))


@pytest.mark.parametrize("after", range(len(STEPS)))
def test_a_playback_survives_a_restart_anywhere(after: int) -> None:
    player = player_of()
    player.open()
    player.play(STEPS[:after])
    player.engine = replay_of(session("abc", STEPS), on_miss=OnMiss.ERROR)

    assert player.play(STEPS[after:]) == [204] * (len(STEPS) - after)


def test_after_a_restart_what_lies_far_before_the_first_event_was_played() -> None:
    steps: list[Step] = [(2, 2, "bufferStart", {})]
    steps += [(at, at, "ping" if at % 20 else "pauseStart", {}) for at in range(5, 205, 5)]
    player = player_of(*session("abc", steps), on_miss=OnMiss.ERROR)
    player.open()
    player.engine = replay_of(session("abc", steps), on_miss=OnMiss.ERROR)

    assert player.play([(200, 200, "pauseStart", {}), (200, 200, "bufferStart", {})]) == [204, 502]
    assert reasons_of(player) == [Reason.ALL_USED]


def test_what_is_no_event_is_named_by_its_call() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.call(request({}, "/api/v1/sessions/unknown/events"))

    assert [miss.call for miss in replay_summary(player).missed] == ["event"]


def test_an_id_of_another_recording_is_unknown() -> None:
    player = player_of()
    player.open()
    player.engine = replay_of(session("other", STEPS))

    assert player.send("play") == 404
    assert reasons_of(player) == [Reason.OTHER_RECORDINGS]


def test_an_id_names_its_recorded_session() -> None:
    player = Player(
        replay_of(session("one", STEPS), session("two", [(0, 0, "play", {})], media="clip-2")), media="clip-2"
    )
    said = read(player.open(at=3))

    assert said
    assert said.recorded != NO_RECORDED_SESSION
    assert said.started_ts == round((NOW + 3) * 1000)


# ---- Misses ----


def test_by_default_a_miss_is_simulated() -> None:
    player = player_of()
    player.open()

    assert [player.send("bufferStart"), player.send("pause")] == [204, 400]
    assert [miss.answered for miss in replay_summary(player).missed] == ["simulated"] * 2


def test_unknown_content_is_simulated_as_a_session_of_its_own() -> None:
    player = player_of()
    player.media = "clip-9"
    player.open()

    assert [player.send("play"), player.send("sessionEnd"), player.send("ping")] == [204, 204, 410]
    assert set(reasons_of(player)) == {Reason.NO_SUCH_SESSION}


def test_a_simulated_end_of_a_playback_ends_it() -> None:
    player = player_of()
    player.open()

    assert [player.send("sessionEnd"), player.send("bufferStart")] == [204, 410]


def test_a_playback_that_was_idle_is_closed_for_what_was_not_recorded() -> None:
    player = player_of()
    player.open()

    assert player.send("bufferStart", 5, at=660) == 410


def test_an_unknown_id_is_a_miss_with_404() -> None:
    player = player_of()
    player.sid = "nobody"

    assert player.send("play") == 404
    assert reasons_of(player) == [Reason.UNKNOWN_SID]


def test_an_error_on_a_miss_names_reason_and_nearest() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.open()

    assert player.send("chapterSkip", 12.5, 40) == 502
    answer = player.told()
    assert answer["message"] == (
        "tapehead has no recorded answer to chapterSkip at 12.5: the recorded session has no such event"
    )
    assert answer["reason"] == "no-such-event"
    assert re.match(r"recording 0:9 .*\bping\b.*\bchapterSkip\b.*\b10\b.*\b12\.5\b", answer["nearest"][0])
    assert len(answer["nearest"]) == 3


def test_an_error_on_unknown_content_names_what_differs() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.call(request(start_with({"media.id": "clip-9"})))

    assert player.told()["reason"] == "no-such-session"
    assert re.match(r"recording 0:1 .*media\.id\b.*\bclip-1\b.*\bclip-9\b", player.told()["nearest"][0])


def test_an_error_carries_cors_headers_for_browsers() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.call(request(start_with({"media.id": "clip-9"})))

    assert player.answer.response
    assert set(CORS_HEADERS) <= set(player.answer.response.headers)


def test_forward_sends_new_sessions_on() -> None:
    player = player_of(on_miss=OnMiss.FORWARD)
    player.call(request(start_with({"media.id": "clip-9"})))
    new = player.answer
    player.sid = "issued-upstream"
    player.send("play")

    assert (new.forward, new.response, player.answer.forward) == (True, None, True)
    assert [(miss.call, miss.answered) for miss in replay_summary(player).missed] == [
        ("sessionStart of clip-9", "forwarded"),
        ("play at 0", "forwarded"),
    ]


def test_forward_keeps_what_the_upstream_cannot_know() -> None:
    player = player_of(on_miss=OnMiss.FORWARD)
    player.open()

    assert player.send("bufferStart") == 204
    assert player.answer.forward is False
    assert [miss.answered for miss in replay_summary(player).missed] == [
        "simulated, since the endpoint does not know this session"
    ]


def test_two_hundred_misses_give_a_bounded_summary() -> None:
    player = player_of()
    player.open()
    for number in range(MOST_MISSES + 50):
        player.send("adStart", number, number, AD | {"media.ad.id": "x" * 500 + str(number)})
    lines = list(summary_lines(replay_summary(player), ["a.jsonl"]))

    assert lines[0].startswith(f"played 1 session: 1 hit, {MOST_MISSES + 50} misses, 14 recorded exchanges unused")
    assert f"  ... and {MOST_MISSES + 50 - MOST_SHOWN} more misses" in lines
    assert len(replay_summary(player).missed) == MOST_MISSES
    assert len(lines) < 150


def test_a_miss_is_named_in_a_line() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.open()
    player.send("adStart", 0, 0, AD | {"media.ad.id": "x" * 9999 + "\n"})

    assert len(player.told()["message"]) < 300
    assert "\n" not in player.told()["message"]


def test_unused_exchanges_are_reported() -> None:
    player = player_of()
    player.open()
    player.play(STEPS[:12])
    lines = list(summary_lines(replay_summary(player), ["a.jsonl"]))

    assert unused_lines(player) == [14, 15]
    assert lines == [
        "played 1 session: 13 hits, 0 misses, 2 recorded exchanges unused",
        "  unused: a.jsonl:14-15 2 exchanges, from ping at 30 to sessionComplete at 55",
    ]


def test_a_hit_explains_its_choice() -> None:
    player = player_of()
    player.open()
    opening = player.answer.note
    player.send("adStart", 0, 0, AD)

    assert opening == "line 1 (sessionStart at 0), session"
    assert player.answer.note == "line 3 (adStart ad-1 at 0), in-order"


# ---- The other calls ----


@pytest.mark.parametrize("on_miss", OnMiss)
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/sessions/abc/events", "/api/v1/downloaded"])
def test_a_preflight_is_never_a_miss(path: str, on_miss: OnMiss) -> None:
    player = player_of(on_miss=on_miss)

    assert player.call(request(b"", path, "OPTIONS")) == 200
    assert replay_summary(player).misses == 0
    assert player.answer.response
    assert set(CORS_HEADERS) <= set(player.answer.response.headers)


def test_recorded_preflights_come_back_any_number_of_times() -> None:
    asked = request(b"", "/api/v1/sessions", "OPTIONS")
    answers = [exchange(asked, response(200, [("X-Line", str(line))]), line) for line in (1, 2)]
    player = player_of(*answers)

    assert [(player.call(asked), player.header("X-Line")) for _ in range(3)] == [(200, "1"), (200, "2"), (200, "2")]
    assert unused_lines(player) == []


def test_recorded_schemas_are_served_and_others_simulated() -> None:
    asked = request(b"", "/api/v1/schemas/ping", "GET")
    player = player_of(exchange(asked, response(200, [], b'{"type": "object"}')))

    assert (player.call(asked), player.told()) == (200, {"type": "object"})
    assert player.call(request(b"", "/api/v1/schemas/play", "GET")) == 200
    assert reasons_of(player) == [Reason.NOT_RECORDED]


def test_downloaded_content_is_answered_by_its_identity() -> None:
    bodies = [[start_with({"media.id": media})] for media in ("clip-1", "clip-2", "clip-3")]
    path = "/api/v1/downloaded"
    player = player_of(
        exchange(request(bodies[0], path), response(400)), exchange(request(bodies[1], path), response(201))
    )

    assert [player.call(request(body, path)) for body in bodies] == [400, 201, 201]
    assert reasons_of(player) == [Reason.NOT_RECORDED]


def test_an_array_of_downloaded_content_is_no_live_session() -> None:
    array = [start_with({"media.downloaded": True}), event("ping")]
    player = player_of(exchange(request(array), response(201)), opened("abc", start(), 1))

    assert [bool(player.open()), bool(player.open())] == [True, True]
    assert player.call(request(array)) == 201
    assert player.header("Location") is None


@pytest.mark.parametrize(
    "asked", [request(b"", "/nowhere", "GET"), request(b"", method="PUT"), request(b"", method="HEAD")]
)
def test_what_is_no_collection_call_is_answered_as_documented(asked: Any) -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    simulated = Player(Simulator(SCHEMAS, random_bytes=token_bytes))

    assert player.call(asked) == simulated.call(asked) in (404, 405)
    assert replay_summary(player).misses == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/sessions"), ("GET", "/api/v1/sessions/abc/events"), ("POST", "/api/v1/schemas/ping")],
)
def test_a_wrong_method_is_answered_with_405(method: str, path: str) -> None:
    player = player_of(exchange(request(b"", "/api/v1/schemas/ping", "GET"), response(200)), on_miss=OnMiss.ERROR)

    assert player.call(request(b"", path, method)) == 405
    assert replay_summary(player).misses == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b"null", b'{"eventType":["a"]}', b'{"params":7}'])
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/downloaded", "events"])
def test_any_body_gets_an_answer(body: bytes, path: str) -> None:
    player = player_of()
    sid = player.open()

    assert player.call(request(body, f"/api/v1/sessions/{sid}/events" if path == "events" else path)) == 400


def test_ids_from_elsewhere_find_no_playback() -> None:
    player = player_of()
    player.sid = mint(NO_RECORDED_SESSION, 0, token_bytes(CHANCE_BYTES))

    assert player.send("play") == 204
    assert reasons_of(player) == [Reason.NO_SUCH_SESSION]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_page_may_call_a_private_address_if_its_browser_asks(recorded: bool) -> None:
    known = [exchange(request(b"", method="OPTIONS"), response(200))] if recorded else []
    player = player_of(*known)
    name = "Access-Control-Allow-Private-Network"

    assert player.call(request(b"", method="OPTIONS", Access_Control_Request_Private_Network="true")) == 200
    assert player.header(name) == "true"
    assert player.call(request(b"", method="OPTIONS")) == 200
    assert player.header(name) is None
