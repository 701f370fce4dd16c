"""tapehead serve with no recording, through real sockets: the documented endpoint, its clock, its processes."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from support.captured_traffic import read_capture
from support.exchanges import START, event, exchange, request, response, session, start, start_with
from support.many_players import BURSTS, SimulatedPlayer, distinct_recording, play_all
from support.processes import READY, TIMEOUT_SECONDS, running, start_program, workers_of
from support.resend import in_order, resend, summary_of, write
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import CORS_HEADERS, location_of, sid_of_location
from tapehead.protocol.schemas import build_schema

SESSIONS, DOWNLOADED = "/api/v1/sessions", "/api/v1/downloaded"


def events_of(sid: str) -> str:
    return f"{location_of(sid)}/events"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[httpx.Client]:
    """One simulated endpoint for all that leave nothing behind but sessions."""
    with running("serve") as opened, httpx.Client(base_url=opened.url) as player:
        yield player


def open_session(player: httpx.Client) -> str:
    answer = player.post(SESSIONS, json=start())
    assert answer.status_code == 201
    return sid_of_location(answer.headers["Location"]) or ""


def send(player: httpx.Client, sid: str, event_type: str, playhead: float = 0, params: object = None) -> int:
    return player.post(events_of(sid), json=event(event_type, playhead, time.time(), params)).status_code


def test_timeouts_come_from_the_settings_file(tmp_path: Path) -> None:
    """One second is two minutes to the back end: 10 minutes take 5 s, 1 minute half a second."""
    config = tmp_path / "tapehead.toml"
    config.write_text("[thresholds]\nidle-minutes = 1\n")
    with (
        running("serve", "--time-scale", "120", "--config", config) as opened,
        httpx.Client(base_url=opened.url) as player,
    ):
        sid = open_session(player)
        time.sleep(0.7)

        assert send(player, sid, "ping") == 410


# ---- Answers ----


def test_a_session_opens_with_a_201_and_a_location(endpoint: httpx.Client) -> None:
    answer = endpoint.post(SESSIONS, json=start())

    assert (answer.status_code, answer.content) == (201, b"")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    sid = sid_of_location(answer.headers["Location"]) or ""
    assert answer.headers["Location"] == f"/api/v1/sessions/{sid}"
    assert len(sid) == 64
    assert len({open_session(endpoint) for _ in range(5)} | {sid}) == 6


def test_every_answer_carries_the_cors_headers(endpoint: httpx.Client) -> None:
    answers = [
        endpoint.post(SESSIONS, json=start()),
        endpoint.post(SESSIONS, content=b"no json"),
        endpoint.post(events_of("unknown"), json=event("play")),
        endpoint.get("/api/v1/schemas/play"),
        endpoint.get("/nowhere"),
        endpoint.put(SESSIONS, json=start()),
    ]

    for answer in answers:
        assert [(name, answer.headers[name]) for name, _ in CORS_HEADERS] == list(CORS_HEADERS)


def test_every_event_of_a_session_gets_a_204_without_a_body(endpoint: httpx.Client) -> None:
    sid = open_session(endpoint)
    for event_type in ("play", "ping", "bufferStart", "pauseStart", "sessionComplete", "adBreakComplete"):
        answer = endpoint.post(events_of(sid), json=event(event_type))
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Content-Length" not in answer.headers


def test_a_capture_of_the_vendors_sdk_gets_the_statuses_that_it_got(captures: Path, endpoint: httpx.Client) -> None:
    lines = [json.loads(line) for line in (captures / "sdk-every-event.jsonl").read_text().splitlines()]
    sid, statuses = "", []
    for captured in read_capture(captures / "sdk-every-event.jsonl"):
        path = events_of(sid) if captured.path.endswith("/events") else captured.path
        answer = endpoint.request(captured.method, path, content=captured.body, headers=captured.headers)
        sid = sid_of_location(answer.headers.get("Location")) or sid
        statuses.append(answer.status_code)

    assert statuses == [line["status"] for line in lines]


REFUSED: list[tuple[str, Any, str]] = [
    ("a required parameter is missing", start(0, {**START, "media.id": None}), "media.id"),
    ("a length is a string", start(0, {**START, "media.length": "60"}), "media.length"),
    ("a playhead is missing", {"eventType": "sessionStart", "playerTime": {"ts": 1}, "params": START}, "playhead"),
    ("another event", event("play"), "sessionStart"),
    ("the flag of downloaded content", start(0, {**START, "media.downloaded": True}), "downloaded"),
]


@pytest.mark.parametrize(("body", "said"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_the_schema_complains_of_is_a_400_that_says_it(endpoint: httpx.Client, body: Any, said: str) -> None:
    answer = endpoint.post(SESSIONS, json=body)

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    assert said in answer.json()["message"]


def test_an_event_is_validated_by_its_own_schema(endpoint: httpx.Client) -> None:
    sid = open_session(endpoint)

    assert send(endpoint, sid, "adStart", 0, {"media.ad.length": 15}) == 400
    assert send(endpoint, sid, "pause") == 400
    assert send(endpoint, sid, "adBreakStart", 0, {"media.ad.podIndex": 0, "media.ad.podSecond": 0}) == 204
    assert endpoint.post(events_of(sid), content=b'{"eventType":').status_code == 400
    assert endpoint.post(events_of(sid), json=start()).status_code == 400


def test_an_unknown_session_is_a_404_and_an_ended_one_a_410(endpoint: httpx.Client) -> None:
    sid = open_session(endpoint)

    assert send(endpoint, "0" * 64, "play") == 404
    assert send(endpoint, sid, "sessionComplete") == 204
    assert send(endpoint, sid, "play") == 204
    assert send(endpoint, sid, "sessionEnd") == 204
    assert [send(endpoint, sid, event_type) for event_type in ("ping", "sessionEnd", "play")] == [410, 204, 410]


def test_a_second_end_and_a_session_of_a_day_are_answered_as_the_options_say() -> None:
    """At a million times the speed, a day is 86 ms."""
    options = ("--second-end", "410", "--over-limit", "404", "--time-scale", "1000000")
    with running("serve", "-q", *options[:2]) as opened, httpx.Client(base_url=opened.url) as player:
        sid = open_session(player)
        assert [send(player, sid, "sessionEnd") for _ in range(2)] == [204, 410]
    with running("serve", "-q", *options) as opened, httpx.Client(base_url=opened.url) as player:
        sid = open_session(player)
        time.sleep(0.2)
        assert send(player, sid, "ping", 1) == 404


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_schemas_are_served(endpoint: httpx.Client, event_type: str) -> None:
    answer = endpoint.get(f"/api/v1/schemas/{event_type}")
    head = endpoint.head(f"/api/v1/schemas/{event_type}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == build_schema(event_type, str(endpoint.base_url).rstrip("/"))
    assert (head.status_code, head.content) == (200, b"")


def test_the_schema_of_no_event_type_is_a_404_that_names_them(endpoint: httpx.Client) -> None:
    answer = endpoint.get("/api/v1/schemas/pause")

    assert answer.status_code == 404
    assert "pauseStart" in answer.json()["message"]


def downloaded(*types: str, **params: object) -> list[dict[str, Any]]:
    first = start_with({"media.downloaded": True, **params})
    return [first, *(event(kind, number, number) for number, kind in enumerate(types, start=1))]


def test_downloaded_content_comes_as_one_array(endpoint: httpx.Client) -> None:
    whole = downloaded("play", "ping", "sessionComplete")

    assert endpoint.post(DOWNLOADED, json=whole).status_code == 201
    assert endpoint.post(DOWNLOADED, json=whole[1:]).status_code == 400
    assert endpoint.post(DOWNLOADED, json=[*whole, whole[0]]).status_code == 400
    assert endpoint.post(DOWNLOADED, json=[]).status_code == 400
    assert endpoint.post(DOWNLOADED, json=whole[0]).status_code == 400


def test_the_deprecated_array_goes_to_sessions_with_its_flag_only(endpoint: httpx.Client) -> None:
    whole = downloaded("play", "sessionComplete")
    without = [start(), *whole[1:]]

    assert endpoint.post(SESSIONS, json=whole).status_code == 201
    assert endpoint.post(SESSIONS, json=without).status_code == 400


@pytest.mark.parametrize("path", [SESSIONS, DOWNLOADED, "/api/v1/sessions/any/events", "/api/v1/schemas/play"])
def test_a_preflight_is_a_200_with_nothing_in_it(endpoint: httpx.Client, path: str) -> None:
    answer = endpoint.options(
        path, headers={"Origin": "https://player.example", "Access-Control-Request-Method": "POST"}
    )

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS,POST,PUT"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", SESSIONS, "POST"),
        ("PUT", SESSIONS, "POST"),
        ("DELETE", "/api/v1/sessions/any/events", "POST"),
        ("HEAD", SESSIONS, "POST"),
        ("GET", DOWNLOADED, "POST"),
        ("POST", "/api/v1/schemas/play", "GET"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    endpoint: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = endpoint.request(method, path)

    assert answer.status_code == 405
    assert allowed in answer.headers["Allow"]


def test_a_path_before_the_api_counts_and_no_other_path_does(endpoint: httpx.Client) -> None:
    assert endpoint.post(f"/tenant/va{SESSIONS}", json=start()).status_code == 201
    assert endpoint.post("/api/v2/sessions", json=start()).status_code == 404


def test_explain_says_why_a_call_was_refused_and_no_more() -> None:
    with running("serve", "--explain") as server, httpx.Client() as player:
        player.post(f"{server.url}/api/v1/sessions", json={**start(), "eventType": "sesionStart"})
        player.post(f"{server.url}/api/v1/sessions", json=start())
        server.stop()

    refused, taken = (line for line in server.lines if " 0.000  " in line)
    assert refused.endswith("  400  unknown-event-type eventType")
    assert taken.endswith("  201")


def test_undocumented_parameters_pass_but_not_under_strict_schema(endpoint: httpx.Client) -> None:
    body = start(0, {**START, "media.invented": "x"})
    assert endpoint.post(SESSIONS, json=body).status_code == 201
    with running("serve", "--strict-schema") as strict:
        refused = httpx.post(strict.url + SESSIONS, json=body)
        taken = httpx.post(strict.url + SESSIONS, json=start())

    assert (refused.status_code, taken.status_code) == (400, 201)
    assert "media.invented" in refused.json()["message"]


def test_a_recorded_schema_takes_precedence(tmp_path: Path) -> None:
    """The recording's play must have a reason; the built-in one has no such thing."""
    schema = build_schema("play")
    schema["definitions"]["play"]["required"].append("reason")
    schema["definitions"]["play"]["properties"]["reason"] = {"type": "string"}
    served = response(200, [("Content-Type", "application/json")], orjson.dumps(schema))
    asked = exchange(request(b"", "/api/v1/schemas/play", "GET"), served)
    recording = write(tmp_path / "schema.jsonl", [asked, *session("recorded", [])])
    with running("serve", recording) as opened, httpx.Client(base_url=opened.url) as player:
        told = player.get("/api/v1/schemas/play").json()
        sid = open_session(player)
        refused = player.post(events_of(sid), json=event("play"))
        taken = player.post(events_of(sid), json=event("play", reason="autoplay"))
        ping = send(player, sid, "ping")

    assert told == schema | {"id": f"{opened.url}/api/v1/schemas/play"}
    assert (refused.status_code, taken.status_code, ping) == (400, 204, 204)
    assert "reason" in refused.json()["message"]


# ---- The back end's clock ----


def test_the_timeouts_pass_by_the_scaled_clock() -> None:
    """600 times as fast, ten minutes of silence are a second and thirty without movement are three."""
    with running("serve", "-q", "--time-scale", "600") as opened, httpx.Client(base_url=opened.url) as player:
        silent, stalled, moving = (open_session(player) for _ in range(3))
        began = time.monotonic()
        playhead, took = 0.0, 0.0
        while send(player, stalled, "ping", 5) != 410:
            playhead, took = playhead + 1, time.monotonic() - began
            assert send(player, moving, "ping", playhead) == 204
            assert took < TIMEOUT_SECONDS
            time.sleep(0.05)
        assert 2.5 < took < 10
        assert send(player, silent, "ping") == 410
        assert send(player, moving, "ping", playhead + 1) == 204
        assert send(player, open_session(player), "play") == 204


# ---- Processes ----


def test_two_workers_answer_and_their_summaries_add_up(tmp_path: Path) -> None:
    import asyncio

    recording, summary = write(tmp_path / "telling.jsonl", distinct_recording(4, 1)), tmp_path / "summary.json"
    viewers = [SimulatedPlayer(number, f"clip-{number % 4}") for number in range(60)]
    with running("serve", recording, "--strict", "-q", "--workers", 2, "--summary", summary) as opened:
        asyncio.run(asyncio.wait_for(play_all(opened.port, viewers, 40), 60))
        code = opened.stop()

    told = summary_of(summary)["replay"]
    sent = len(viewers) * (1 + sum(map(len, BURSTS)))
    assert [viewer.wrong for viewer in viewers if viewer.wrong] == []
    assert (told["hits"], told["misses"], told["unused"], told["playbacks"]) == (sent, 0, [], len(viewers))
    assert code == 0


def test_a_session_goes_on_when_all_workers_were_killed(tmp_path: Path) -> None:
    pings: list[tuple[float, float, str, dict[str, Any]]] = [(at, at, "ping", {}) for at in (10, 20, 30, 40)]
    recording, summary = write(tmp_path / "one.jsonl", session("recorded", pings)), tmp_path / "summary.json"
    with running("serve", recording, "--on-miss", "error", "--workers", 2, "--summary", summary) as opened:
        with httpx.Client(base_url=opened.url, timeout=TIMEOUT_SECONDS) as player:
            sid = open_session(player)
            killed = workers_of(opened.process.pid)
            assert send(player, sid, "ping", 10) == 204
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
        told = [opened.wait_for(lambda line: " died: " in line) for _ in killed]
        with httpx.Client(base_url=opened.url, timeout=TIMEOUT_SECONDS) as player:
            assert [send(player, sid, "ping", at) for at in (20, 30, 40)] == [204] * 3
        code = opened.stop()

    assert sorted(told) == [
        f"tapehead: worker {number} of 2 died: killed by SIGKILL; another one starts in 0.5 s" for number in (1, 2)
    ]
    died = "2 workers died: calls that were in flight there are missing, and other requests of their last second"
    assert f"tapehead: {died}, which counts as 2 internal errors" in opened.lines
    # What the dead ones answered is counted.
    assert (summary_of(summary)["failures"], summary_of(summary)["replay"]["hits"], code) == (2, 5, 1)
    assert summary_of(summary)["calls"] == 5


def test_serving_imports_no_mitmproxy() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "tapehead", "serve", "--listen", "127.0.0.1:0"]
    with start_program(*command) as opened:
        url = opened.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
        assert httpx.post(url + SESSIONS, json=start()).status_code == 201
        assert opened.stop() == 0

    imported = [line.rpartition("|")[2].strip() for line in opened.lines if line.startswith("import time:")]
    assert "uvicorn.server" in imported
    assert [name for name in imported if name.startswith("mitmproxy")] == []


@pytest.mark.parametrize("command", ["serve", "replay"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_call_in_hand_end(command: str, number: int, tmp_path: Path) -> None:
    recording = write(tmp_path / "one.jsonl", session("recorded", [(1, 0, "play", {})]))
    with running(command, recording, "--fault", "event:play=delay:800") as opened, httpx.Client() as player:
        (started,) = resend(player, opened.url, in_order(recording)[:1])
        assert started is not None
        body = orjson.dumps(event("play", 0, 1))
        with socket.create_connection(opened.address, TIMEOUT_SECONDS) as line:
            head = f"POST {started.headers['Location']}/events HTTP/1.1\r\nHost: example\r\n"
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            # Answered by the same loop, so what came before is in hand.
            assert player.options(opened.url + SESSIONS).status_code == 200
            assert opened.process.poll() is None
            code = opened.stop(number)
            answer = line.recv(65536)

    assert answer.startswith(b"HTTP/1.1 204 ")
    assert code == 0
    assert any(line.startswith("played 1 session: 3 hits") for line in opened.lines)
