"""The recorded endpoint answers as it did, in its place, and tells what it does not have."""

import re
from typing import Any

import orjson
import pytest

from tapehead.api import CORS_HEADERS, location_of
from tapehead.exchange import Exchange, Headers
from tapehead.ledger import MOST_MISSES, MOST_SHOWN, Summary, summary_lines
from tapehead.matching import Reason
from tapehead.replay import OnMiss, Replay
from tapehead.schemas import Schemas
from tapehead.sid import NO_RECORDED_SESSION, mint, read
from tapehead.simulate import Simulation
from tapes import (
    AD,
    BREAK,
    NOW,
    START,
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
    tape_of,
)

STEPS: list[Step] = [
    (0, 0, "adBreakStart", BREAK),
    (0, 0, "adStart", AD),
    (15, 0, "adComplete", {}),
    (15, 0, "adStart", AD | {"media.ad.id": "ad-2"}),
    (30, 0, "adComplete", {}),
    (30, 0, "adBreakComplete", {}),
    (30, 0, "play", {}),
    (40, 10, "ping", {}),
    (50, 20, "ping", {}),
    (55, 25, "pauseStart", {}),
    (60, 25, "ping", {}),
    (65, 25, "play", {}),
    (70, 30, "ping", {}),
    (95, 55, "sessionComplete", {}),
]
SCHEMAS = Schemas()


def _replay(*recordings: list[Exchange], on_miss: OnMiss = OnMiss.SIMULATE) -> Replay:
    return Replay(tape_of(*recordings), SCHEMAS, on_miss=on_miss)


def _player(*exchanges: Exchange, on_miss: OnMiss = OnMiss.SIMULATE) -> Player:
    """A player of a replay of these exchanges; of the session of STEPS, if there are none."""
    return Player(_replay(list(exchanges) or session("abc", STEPS), on_miss=on_miss))


def _summary(player: Player) -> Summary:
    assert isinstance(player.engine, Replay)
    return player.engine.summary()


def _lines(player: Player) -> list[int]:
    """The recorded lines that nobody asked for."""
    return [unused.line for unused in _summary(player).unused]


def _reasons(player: Player) -> list[Reason]:
    return [miss.reason for miss in _summary(player).missed]


def _marked(sid: str, steps: list[Step]) -> list[Exchange]:
    """A recorded session whose every answer says its line."""
    first, *rest = session(sid, steps)
    return [first, *(sent(sid, orjson.loads(each.request.content()), at, response(204, [("X-Line", str(line))]))
                     for line, (each, (at, *_)) in enumerate(zip(rest, steps, strict=True), start=2))]  # fmt: skip


def _played(player: Player, steps: list[Step]) -> list[int]:
    """The recorded lines that answer events, 0 for none."""
    lines = []
    for at, playhead, event_type, params in steps:
        player.send(event_type, playhead, at, params or None)
        lines.append(int(player.header("X-Line") or 0))
    return lines


# ---- A playback ----


def test_the_same_player_gets_the_same_answers() -> None:
    player = _player()
    player.open()

    assert player.play(STEPS) == [204] * len(STEPS)
    assert _summary(player) == Summary(1, len(STEPS) + 1, 0, [], [])


def test_every_playback_has_a_fresh_id() -> None:
    player = _player()
    sids = {player.open() for _ in range(10)}

    assert len(sids) == 10
    assert "abc" not in sids
    assert all(re.fullmatch(r"[0-9a-f]{64}", sid) for sid in sids)


@pytest.mark.parametrize("location", ["/api/v1/sessions/abc", "https://x.example.com/va/api/v1/sessions/abc/"])
def test_a_location_keeps_its_form(location: str) -> None:
    player = _player(exchange(request(start()), response(201, [("location", location)])))
    sid = player.open()

    assert player.header("Location") == location.replace("abc", sid)


@pytest.mark.parametrize("sid", ["1", "v1", "s", "api", "session"])
def test_a_short_id_is_replaced_only_as_the_id(sid: str) -> None:
    player = _player(opened(sid, start()))
    player.open()

    assert re.fullmatch(r"/api/v1/sessions/[0-9a-f]{64}", player.header("Location") or "")


def test_recorded_headers_and_bodies_come_back() -> None:
    odd: Headers = [("X-Odd", "\xff"), ("x-odd", "again"), ("Content-Type", "text/html")]
    player = _player(opened("abc", start()), sent("abc", event("play"), 1, response(400, odd, b"<p>\xff</p>")))
    player.open()

    assert player.send("play") == 400
    assert player.answer.response
    assert player.answer.response.content() == b"<p>\xff</p>"
    assert player.answer.response.headers[1:] == [*odd, *CORS_HEADERS]


def test_only_the_date_is_renewed() -> None:
    player = _player()
    player.open()

    assert player.header("Date") == "Mon, 23 Nov 2026 02:40:00 GMT"


def test_playbacks_at_once_do_not_collide() -> None:
    player = _player(*_marked("abc", STEPS))
    sids = [player.open() for _ in range(3)]
    lines: list[list[int]] = [[], [], []]
    for step in STEPS:
        for number, player.sid in enumerate(sids):
            lines[number] += _played(player, [step])

    assert lines == [list(range(2, len(STEPS) + 2))] * 3


# What changes from run to run, and what is spelt in other ways.
CHANGES: dict[str, dict[str, object]] = {
    "visitor": {"visitor.marketingCloudUserId": "9" * 38, "analytics.visitorId": "x", "appInstallationId": "y"},
    "SDK version": {"media.sdkVersion": "9.9", "media.libraryVersion": "js-9"},
    "account": {"analytics.reportSuite": "other", "analytics.trackingServer": "other.example.com"},
    "spelling of numbers": {"media.length": 60.0},
    "order of keys": dict(reversed(START.items())),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_from_run_to_run_is_not_compared(what: str) -> None:
    player = _player(opened("abc", start()), on_miss=OnMiss.ERROR)

    assert (
        player.call(request(start(at=9e6, params=START | CHANGES[what], qoeData={}, customMetadata={"a": "b"}))) == 201
    )


def test_the_order_of_keys_does_not_matter() -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.open()
    body = event("adStart", params={key: AD[key] for key in reversed(AD)}, qoeData={"media.qoe.bitrate": 1e5})
    turned = dict(reversed(body.items()))

    assert player.call(request(turned, f"/api/v1/sessions/{player.sid}/events")) == 204


# ---- Which session ----


def _which(player: Player, **params: object) -> str:
    """The recorded session that a live one follows, by a header of its first answer."""
    player.call(request(start_with(params)))
    return player.header("X-Session") or "none"


def _starts(*params: dict[str, object]) -> list[Exchange]:
    return [
        exchange(
            request(start_with(each)), response(201, [("Location", location_of(f"id-{name}")), ("X-Session", name)])
        )
        for name, each in zip("abcdef", params, strict=False)
    ]


def test_equals_take_turns_then_round_again() -> None:
    player = _player(*_starts({}, {}, {}))

    assert [_which(player) for _ in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]


def test_equals_of_several_recordings_take_turns_too() -> None:
    player = Player(_replay(_starts({}), _starts({"media.id": "x"}, {})))

    assert [_which(player) for _ in range(4)] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("params", "which"),
    [
        ({}, "a"),
        ({"media.id": "clip-2"}, "b"),
        ({"media.id": "clip-2", "media.name": "Other"}, "c"),
        ({"media.id": "clip-2", "media.length": 999}, "b"),
        ({"media.id": "clip-2", "media.playerName": "new"}, "b"),
        ({"media.id": "clip-3"}, "none"),
        ({"media.id": 1}, "none"),
        ({"media.id": None}, "none"),
    ],
)
def test_the_session_that_fits_best_is_followed(params: dict[str, Any], which: str) -> None:
    player = _player(*_starts({}, {"media.id": "clip-2"}, {"media.id": "clip-2", "media.name": "Other"}))

    assert _which(player, **params) == which


def test_failed_tries_come_back_in_turn() -> None:
    tries = [exchange(request(start()), answer, at) for at, answer in enumerate([response(500), None, response(400)])]
    player = _player(*tries, opened("abc", start(), 5), sent("abc", event("play"), 6))

    assert [player.call(request(start())) for _ in range(5)] == [500, 0, 400, 201, 500]
    assert _summary(player).playbacks == 1


# ---- Which event ----


def test_events_are_answered_line_by_line() -> None:
    player = _player(*_marked("abc", STEPS))
    player.open()

    assert _played(player, STEPS) == list(range(2, len(STEPS) + 2))


@pytest.mark.parametrize(
    "speed",
    [
        0.001,
        0.5,
        3,
        60,
    ],
)
def test_events_are_answered_line_by_line_at_any_speed(speed: float) -> None:
    player = _player(*_marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    steps = [(at / speed, playhead, event_type, params) for at, playhead, event_type, params in STEPS]

    assert _played(player, steps) == list(range(2, len(STEPS) + 2))


def test_calls_in_flight_may_overtake_each_other() -> None:
    player = _player(*_marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    numbers = [1, 0, 3, 2, 5, 4, 6, 8, 7, 10, 9, 12, 11, 13]

    assert _played(player, [STEPS[number] for number in numbers]) == [number + 2 for number in numbers]


def test_an_event_is_named_by_what_it_is_about() -> None:
    player = _player(*_marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    ads = [AD | {"media.ad.id": name} for name in ("ad-2", "ad-1", "ad-3")]
    steps: list[Step] = [(0, 0, "adStart", ad) for ad in ads]

    assert _played(player, steps) == [5, 3, 0]
    assert _reasons(player) == [Reason.NO_SUCH_EVENT]


@pytest.mark.parametrize("every", [5, 20, 40])
def test_pings_come_in_any_number(every: int) -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.open()
    others = [step for step in STEPS if step[2] != "ping"]
    pings: list[Step] = [(30 + second, second, "ping", {}) for second in range(0, 55, every)]

    assert set(player.play(sorted([*others, *pings], key=lambda step: step[0]))) == {204}


def test_a_ping_misses_only_where_there_is_none() -> None:
    player = _player(*session("abc", [(0, 0, "play", {})]))
    player.open()

    assert player.play([(10, 10, "ping", {})]) == [204]
    assert _reasons(player) == [Reason.NO_SUCH_EVENT]


def test_a_seek_misses_nothing_but_itself() -> None:
    player = _player(*_marked("abc", STEPS))
    player.open()
    seek: list[Step] = [(45, 15, "pauseStart", {}), (45.1, 40, "play", {})]
    later: list[Step] = [(at, playhead + 25, *rest) for at, playhead, *rest in STEPS[8:]]  # type: ignore[misc]
    player.play([*STEPS[:8], *seek, *later])

    assert player.header("X-Line") == "15"
    assert _summary(player).misses == 2


def test_an_extra_pause_leaves_the_rest_in_order() -> None:
    player = _player(*_marked("abc", STEPS))
    player.open()
    pause: list[Step] = [(85, 45, "pauseStart", {}), (87, 45, "play", {})]
    lines = _played(player, [*STEPS[:-1], *pause, STEPS[-1]])

    assert lines == [*range(2, 15), 0, 0, 15]
    assert _reasons(player) == [Reason.ALL_USED, Reason.ALL_USED]


def test_a_skipped_ad_leaves_the_rest_in_order() -> None:
    player = _player(*_marked("abc", STEPS))
    player.open()
    without = STEPS[:3] + STEPS[5:]

    assert _played(player, without) == [2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert _lines(player) == [5, 6]


def test_a_skip_that_was_not_recorded_is_a_miss() -> None:
    player = _player()
    player.open()
    skipped: list[Step] = [(5, 0, "adSkip", {}) if step[2] == "adComplete" else step for step in STEPS]

    assert player.play(skipped) == [204] * len(STEPS)
    assert _reasons(player) == [Reason.NO_SUCH_EVENT] * 2


# ---- Recorded failures ----


@pytest.mark.parametrize(
    ("answered", "status"), [(400, 400), (404, 404), (410, 410), (500, 500), (302, 302), (None, 0)]
)
def test_a_recorded_failure_comes_back_in_its_place(answered: int | None, status: int) -> None:
    pauses = [sent("abc", event("pauseStart", at), at, answered if at == 20 else 204) for at in (10, 20, 30)]
    player = _player(opened("abc", start()), *pauses)
    player.open()

    assert player.play([(at, at, "pauseStart", {}) for at in (10, 20, 30)]) == [204, status, 204]


def test_a_recorded_failure_of_a_ping_comes_back_in_its_place() -> None:
    pings = [sent("abc", event("ping", at, at), at, 410 if at >= 30 else 204) for at in (10, 20, 30, 40)]
    player = _player(opened("abc", start()), *pings)
    player.open()

    assert player.play([(at, at, "ping", {}) for at in (10, 20, 30, 40)]) == [204, 204, 410, 410]


def test_a_recorded_id_is_answered_from_its_own_session() -> None:
    player = _player(*_marked("first", STEPS[:1]), sent("late", event("ping", 3), 9, response(404)))
    player.sid = "late"

    assert player.send("ping", 3) == 404
    player.sid = "first"
    assert _played(player, STEPS[:1]) == [2]
    assert _summary(player).misses == 0


# ---- Restarts ----


def test_a_playback_survives_a_restart() -> None:
    recorded = _marked("abc", STEPS)
    player = _player(*recorded)
    player.open()
    before = _played(player, STEPS[:8])
    player.engine = _replay(recorded, on_miss=OnMiss.ERROR)

    assert before + _played(player, STEPS[8:]) == list(range(2, len(STEPS) + 2))


@pytest.mark.parametrize("after", range(len(STEPS)))
def test_a_playback_survives_a_restart_anywhere(after: int) -> None:
    player = _player()
    player.open()
    player.play(STEPS[:after])
    player.engine = _replay(session("abc", STEPS), on_miss=OnMiss.ERROR)

    assert player.play(STEPS[after:]) == [204] * (len(STEPS) - after)


def test_an_id_of_another_tape_is_unknown() -> None:
    player = _player()
    player.open()
    player.engine = _replay(session("other", STEPS))

    assert player.send("play") == 404
    assert _reasons(player) == [Reason.UNKNOWN_SID]


def test_an_id_names_its_recorded_session() -> None:
    player = Player(
        _replay(session("one", STEPS), session("two", [(0, 0, "play", {})], media="clip-2")), media="clip-2"
    )
    said = read(player.open(at=3))

    assert said
    assert said.recorded != NO_RECORDED_SESSION
    assert said.started_ts == round((NOW + 3) * 1000)


# ---- Misses ----


def test_by_default_a_miss_is_simulated() -> None:
    player = _player()
    player.open()

    assert [player.send("bufferStart"), player.send("pause")] == [204, 400]
    assert [miss.answered for miss in _summary(player).missed] == ["simulated"] * 2


def test_unknown_content_is_simulated_as_a_session_of_its_own() -> None:
    player = _player()
    player.media = "clip-9"
    player.open()

    assert [player.send("play"), player.send("sessionEnd"), player.send("ping")] == [204, 204, 410]
    assert set(_reasons(player)) == {Reason.NO_SUCH_SESSION}


def test_a_simulated_end_of_a_playback_ends_it() -> None:
    player = _player()
    player.open()

    assert [player.send("sessionEnd"), player.send("bufferStart")] == [204, 410]


def test_a_playback_that_was_idle_is_closed_for_what_was_not_recorded() -> None:
    player = _player()
    player.open()

    assert player.send("bufferStart", 5, at=660) == 410


def test_an_unknown_id_is_a_miss_with_404() -> None:
    player = _player()
    player.sid = "nobody"

    assert player.send("play") == 404
    assert _reasons(player) == [Reason.UNKNOWN_SID]


def test_an_error_on_a_miss_names_reason_and_nearest() -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.open()

    assert player.send("chapterSkip", 12.5, 40) == 502
    told = player.told()
    assert told["message"] == (
        "tapehead has no recorded answer to chapterSkip at 12.5: the recorded session has no such event"
    )
    assert told["reason"] == "no-such-event"
    assert re.match(r"recording 0:9 .*\bping\b.*\bchapterSkip\b.*\b10\b.*\b12\.5\b", told["nearest"][0])
    assert len(told["nearest"]) == 3


def test_an_error_on_unknown_content_names_what_differs() -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.call(request(start_with({"media.id": "clip-9"})))

    assert player.told()["reason"] == "no-such-session"
    assert re.match(r"recording 0:1 .*media\.id\b.*\bclip-1\b.*\bclip-9\b", player.told()["nearest"][0])


def test_an_error_carries_cors_headers_for_browsers() -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.call(request(start_with({"media.id": "clip-9"})))

    assert player.answer.response
    assert set(CORS_HEADERS) <= set(player.answer.response.headers)


def test_forward_sends_new_sessions_on() -> None:
    player = _player(on_miss=OnMiss.FORWARD)
    player.call(request(start_with({"media.id": "clip-9"})))
    new = player.answer
    player.sid = "issued-upstream"
    player.send("play")

    assert (new.forward, new.response, player.answer.forward) == (True, None, True)


def test_forward_keeps_what_the_upstream_cannot_know() -> None:
    player = _player(on_miss=OnMiss.FORWARD)
    player.open()

    assert player.send("bufferStart") == 204
    assert player.answer.forward is False


def test_two_hundred_misses_give_a_bounded_summary() -> None:
    player = _player()
    player.open()
    for number in range(MOST_MISSES + 50):
        player.send("adStart", number, number, AD | {"media.ad.id": "x" * 500 + str(number)})
    lines = list(summary_lines(_summary(player), ["a.jsonl"]))

    assert lines[0].startswith(f"played 1 session: 1 hit, {MOST_MISSES + 50} misses, 14 recorded calls never asked for")
    assert f"  ... and {MOST_MISSES + 50 - MOST_SHOWN} more misses" in lines
    assert len(_summary(player).missed) == MOST_MISSES
    assert len(lines) < 150


def test_a_miss_is_named_in_a_line() -> None:
    player = _player(on_miss=OnMiss.ERROR)
    player.open()
    player.send("adStart", 0, 0, AD | {"media.ad.id": "x" * 9999 + "\n"})

    assert len(player.told()["message"]) < 300
    assert "\n" not in player.told()["message"]


def test_calls_nobody_asked_for_are_told() -> None:
    player = _player()
    player.open()
    player.play(STEPS[:12])
    lines = list(summary_lines(_summary(player), ["a.jsonl"]))

    assert _lines(player) == [14, 15]
    assert lines == [
        "played 1 session: 13 hits, 0 misses, 2 recorded calls never asked for",
        "  never asked for: a.jsonl:14 ping at 30",
        "  never asked for: a.jsonl:15 sessionComplete at 55",
    ]


def test_a_hit_says_why_it_was_chosen() -> None:
    player = _player()
    player.open()
    opening = player.answer.note
    player.send("adStart", 0, 0, AD)

    assert opening == "line 1 (sessionStart at 0), session"
    assert player.answer.note == "line 3 (adStart ad-1 at 0), in-order"


# ---- The other calls ----


@pytest.mark.parametrize("on_miss", OnMiss)
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/sessions/abc/events", "/api/v1/downloaded"])
def test_a_preflight_is_never_a_miss(path: str, on_miss: OnMiss) -> None:
    player = _player(on_miss=on_miss)

    assert player.call(request(b"", path, "OPTIONS")) == 200
    assert _summary(player).misses == 0
    assert player.answer.response
    assert set(CORS_HEADERS) <= set(player.answer.response.headers)


def test_recorded_preflights_come_back_any_number_of_times() -> None:
    asked = request(b"", "/api/v1/sessions", "OPTIONS")
    answers = [exchange(asked, response(200, [("X-Line", str(line))]), line) for line in (1, 2)]
    player = _player(*answers)

    assert [(player.call(asked), player.header("X-Line")) for _ in range(3)] == [(200, "1"), (200, "2"), (200, "2")]
    assert _lines(player) == []


def test_recorded_schemas_are_served_and_others_simulated() -> None:
    asked = request(b"", "/api/v1/schemas/ping", "GET")
    player = _player(exchange(asked, response(200, [], b'{"type": "object"}')))

    assert (player.call(asked), player.told()) == (200, {"type": "object"})
    assert player.call(request(b"", "/api/v1/schemas/play", "GET")) == 200
    assert _reasons(player) == [Reason.NOT_RECORDED]


def test_downloaded_content_is_answered_by_its_identity() -> None:
    bodies = [[start_with({"media.id": media})] for media in ("clip-1", "clip-2", "clip-3")]
    path = "/api/v1/downloaded"
    player = _player(
        exchange(request(bodies[0], path), response(400)), exchange(request(bodies[1], path), response(201))
    )

    assert [player.call(request(body, path)) for body in bodies] == [400, 201, 201]
    assert _reasons(player) == [Reason.NOT_RECORDED]


def test_an_array_of_downloaded_content_is_no_live_session() -> None:
    array = [start_with({"media.downloaded": True}), event("ping")]
    player = _player(exchange(request(array), response(201)), opened("abc", start(), 1))

    assert [bool(player.open()), bool(player.open())] == [True, True]
    assert player.call(request(array)) == 201
    assert player.header("Location") is None


@pytest.mark.parametrize(
    "asked", [request(b"", "/nowhere", "GET"), request(b"", method="PUT"), request(b"", method="HEAD")]
)
def test_what_is_no_collection_call_is_answered_as_documented(asked: Any) -> None:
    player = _player(on_miss=OnMiss.ERROR)
    simulated = Player(Simulation(SCHEMAS))

    assert player.call(asked) == simulated.call(asked) in (404, 405)
    assert _summary(player).misses == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/sessions"), ("GET", "/api/v1/sessions/abc/events"), ("POST", "/api/v1/schemas/ping")],
)
def test_a_wrong_method_is_answered_with_405(method: str, path: str) -> None:
    player = _player(exchange(request(b"", "/api/v1/schemas/ping", "GET"), response(200)), on_miss=OnMiss.ERROR)

    assert player.call(request(b"", path, method)) == 405
    assert _summary(player).misses == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b"null", b'{"eventType":["a"]}', b'{"params":7}'])
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/downloaded", "events"])
def test_any_body_gets_an_answer(body: bytes, path: str) -> None:
    player = _player()
    sid = player.open()

    assert player.call(request(body, f"/api/v1/sessions/{sid}/events" if path == "events" else path)) == 400


def test_ids_from_elsewhere_find_no_playback() -> None:
    player = _player()
    player.sid = mint(NO_RECORDED_SESSION, 0)

    assert player.send("play") == 204
    assert _reasons(player) == [Reason.NO_SUCH_SESSION]
