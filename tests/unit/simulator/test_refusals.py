"""Refusals of the simulated endpoint: bodies that its schemas do not allow, documented or recorded."""

from secrets import token_bytes
from typing import Any

import pytest

from support.exchanges import Player, event, request, start, start_with
from support.simulator import PING, SCHEMAS, open_player
from tapehead.protocol.schemas import Schemas, build_schema
from tapehead.simulator.endpoint import Simulator


@pytest.fixture
def player() -> Player:
    return Player(Simulator(SCHEMAS, random_bytes=token_bytes))


# ---- Refusals ----

REFUSED: list[tuple[object, str]] = [
    (b"", "the body is empty"),
    (b"{", "the body is not JSON"),
    ("x", "the body is a string; expected one event object"),
    ({}, "eventType and playerTime are missing"),
    (PING | {"eventType": "pause"}, 'eventType is "pause", which is not documented; did you mean pauseStart?'),
    (PING | {"playerTime": {"playhead": 0}}, "ping: playerTime.ts is missing; it is required"),
    (
        PING | {"playerTime": {"playhead": "0", "ts": 1}},
        'ping: playerTime.playhead is a string, "0"; expected a number',
    ),
    (event("stateStart"), "stateStart: params is missing"),
    (event("adBreakStart", params={}), "params.media.ad.podIndex and params.media.ad.podSecond are missing"),
]


@pytest.mark.parametrize(("body", "said"), REFUSED)
def test_an_event_is_refused_with_the_schemas_complaint(body: object, said: str) -> None:
    player = open_player()

    assert player.call(request(body, f"/api/v1/sessions/{player.sid}/events")) == 400
    assert said in player.told()["message"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"media.id": None}, "params.media.id is missing"),
        ({"media.length": "60"}, 'params.media.length is a string, "60"; expected a number'),
        ({"media.downloaded": True}, "send downloaded content to /api/v1/downloaded"),
    ],
)
def test_a_session_start_is_refused_with_its_reason(player: Player, params: dict[str, Any], said: str) -> None:
    assert player.call(request(start_with(params))) == 400
    assert said in player.told()["message"]
    assert player.header("Location") is None


@pytest.mark.parametrize(("key", "status"), [("my key", 400), ("größe", 400), ("a.reserved", 201), ("media.mine", 201)])
def test_a_metadata_key_is_refused_by_the_pattern_alone(player: Player, key: str, status: int) -> None:
    assert player.call(request(start(customMetadata={key: "v"}))) == status
    if status == 400:
        assert f"customMetadata.{key}" in player.told()["message"]


# Values of a documented type that findings are about, and no published schema.
TAKEN: list[dict[str, object]] = [
    {"media.showType": "sitcom"},
    {"media.pass.auth": "false"},
    {"media.id": ""},
    {"media.playerName": ""},
    {"media.length": -1},
]


@pytest.mark.parametrize("params", TAKEN)
@pytest.mark.parametrize("strict", [False, True])
def test_a_value_that_no_schema_refuses_is_taken(params: dict[str, Any], strict: bool) -> None:
    player = Player(Simulator(SCHEMAS, strict=strict, random_bytes=token_bytes))

    assert player.call(request(start_with(params))) == 201


@pytest.mark.parametrize("params", TAKEN)
def test_a_value_that_a_recorded_schema_refuses_is_refused(params: dict[str, Any]) -> None:
    player = Player(Simulator(Schemas({"sessionStart": build_schema("sessionStart")}), random_bytes=token_bytes))

    assert player.call(request(start_with(params))) == 400
    assert next(iter(params)) in player.told()["message"]


def test_many_complaints_are_cut_to_a_few(player: Player) -> None:
    player.call(request(start(params={"media.length": "x"}, playerTime={})))

    assert player.told()["message"].count("; it is required") <= 5


def test_a_body_is_validated_before_its_session(player: Player) -> None:
    player.sid = "abc"

    assert [player.send("pause"), player.send("ping")] == [400, 404]


def test_a_session_start_belongs_to_sessions(player: Player) -> None:
    player.open()

    assert player.call(request(start(), f"/api/v1/sessions/{player.sid}/events")) == 400
    assert player.call(request(PING)) == 400
    assert player.told()["message"] == "eventType is ping; a session opens with sessionStart"


# Keys that are documented nowhere, or not here: in `params`, whose published list is abridged, and elsewhere.
INSIDE: list[dict[str, object]] = [{"params": {"media.invented": "x"}}, {"params": {"media.id": "x"}}]
OUTSIDE: list[tuple[dict[str, object], str]] = [
    ({"more": 1}, "more"),
    ({"qoeData": {"bitrate": 1}}, "qoeData.bitrate"),
    ({"playerTime": {"playhead": 0, "ts": 1_795_401_600_000, "more": 1}}, "playerTime.more"),
    ({"customMetadata": {"a": "b"}}, "ping takes no customMetadata"),
    ({"paramsMore": 1}, "paramsMore"),
]


@pytest.mark.parametrize(("strict", "status"), [(False, 204), (True, 400)])
@pytest.mark.parametrize("more", INSIDE)
def test_undocumented_keys_in_params_are_taken_unless_strict(
    more: dict[str, object], strict: bool, status: int
) -> None:
    player = Player(Simulator(SCHEMAS, strict=strict, random_bytes=token_bytes))
    player.open()

    assert player.call(request(PING | more, f"/api/v1/sessions/{player.sid}/events")) == status


@pytest.mark.parametrize(("more", "said"), OUTSIDE)
def test_undocumented_keys_elsewhere_are_refused(more: dict[str, object], said: str) -> None:
    player = open_player()

    assert player.call(request(PING | more, f"/api/v1/sessions/{player.sid}/events")) == 400
    assert said in player.told()["message"]


@pytest.mark.parametrize(("more", "status"), [(INSIDE[0], 201), (OUTSIDE[0][0], 400), (OUTSIDE[1][0], 400)])
def test_an_array_is_held_to_the_same(player: Player, more: dict[str, object], status: int) -> None:
    assert player.call(request([start(), PING | more], "/api/v1/downloaded")) == status


@pytest.mark.parametrize(
    "body",
    [
        PING | {"playerTime": {"playhead": 0, "ts": 1}},
        PING | {"qoeData": {"media.qoe.bitrate": 3}},
        event("bitrateChange"),
        PING | {"qoeData": {"media.qoe.errorID": "N/A"}},
    ],
)
def test_what_no_schema_covers_is_refused_only_as_far_as_documented(body: object) -> None:
    strict = Player(Simulator(SCHEMAS, strict=True, random_bytes=token_bytes))
    strict.open()

    assert strict.call(request(body, f"/api/v1/sessions/{strict.sid}/events")) == 204


def test_the_content_type_refuses_nothing(player: Player) -> None:
    assert player.call(request(start(), Content_Type="text/plain;charset=UTF-8")) == 201


# ---- Recorded schemas ----


def test_a_recorded_schema_makes_its_type_strict() -> None:
    player = Player(Simulator(Schemas({"ping": build_schema("ping")}), random_bytes=token_bytes))
    player.open()
    odd = {"params": {"media.invented": 1}}

    assert player.call(request(PING | odd, f"/api/v1/sessions/{player.sid}/events")) == 400
    assert player.call(request(event("play") | odd, f"/api/v1/sessions/{player.sid}/events")) == 204


def test_a_recorded_schema_decides() -> None:
    schema = {"type": "object", "properties": {"params": {"required": ["mine"]}}}
    player = Player(Simulator(Schemas({"ping": schema}), random_bytes=token_bytes))
    player.open()

    assert [player.send("ping", params={}), player.send("ping", params={"mine": 1})] == [400, 204]


@pytest.mark.parametrize("more", [{}, {"playerTime": 7, "params": []}, {"params": {}, "playerTime": {"ts": "x"}}])
def test_a_recorded_schema_may_ask_for_little(more: dict[str, object]) -> None:
    player = Player(Simulator(Schemas({"sessionStart": {"type": "object"}}), random_bytes=token_bytes))

    assert player.call(request({"eventType": "sessionStart"} | more)) in (201, 400)


def test_an_event_of_a_lax_schema_is_taken() -> None:
    player = Player(Simulator(Schemas({"ping": {"type": "object"}}), random_bytes=token_bytes))
    player.open()

    assert player.call(request({"eventType": "ping", "playerTime": 7}, f"/api/v1/sessions/{player.sid}/events")) == 204
