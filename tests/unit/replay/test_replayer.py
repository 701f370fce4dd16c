"""Recorded calls are answered as recorded, others are reported as misses."""

import re
from secrets import token_bytes
from typing import Any

import pytest

from support.exchanges import (
    AD,
    HOST,
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
)
from support.replay import STEPS, marked, played_lines, player_of, reasons_of, replay_of, replay_summary, unused_lines
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.messages import Headers
from tapehead.protocol.routes import CORS_HEADERS, location_of
from tapehead.replay.matching import Reason
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import ReplaySummary

# ---- A playback ----


def test_the_same_player_gets_the_same_answers() -> None:
    player = player_of()
    player.open()

    assert player.play(STEPS) == [204] * len(STEPS)
    assert replay_summary(player) == ReplaySummary(1, len(STEPS) + 1, 0, [], [])


def test_entries_of_recordings_can_be_replayed() -> None:
    recorded = marked("abc", STEPS[:3])
    numbered = [Entry(line, each, recording="a.jsonl") for line, each in enumerate(recorded, start=1)]
    player = Player(Replayer.from_entries(numbered, random_bytes=token_bytes))
    player.open()

    assert played_lines(player, STEPS[:3]) == [2, 3, 4]
    assert unused_lines(player) == []


@pytest.mark.parametrize("cut", range(1, len(STEPS) + 1))
def test_a_session_that_goes_on_in_another_recording_is_played_to_its_end(cut: int) -> None:
    recorded = session("abc", STEPS)
    player = Player(replay_of(recorded[:cut], recorded[cut:]))
    player.open()
    player.play(STEPS)

    assert replay_summary(player) == ReplaySummary(1, len(STEPS) + 1, 0, [], [])


def test_every_playback_has_a_fresh_id() -> None:
    player = player_of()
    sids = {player.open() for _ in range(10)}

    assert len(sids) == 10
    assert "abc" not in sids
    assert all(re.fullmatch(r"[0-9a-f]{64}", sid) for sid in sids)


@pytest.mark.parametrize("location", ["/api/v1/sessions/abc", f"{HOST}/va/api/v1/sessions/abc/"])
def test_a_location_keeps_its_form(location: str) -> None:
    player = player_of(exchange(request(start()), response(201, [("location", location)])))
    sid = player.open()

    assert player.header("Location") == location.replace("abc", sid)


@pytest.mark.parametrize("sid", ["1", "v1", "s", "api", "session"])
def test_a_short_id_is_replaced_only_as_the_id(sid: str) -> None:
    player = player_of(opened(sid, start()))
    player.open()

    assert re.fullmatch(r"/api/v1/sessions/[0-9a-f]{64}", player.header("Location") or "")


def test_recorded_headers_and_bodies_come_back() -> None:
    odd: Headers = [("X-Odd", "\xff"), ("x-odd", "again"), ("Content-Type", "text/html")]
    player = player_of(opened("abc", start()), sent("abc", event("play"), 1, response(400, odd, b"<p>\xff</p>")))
    player.open()

    assert player.send("play") == 400
    assert player.answer.response
    assert player.answer.response.content() == b"<p>\xff</p>"
    assert player.answer.response.headers[1:] == [*odd, *CORS_HEADERS]


def test_only_the_date_is_renewed() -> None:
    player = player_of()
    player.open()

    assert player.header("Date") == "Mon, 23 Nov 2026 02:40:00 GMT"


def test_playbacks_at_once_do_not_collide() -> None:
    player = player_of(*marked("abc", STEPS))
    sids = [player.open() for _ in range(3)]
    lines: list[list[int]] = [[], [], []]
    for step in STEPS:
        for number, player.sid in enumerate(sids):
            lines[number] += played_lines(player, [step])

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
    player = player_of(opened("abc", start()), on_miss=OnMiss.ERROR)

    assert (
        player.call(request(start(at=9e6, params=START | CHANGES[what], qoeData={}, customMetadata={"a": "b"}))) == 201
    )


def test_the_order_of_keys_does_not_matter() -> None:
    player = player_of(on_miss=OnMiss.ERROR)
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
    player = player_of(*_starts({}, {}, {}))

    assert [_which(player) for _ in range(7)] == ["a", "b", "c", "a", "b", "c", "a"]


def test_equals_of_several_recordings_take_turns_too() -> None:
    player = Player(replay_of(_starts({}), _starts({"media.id": "x"}, {})))

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
    player = player_of(*_starts({}, {"media.id": "clip-2"}, {"media.id": "clip-2", "media.name": "Other"}))

    assert _which(player, **params) == which


def test_failed_tries_come_back_in_turn() -> None:
    tries = [exchange(request(start()), answer, at) for at, answer in enumerate([response(500), None, response(400)])]
    player = player_of(*tries, opened("abc", start(), 5), sent("abc", event("play"), 6))

    assert [player.call(request(start())) for _ in range(5)] == [500, 0, 400, 201, 500]
    assert replay_summary(player).playbacks == 1


# ---- Which event ----


def test_events_are_answered_line_by_line() -> None:
    player = player_of(*marked("abc", STEPS))
    player.open()

    assert played_lines(player, STEPS) == list(range(2, len(STEPS) + 2))


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
    player = player_of(*marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    steps = [(at / speed, playhead, event_type, params) for at, playhead, event_type, params in STEPS]

    assert played_lines(player, steps) == list(range(2, len(STEPS) + 2))


def test_calls_in_flight_may_overtake_each_other() -> None:
    player = player_of(*marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    numbers = [1, 0, 3, 2, 5, 4, 6, 8, 7, 10, 9, 12, 11, 13]

    assert played_lines(player, [STEPS[number] for number in numbers]) == [number + 2 for number in numbers]


def test_an_event_is_named_by_what_it_is_about() -> None:
    player = player_of(*marked("abc", STEPS), on_miss=OnMiss.ERROR)
    player.open()
    ads = [AD | {"media.ad.id": name} for name in ("ad-2", "ad-1", "ad-3")]
    steps: list[Step] = [(0, 0, "adStart", ad) for ad in ads]

    assert played_lines(player, steps) == [5, 3, 0]
    assert reasons_of(player) == [Reason.NO_SUCH_EVENT]


@pytest.mark.parametrize("every", [5, 20, 40])
def test_pings_come_in_any_number(every: int) -> None:
    player = player_of(on_miss=OnMiss.ERROR)
    player.open()
    others = [step for step in STEPS if step[2] != "ping"]
    pings: list[Step] = [(30 + second, second, "ping", {}) for second in range(0, 55, every)]

    assert set(player.play(sorted([*others, *pings], key=lambda step: step[0]))) == {204}


def test_a_ping_misses_only_where_there_is_none() -> None:
    player = player_of(*session("abc", [(0, 0, "play", {})]))
    player.open()

    assert player.play([(10, 10, "ping", {})]) == [204]
    assert reasons_of(player) == [Reason.NO_SUCH_EVENT]


def test_a_seek_misses_nothing_but_itself() -> None:
    player = player_of(*marked("abc", STEPS))
    player.open()
    seek: list[Step] = [(45, 15, "pauseStart", {}), (45.1, 40, "play", {})]
    later: list[Step] = [(at, playhead + 25, *rest) for at, playhead, *rest in STEPS[8:]]  # type: ignore[misc]
    player.play([*STEPS[:8], *seek, *later])

    assert player.header("X-Line") == "15"
    assert replay_summary(player).misses == 2


def test_an_extra_pause_leaves_the_rest_in_order() -> None:
    player = player_of(*marked("abc", STEPS))
    player.open()
    pause: list[Step] = [(85, 45, "pauseStart", {}), (87, 45, "play", {})]
    lines = played_lines(player, [*STEPS[:-1], *pause, STEPS[-1]])

    assert lines == [*range(2, 15), 0, 0, 15]
    assert reasons_of(player) == [Reason.ALL_USED, Reason.ALL_USED]


def test_a_skipped_ad_leaves_the_rest_in_order() -> None:
    player = player_of(*marked("abc", STEPS))
    player.open()
    without = STEPS[:3] + STEPS[5:]

    assert played_lines(player, without) == [2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert unused_lines(player) == [5, 6]


def test_a_skip_that_was_not_recorded_is_a_miss() -> None:
    player = player_of()
    player.open()
    skipped: list[Step] = [(5, 0, "adSkip", {}) if step[2] == "adComplete" else step for step in STEPS]

    assert player.play(skipped) == [204] * len(STEPS)
    assert reasons_of(player) == [Reason.NO_SUCH_EVENT] * 2


# ---- Far from what was recorded ----


def test_after_a_long_skip_events_count_from_where_the_player_is() -> None:
    """Without its ad break, six events are skipped; after the play, playheads are 40 s ahead of the recorded ones."""
    player = player_of(*marked("abc", STEPS))
    player.open()
    ahead = [(at, playhead + 40, kind, params) for at, playhead, kind, params in STEPS[7:] if kind != "ping"]

    assert played_lines(player, [STEPS[6], *ahead]) == [8, 11, 13, 15]
    assert replay_summary(player).misses == 0


def test_a_ping_far_from_all_recorded_ones_gets_the_nearest_by_its_playhead() -> None:
    player = player_of(*marked("abc", STEPS))
    player.open()

    assert played_lines(player, [(500, 500, "ping", {})]) == [14]
    assert played_lines(player, [(500, -100, "ping", {})]) == [9]


def test_pings_that_were_queued_are_found_by_their_own_time() -> None:
    """Those of 10 and 20 s arrive last; the live ones have playheads far from the recorded ones."""
    pings = [(at, 7) for at in (30, 40, 50, 10, 20)]
    recorded = [
        sent("abc", event("ping", playhead, at), 60 + number, response(204, [("X-Line", str(number))]))
        for number, (at, playhead) in enumerate(pings)
    ]
    player = player_of(opened("abc", start()), *recorded)
    player.open()

    assert played_lines(player, [(at, 5000, "ping", {}) for at in (10, 20, 30, 40, 50)]) == [3, 4, 0, 1, 2]
