"""The simulated endpoint's other calls: schemas, downloaded content, and everything else."""

from secrets import token_bytes

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import HOST, Player, event, request, start, start_with
from support.simulator import DOWNLOADED, PING, SCHEMAS, open_player
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import CORS_HEADERS, sid_of_location
from tapehead.protocol.schemas import Schemas, build_schema
from tapehead.simulator.endpoint import Simulator


@pytest.fixture
def player() -> Player:
    return Player(Simulator(SCHEMAS, random_bytes=token_bytes))


# ---- Schemas ----


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_schemas_are_served(player: Player, event_type: str) -> None:
    assert player.call(request(b"", f"/api/v1/schemas/{event_type}", "GET")) == 200
    assert player.header("Content-Type") == "application/json"
    assert player.told() == build_schema(event_type, HOST)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8080", "https://tv.example/va"])
def test_a_schema_has_the_id_under_which_it_was_asked(player: Player, endpoint: str) -> None:
    asked = request(b"", "/api/v1/schemas/play", "GET").with_url(f"{endpoint}/api/v1/schemas/play?x=1")

    assert player.call(asked) == 200
    assert player.told()["id"] == f"{endpoint}/api/v1/schemas/play"
    assert player.told() == build_schema("play", endpoint)


def test_an_unknown_schema_is_answered_with_404(player: Player) -> None:
    assert player.call(request(b"", "/api/v1/schemas/resume", "GET")) == 404
    assert player.told()["message"].startswith("no schema for resume; event types: sessionStart, play, ")


def test_the_recorded_schema_is_served() -> None:
    player = Player(Simulator(Schemas({"ping": {"type": "object"}}), random_bytes=token_bytes))
    player.call(request(b"", "/api/v1/schemas/ping", "GET"))

    assert player.told() == {"type": "object"}


def test_head_gets_the_headers_alone(player: Player) -> None:
    assert player.call(request(b"", "/api/v1/schemas/ping", "HEAD")) == 200
    assert player.header("Content-Type") == "application/json"
    assert player.answer.response
    assert player.answer.response.content() == b""


# ---- Downloaded content ----


@pytest.mark.parametrize("path", ["/api/v1/downloaded", "/api/v1/sessions"])
def test_downloaded_content_is_answered_with_201(player: Player, path: str) -> None:
    assert player.call(request([DOWNLOADED, PING, event("sessionEnd")], path)) == 201
    assert player.header("Location") is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "expected a non-empty array"),
        (DOWNLOADED, "expected a non-empty array"),
        ([PING, DOWNLOADED], "expected one sessionStart, and that first; all of it is discarded"),
        ([DOWNLOADED, DOWNLOADED], "expected one sessionStart, and that first; all of it is discarded"),
        ([DOWNLOADED, PING | {"eventType": "pause"}], '"pause"'),
        ([DOWNLOADED, {"eventType": "ping"}], "[1].playerTime is missing"),
    ],
)
def test_downloaded_content_is_refused_as_a_whole(player: Player, body: object, said: str) -> None:
    assert player.call(request(body, "/api/v1/downloaded")) == 400
    assert said in player.told()["message"]


def test_the_old_array_needs_its_flag(player: Player) -> None:
    assert player.call(request([start(), PING])) == 400
    assert player.call(request([start_with({"media.downloaded": False}), PING])) == 400


def test_downloaded_content_may_leave_the_flag_out(player: Player) -> None:
    assert player.call(request([start(), PING], "/api/v1/downloaded")) == 201


@pytest.mark.parametrize("body", [[DOWNLOADED], [DOWNLOADED, PING]])
def test_an_array_is_no_event(body: object) -> None:
    player = open_player()

    assert player.call(request(body, f"/api/v1/sessions/{player.sid}/events")) == 400


# ---- Everything else ----

PATHS = ("/api/v1/sessions", "/api/v1/sessions/abc/events", "/api/v1/schemas/ping", "/api/v1/downloaded")


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_with_200(player: Player, path: str) -> None:
    asked = request(b"", path, "OPTIONS", Access_Control_Request_Method="POST")

    assert player.call(asked) == 200
    assert player.answer.response
    assert player.answer.response.content() == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_answered_with_405(player: Player, method: str, path: str) -> None:
    if "schemas" in path and method in ("GET", "HEAD"):
        method = "POST"

    assert player.call(request(PING, path, method)) == 405
    assert player.header("Allow") == ("GET, OPTIONS" if "schemas" in path else "POST, OPTIONS")


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v2/sessions", "/api/v1/sessions/abc"])
def test_another_path_is_answered_with_404(player: Player, path: str) -> None:
    assert player.call(request(PING, path)) == 404
    assert player.told()["message"].startswith("no such resource; the API has /api/v1/sessions, ")


@pytest.mark.parametrize("prefix", ["/va", "/a/b/c", "//", "/api/v1/sessions"])
def test_any_prefix_stands_before_the_api(player: Player, prefix: str) -> None:
    assert player.call(request(start(), f"{prefix}/api/v1/sessions?x=1")) == 201
    sid = sid_of_location(player.header("Location"))
    assert player.call(request(PING, f"{prefix}/api/v1/sessions/{sid}/events")) == 204


ANY_ANSWER: list[Request] = [
    request(start()),
    request(b"{"),
    request(PING, "/api/v1/sessions/abc/events"),
    request(b"", "/api/v1/schemas/ping", "GET"),
    request(b"", "/api/v1/schemas/none", "GET"),
    request([DOWNLOADED], "/api/v1/downloaded"),
    request(b"", "/api/v1/sessions", "OPTIONS"),
    request(b"", "/api/v1/sessions", "PUT"),
    request(b"", "/nowhere", "GET"),
]


@pytest.mark.parametrize("asked", ANY_ANSWER)
def test_every_answer_carries_cors_headers_and_date(player: Player, asked: Request) -> None:
    status = player.call(asked)
    answered = player.answer.response

    assert answered
    assert set(CORS_HEADERS) <= set(answered.headers)
    assert answered.header("Date") == "Mon, 23 Nov 2026 02:40:00 GMT"
    assert answered.reason
    assert (set(player.told()) == {"message"}) if status >= 400 else True


@given(st.binary() | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner)).map(orjson.dumps))
def test_any_body_gets_an_answer(content: bytes) -> None:
    player = Player(Simulator(SCHEMAS, random_bytes=token_bytes))

    assert player.call(request(content)) == 400
    assert player.call(request(content, "/api/v1/downloaded")) == 400


# ---- Preflights ----


@pytest.mark.parametrize(("asked", "allowed"), [("true", "true"), (None, None)])
def test_a_page_may_call_a_private_address_if_its_browser_asks(
    player: Player, asked: str | None, allowed: str | None
) -> None:
    headers = {"Access_Control_Request_Private_Network": asked} if asked else {}

    assert player.call(request(b"", method="OPTIONS", **headers)) == 200
    assert player.header("Access-Control-Allow-Private-Network") == allowed
