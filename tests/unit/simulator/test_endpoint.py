"""Sessions of the simulated endpoint: ids, events, timeouts, restarts."""

from secrets import token_bytes
from typing import Any

import pytest

from support.exchanges import NOW, Player, request, start
from support.simulator import MINUTE, PING, SCHEMAS
from support.timelines import TIMELINES
from tapehead.protocol.backend_limits import Timeouts
from tapehead.protocol.routes import sid_of_location
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, fingerprint, mint, read
from tapehead.simulator.endpoint import MOST_SESSIONS, SimulatedEndpoint, Simulator


@pytest.fixture
def player() -> Player:
    return Player(Simulator(SCHEMAS, random_bytes=token_bytes))


# ---- Sessions and events ----


def test_a_session_start_is_answered_with_a_fresh_id(player: Player) -> None:
    assert player.call(request(start())) == 201
    assert player.header("Location") == f"/api/v1/sessions/{sid_of_location(player.header('Location'))}"
    assert player.header("Content-Type") == "application/octet-stream"
    assert player.answer.response
    assert player.answer.response.content() == b""


def test_every_session_has_an_id_of_its_own(player: Player) -> None:
    assert len({player.open() for _ in range(10)}) == 10


def test_an_event_is_answered_with_204(player: Player) -> None:
    player.open()

    assert player.send("play") == 204
    assert player.answer.response
    assert player.answer.response.content() == b""
    assert player.header("Content-Type") is None


@pytest.mark.parametrize("timeline", TIMELINES)
def test_the_documented_timelines_are_taken(player: Player, timeline: int) -> None:
    player.open()
    steps = TIMELINES[timeline][1:]

    assert player.play((step.at, step.playhead, step.event_type, dict(step.params)) for step in steps) == [204] * len(
        steps
    )


def test_a_refusal_has_a_note_without_what_the_player_sent(player: Player) -> None:
    player.open()
    assert player.answer.note == ""
    assert player.send("adStart", params={"media.ad.podPosition": "anna@example.com", "media.ad.id": 1}) == 400
    assert "wrong-type params.media.ad.podPosition" in player.answer.note.split(", ")
    assert "anna" not in player.answer.note
    body = {**PING, "anna@example.com": 1}
    assert player.call(request(body, f"/api/v1/sessions/{player.sid}/events")) == 400
    assert player.answer.note == "unknown-parameter"

    player.send("sessionEnd")
    assert (player.send("play"), player.answer.note) == (410, "the session is closed")
    player.sid = "anna"
    assert (player.send("play"), player.answer.note) == (404, "no such session")
    assert (player.call(request(path="/anna", method="GET")), player.answer.note) == (404, "")


def test_an_unknown_id_is_answered_with_404(player: Player) -> None:
    player.sid = "abc"

    assert player.send("play") == 404
    assert player.told() == {"message": "there is no session abc; open one with a sessionStart"}


def test_after_session_end_comes_410(player: Player) -> None:
    sid = player.open()

    assert [player.send("sessionEnd"), player.send("ping"), player.send("play")] == [204, 410, 410]
    assert player.told() == {"message": f"session {sid} is closed; open a new one"}


@pytest.mark.parametrize(("options", "status"), [({}, 204), ({"second_end": 204}, 204), ({"second_end": 410}, 410)])
def test_a_second_session_end_is_dropped_or_refused(options: dict[str, Any], status: int) -> None:
    player = Player(Simulator(SCHEMAS, random_bytes=token_bytes, **options))
    player.open()
    statuses = [player.send(kind, at=at) for kind, at in (("sessionEnd", 1), ("sessionEnd", 2), ("ping", 3))]

    assert statuses == [204, status, 410]
    assert player.send("sessionEnd", at=20 * MINUTE) == status


def test_a_session_end_after_a_timeout_is_no_second_one(player: Player) -> None:
    player.open()

    assert [player.send("sessionEnd", at=11 * MINUTE), player.send("sessionEnd", at=11 * MINUTE)] == [410, 410]


@pytest.mark.parametrize("event_type", ["sessionComplete", "error"])
def test_only_session_end_closes_a_session(player: Player, event_type: str) -> None:
    player.open()

    assert [player.send(event_type), player.send("ping")] == [204, 204]


def test_a_closed_session_closes_no_other(player: Player) -> None:
    first, second = player.open(), player.open()
    player.send("sessionEnd")
    player.sid = first

    assert first != second
    assert player.send("ping") == 204


# ---- Timeouts ----


@pytest.mark.parametrize(("silence", "status"), [(10 * MINUTE, 204), (10 * MINUTE + 1, 410)])
def test_ten_idle_minutes_close_a_session(player: Player, silence: float, status: int) -> None:
    player.open()
    player.send("play", 1, at=5)

    assert player.send("ping", 2, at=5 + silence) == status


@pytest.mark.parametrize(("options", "status"), [({}, 204), ({"over_limit": 404}, 404), ({"over_limit": 410}, 410)])
def test_a_session_of_more_than_a_day_is_taken_unknown_or_closed(options: dict[str, Any], status: int) -> None:
    player = Player(Simulator(SCHEMAS, random_bytes=token_bytes, **options))
    sid = player.open()
    minutes = [*range(0, 24 * 60 + 1, 8), 24 * 60 + 1, 24 * 60 + 2]
    statuses = [player.send("ping", minute, at=minute * MINUTE) for minute in minutes]

    assert statuses == [204] * (len(minutes) - 2) + [status] * 2
    if status != 204:
        told = {404: f"session {sid} is over; open a new one", 410: f"session {sid} is closed; open a new one"}
        assert player.told() == {"message": told[status]}


def test_all_timeouts_come_from_one_set() -> None:
    timeouts = Timeouts(idle_minutes=2, stalled_minutes=5, session_hours=0.5)
    player = Player(Simulator(SCHEMAS, random_bytes=token_bytes, timeouts=timeouts, over_limit=410))
    moving = player.open()
    statuses = [player.send("ping", minute, at=minute * MINUTE) for minute in range(32)]
    stalled = player.open(at=0)
    still = [player.send("ping", 7, at=minute * MINUTE) for minute in range(7)]
    player.open(at=0)

    assert moving != stalled
    assert statuses == [204] * 31 + [410]
    assert still == [204] * 6 + [410]
    assert player.send("ping", 1, at=2 * MINUTE + 1) == 410


def test_a_session_that_timed_out_stays_closed(player: Player) -> None:
    player.open()

    assert [player.send("ping", 1, at=11 * MINUTE), player.send("ping", 2, at=11 * MINUTE)] == [410, 410]


@pytest.mark.parametrize(("minute", "status"), [(30, 204), (31, 410)])
def test_half_an_hour_without_movement_closes_a_session(player: Player, minute: int, status: int) -> None:
    player.open()
    statuses = [player.send("ping", 7, at=each * MINUTE) for each in range(minute + 1)]

    assert statuses == [204] * minute + [status]


def test_a_playhead_that_moves_keeps_a_session_open(player: Player) -> None:
    player.open()

    assert {player.send("ping", minute, at=minute * MINUTE) for minute in range(120)} == {204}


def test_time_can_run_faster_for_the_back_end() -> None:
    player = Player(Simulator(SCHEMAS, time_scale=60, random_bytes=token_bytes))
    player.open()

    assert [player.send("ping", 1, at=9), player.send("ping", 2, at=20)] == [204, 410]


@pytest.mark.parametrize(
    ("timeouts", "statuses"),
    [
        (Timeouts(), [204, 410, 410]),
        (Timeouts(idle_minutes=20), [204, 204, 410]),
        (Timeouts(idle_minutes=20, stalled_minutes=60), [204, 204, 204]),
    ],
)
def test_timeouts_are_those_of_the_back_end(timeouts: Timeouts, statuses: list[int]) -> None:
    """The playhead rests all the time: 9 minutes, 15 more, and 16 more make 40."""
    player = Player(Simulator(SCHEMAS, timeouts=timeouts, random_bytes=token_bytes))
    player.open()

    assert [player.send("ping", 0, at=minute * MINUTE) for minute in (9, 24, 40)] == statuses


def test_an_event_that_is_refused_keeps_nothing_open(player: Player) -> None:
    player.open()
    player.send("pause", 1, at=9 * MINUTE)

    assert player.send("ping", 2, at=11 * MINUTE) == 410


# ---- Restarts ----


def test_a_session_from_before_a_restart_is_taken_up(player: Player) -> None:
    player.open()
    player.engine = Simulator(SCHEMAS, random_bytes=token_bytes)

    assert [player.send("ping", 1, at=3600), player.send("sessionEnd", at=3601), player.send("ping")] == [204, 204, 410]


@pytest.mark.parametrize(
    "sid",
    [
        "abc",
        "0" * 64,
        mint(fingerprint("recorded"), 0, token_bytes(CHANCE_BYTES)),
        mint(NO_RECORDED_SESSION, 0, token_bytes(CHANCE_BYTES))[:-1],
    ],
    ids=["short", "zeros", "recorded", "cut"],
)
def test_an_id_from_elsewhere_is_not_taken_up(player: Player, sid: str) -> None:
    player.sid = sid

    assert player.send("ping") == 404


def test_an_id_contains_the_start_of_its_session(player: Player) -> None:
    said = read(player.open(at=7))

    assert said
    assert said.started_ts == round(NOW * 1000) + 7000


def test_an_adopted_session_is_open() -> None:
    endpoint = SimulatedEndpoint(SCHEMAS, random_bytes=token_bytes)
    endpoint.open_session("abc", NOW)
    endpoint.open_session("abc", NOW + 3600)

    assert endpoint.answer(request(PING, "/api/v1/sessions/abc/events"), NOW + 1).status == 204
    assert endpoint.answer(request(PING, "/api/v1/sessions/abc/events"), NOW + 3600).status == 410


def test_a_full_table_forgets_only_for_new_sessions() -> None:
    endpoint, oldest = (
        SimulatedEndpoint(SCHEMAS, random_bytes=token_bytes),
        mint(NO_RECORDED_SESSION, 0, token_bytes(CHANCE_BYTES)),
    )
    for sid in (oldest, *map(str, range(MOST_SESSIONS - 1))):
        endpoint.open_session(sid, NOW)

    assert endpoint.answer(request(PING, f"/api/v1/sessions/{oldest}/events"), NOW + 3600).status == 410
