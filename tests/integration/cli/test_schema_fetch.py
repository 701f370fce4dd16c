"""Schemas are fetched from an endpoint, stored beside recordings, used there, and compared the next time."""

import http.server
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import HOST, event, session, start
from support.processes import run_tapehead, running, web_server
from support.resend import write
from support.upstream_server import free_port, hang_up, raw_server
from tapehead.cli.schema_run import fetch
from tapehead.errors import TapeheadError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import build_schema

Answers = dict[str, tuple[int, bytes]]


@pytest.fixture
def answers() -> Answers:
    """What the endpoint answers by event type; the documented schema if left out."""
    return {}


@pytest.fixture
def endpoint(answers: Answers) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            event_type = self.path.rpartition("/")[2]
            status, body = answers.get(event_type, (200, json.dumps(build_schema(event_type, url)).encode()))
            self.send_response(status)
            self.send_header("Set-Cookie", "visitor=jane")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with web_server(Handler) as url:
        yield url


def schema_of(event_type: str, change: Callable[[dict[str, Any]], None]) -> tuple[int, bytes]:
    schema = build_schema(event_type)
    change(schema["definitions"][event_type])
    return 200, json.dumps(schema).encode()


def fetched(url: str, out: Path) -> Any:
    return run_tapehead("schema", "--from", url, "--out", out)


def test_all_twenty_are_stored_without_what_identifies(endpoint: str, tmp_path: Path) -> None:
    done = run_tapehead("schema", "--from", f"{endpoint}/api/v1/", cwd=tmp_path)
    path = tmp_path / "recordings" / "schemas.jsonl"
    stored = read(path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"stored 20 schemas of {endpoint} in 'recordings/schemas.jsonl'; audit, replay and serve use them for"
        " recordings in its folder\n"
    )
    assert [each.request.url for each in stored] == [f"{endpoint}/api/v1/schemas/{name}" for name in EVENT_TYPES]
    assert {each.call for each in stored} == {Call.SCHEMA}
    assert [each.response and each.response.json() for each in stored] == [
        build_schema(name, endpoint) for name in EVENT_TYPES
    ]
    assert "jane" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_later_fetch_says_what_changed(endpoint: str, answers: Answers, tmp_path: Path) -> None:
    out = tmp_path / "schemas.jsonl"
    assert fetched(endpoint, out).returncode == 0
    same = fetched(endpoint, out).stdout.splitlines()

    def change_start(schema: dict[str, Any]) -> None:
        params = schema["properties"]["params"]
        params["properties"]["media.new"] = {"type": ["string", "null"]}
        params["properties"]["media.needed"] = {"type": "integer"}
        params["properties"]["media.length"] = {"type": "integer", "minimum": 1}
        del params["properties"]["media.feed"]
        params["required"] = [*params["required"][:-1], "media.needed", "media.name"]

    answers["sessionStart"] = schema_of("sessionStart", change_start)
    answers["ping"] = schema_of("ping", lambda schema: schema.update(additionalProperties=True))
    changed = fetched(endpoint, out).stdout.splitlines()

    assert same[1].startswith("no schema has changed since 20")
    assert changed[1:] == [
        "sessionStart: added params.media.new (string or null)",
        "sessionStart: added params.media.needed (integer, required)",
        "sessionStart: removed params.media.feed",
        "sessionStart: params.media.name is required now",
        "sessionStart: params.media.length is integer, was number",
        "sessionStart: params.media.length: minimum changed",
        "sessionStart: params.media.channel is no longer required",
        "ping: the body: additionalProperties changed",
    ]
    assert fetched(endpoint, out).stdout.splitlines()[1].startswith("no schema has changed since 20")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"{}"), "the endpoint has no schema of ping: it answered 404"),
        ((200, b"<html>"), "the schema of ping cannot be used: expected a JSON object, got no JSON"),
        ((200, b'{"type": 7}'), "the schema of ping is no JSON Schema: type: "),
    ],
)
def test_one_that_cannot_be_used_is_named_and_costs_no_other(
    answer: tuple[int, bytes], said: str, endpoint: str, answers: Answers, tmp_path: Path
) -> None:
    answers["ping"] = answer
    done = fetched(endpoint, tmp_path / "schemas.jsonl")
    del answers["ping"]
    again = fetched(endpoint, tmp_path / "schemas.jsonl")
    answers["ping"] = answer
    kept = fetched(endpoint, tmp_path / "schemas.jsonl")

    assert (done.returncode, again.returncode, kept.returncode) == (1, 0, 1)
    assert done.stderr.startswith(f"tapehead: {said}")
    assert done.stderr.endswith("; the documented one counts\n")
    assert "stored 19 schemas" in done.stdout
    assert again.stdout.splitlines()[1] == "ping: not stored before"
    assert kept.stderr.endswith("; the stored one is kept\n")
    assert len(read(tmp_path / "schemas.jsonl")) == 20


def test_an_endpoint_without_any_changes_nothing(endpoint: str, answers: Answers, tmp_path: Path) -> None:
    out = tmp_path / "schemas.jsonl"
    fetched(endpoint, out)
    before = out.read_bytes()
    answers.update(dict.fromkeys(EVENT_TYPES, (404, b"")))
    done = fetched(endpoint, out)

    assert done.returncode == 2
    assert done.stderr.endswith(f"nothing is stored: '{endpoint}' serves no schema that can be used\n")
    assert out.read_bytes() == before


def test_an_endpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = fetched(url, tmp_path / "schemas.jsonl")

    assert done.returncode == 2
    assert done.stderr == f"tapehead: cannot fetch '{url}/api/v1/schemas/sessionStart': Connection refused\n"
    assert not (tmp_path / "schemas.jsonl").exists()


def test_an_endpoint_that_hangs_up_is_named(tmp_path: Path) -> None:
    with raw_server(hang_up) as url:
        done = fetched(url, tmp_path / "schemas.jsonl")

    assert done.returncode == 2
    assert done.stderr.startswith(f"tapehead: cannot fetch '{url}/api/v1/schemas/sessionStart': ")


def test_an_endpoint_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TapeheadError) as raised:
            fetch(url, tmp_path / "schemas.jsonl", pytest.fail, timeout_seconds=0.2)

    assert str(raised.value) == f"'{url}/api/v1/schemas/sessionStart' did not answer within 0.2 s"


FAILURES = {
    b"HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n": "cannot fetch '{}': IncompleteRead(0 bytes read)",
    b"HTTP/1.1 404 \r\nContent-Length: 9\r\n\r\nx": "'{}' did not answer within 0.5 s",
    b"\x1b[31m\0": "cannot fetch '{}': \ufffd[31m\ufffd\ufffd\ufffd",
}


@pytest.mark.parametrize("answer", FAILURES)
def test_an_answer_that_breaks_is_named_in_a_line_whatever_its_status(answer: bytes, tmp_path: Path) -> None:
    def send(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer + (b"\r\n" if b"HTTP" not in answer else b""))
        if b"Content-Length" in answer:
            time.sleep(1)

    with raw_server(send) as url, pytest.raises(TapeheadError) as raised:
        fetch(url, tmp_path / "schemas.jsonl", pytest.fail, timeout_seconds=0.5)

    assert str(raised.value) == FAILURES[answer].format(f"{url}/api/v1/schemas/sessionStart")


def test_an_answer_that_comes_byte_by_byte_is_given_up(tmp_path: Path) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.05)

    with raw_server(drip) as url, pytest.raises(TapeheadError, match=r"did not answer within 0\.5 s"):
        fetch(url, tmp_path / "schemas.jsonl", pytest.fail, timeout_seconds=0.5)


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "http://[::1/x", "file:///etc/passwd", "/again"])
def test_a_redirect_leads_nowhere(location: str, tmp_path: Path) -> None:
    def redirect(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    told: list[str] = []
    with raw_server(redirect) as url, pytest.raises(TapeheadError, match="' serves no schema that can be used"):
        fetch(url, tmp_path / "schemas.jsonl", told.append)

    assert told[0] == "the endpoint has no schema of sessionStart: it answered 302; the documented one counts"
    assert len(told) == 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "company"), "invalid --from 'company': expected an http or https URL"),
        (("--from", "http://127.0.0.1:1", "play"), "--from fetches the schemas of all event types"),
        (("--out", "x.jsonl"), "--out needs --from URL"),
    ],
)
def test_arguments_that_do_not_fit(arguments: tuple[str, ...], said: str) -> None:
    done = run_tapehead("schema", *arguments)

    assert done.returncode == 2
    assert said in done.stderr


def test_a_recording_of_other_calls_is_not_overwritten(endpoint: str, tmp_path: Path) -> None:
    recording = write(tmp_path / "schemas.jsonl", session("abc", []))
    before = recording.read_bytes()
    done = fetched(endpoint, recording)

    assert done.returncode == 2
    assert "is a recording with other calls" in done.stderr
    assert recording.read_bytes() == before


# ---- Used by other commands ----


@pytest.fixture
def strict_play(endpoint: str, answers: Answers, tmp_path: Path) -> Path:
    """A recording from the endpoint, and its schemas beside it, fetched later: a play needs a reason."""
    answers["play"] = schema_of("play", lambda schema: schema["required"].append("reason"))
    recording = tmp_path / "r.jsonl"
    write(recording, session("abc", [(1, 0, "play", {}), (6, 5, "sessionEnd", {})]))
    recording.write_text(recording.read_text().replace(HOST, endpoint))
    assert fetched(endpoint, tmp_path / "schemas.jsonl").returncode == 0
    return recording


@pytest.mark.parametrize("named", ["file", "folder"])
def test_audit_uses_them_for_recordings_in_their_folder(named: str, strict_play: Path) -> None:
    done = run_tapehead("audit", strict_play if named == "file" else strict_play.parent, "-v")

    assert done.returncode == 1
    assert "play: reason is missing; it is required" in done.stdout


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_answers_are_simulated_with_them(command: str, strict_play: Path) -> None:
    with running(command, strict_play.parent, "--strict") as opened, httpx.Client(base_url=opened.url) as player:
        located = player.post("/api/v1/sessions", json=start()).headers["Location"]
        recorded = [
            player.post(f"{located}/events", json=event(kind, at, at)) for kind, at in (("play", 0), ("sessionEnd", 5))
        ]
        missed = player.post(f"{located}/events", json=event("play", 300, 300))
        schema = player.get("/api/v1/schemas/play").json()
        opened.stop()

    assert [each.status_code for each in recorded] == [204, 204]
    assert missed.status_code == 400
    assert "reason is missing" in missed.json()["message"]
    assert "reason" in schema["definitions"]["play"]["required"]
    assert schema["id"] == f"{opened.url}/api/v1/schemas/play"
    assert "played 1 session: 3 hits, 2 misses, 0 recorded exchanges unused" in opened.lines
