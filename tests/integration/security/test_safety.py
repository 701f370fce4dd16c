"""Safety: no recording overwritten, no half line, no terminal steered, no player stalled by one body."""

import json
import socket
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import NOW, exchange, request
from support.paths import RECORDINGS_FOLDER
from support.processes import run_tapehead, running
from support.processor_time import least_processor_seconds
from support.rules import PING
from support.upstream_server import SID, upstream
from tapehead.protocol.exchange import Finding
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.redaction.redactor import Redactor
from tapehead.rules.exchange_checks import MOST_FINDINGS, check_request

RECORDINGS = RECORDINGS_FOLDER
EVENTS = f"/api/v1/sessions/{SID}/events"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "kept.jsonl"
    path.write_bytes((RECORDINGS / "timeline-1.jsonl").read_bytes())
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "kept.jsonl", "--format", "json", "-o", "kept.jsonl"],
        ["diff", "kept.jsonl", "kept.jsonl", "--format", "json", "-o", "./kept.jsonl"],
        ["replay", "kept.jsonl", "--summary", "kept.jsonl"],
        ["serve", "kept.jsonl", "--summary", "kept.jsonl"],
        ["demo", "--out", "kept.jsonl"],
    ],
)
def test_nothing_is_written_over_what_is_read(command: list[str], recording: Path) -> None:
    before = recording.read_bytes()
    done = run_tapehead(*command, cwd=recording.parent)

    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1
    assert recording.read_bytes() == before


def test_a_start_that_fails_keeps_what_it_was_to_replace(recording: Path) -> None:
    before = recording.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        options = ["--out", recording, "--overwrite", "--listen", listen]
        done = run_tapehead("record", "--to", "http://127.0.0.1:9", *options)

    assert done.returncode == 2
    assert recording.read_bytes() == before


def test_a_first_call_replaces_what_was_there(recording: Path) -> None:
    with upstream() as server, running("record", "--to", server.url, "--out", recording, "--overwrite") as proxy:
        httpx.post(proxy.url + EVENTS, json=PING)
        proxy.stop()

    assert len(read(recording)) == 1


def test_a_path_that_is_no_utf_8_is_recorded(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        with socket.create_connection(proxy.address) as player:
            body = json.dumps(PING).encode()
            head = f"POST /\udcff{EVENTS}?a=\udcff HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            player.sendall(head.encode("utf-8", "surrogateescape") + body)
            assert player.recv(1000).startswith(b"HTTP/1.1 200")
        assert proxy.stop() == 0

    (recorded,) = read(out)
    assert recorded.request.url.endswith(f"/%FF{EVENTS}?a=%FF")


def test_one_hostile_body_stalls_nobody_for_long(tmp_path: Path) -> None:
    """Against its own reading by a plain parser, so that a slow machine does not matter."""
    identifiers = b'{"analytics.aid":[' + b"1," * 500_000 + b"1]}"
    keys = json.dumps({**PING, "params": {f"k{number}": 1 for number in range(50_000)}}).encode()
    redactor, schemas = Redactor(b"key"), Schemas()
    found: list[Finding] = []

    def parse() -> None:
        json.loads(identifiers)
        json.loads(keys)

    def check() -> None:
        redactor.redact(exchange(request(identifiers), None))
        found[:] = check_request(Call.EVENT, request(keys), NOW * 1000, schemas)

    assert least_processor_seconds(check) < 100 * least_processor_seconds(parse)
    assert len(found) == MOST_FINDINGS + 1
    assert "are not listed" in found[-1].message


def test_a_body_that_lies_about_its_coding_keeps_no_identifier(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    body = b'{"eventType":"play","params":{"analytics.visitorId":"jane.doe@example.com"}}'
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        httpx.post(proxy.url + EVENTS, content=body, headers={"Content-Encoding": "gzip"})
        proxy.stop()

    assert server.received[0].body == body
    assert b"jane.doe" not in read(out)[0].request.content()


def test_a_player_steers_no_terminal(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    body = {"eventType": "\x1b[2Jplay\nping", "playerTime": {"playhead": 0, "ts": 1}}
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        httpx.post(proxy.url + EVENTS, json=body)
        proxy.stop()

    assert not any("\x1b" in line for line in proxy.lines)
    assert "\x1b" not in run_tapehead("show", out, SID[:4]).stdout


def test_a_call_gone_astray_is_bad_news_for_a_strict_replay(recording: Path) -> None:
    with running("replay", recording, "--on-miss", "error") as proxy:
        answer = httpx.post(f"{proxy.url}/api/v1/session", json=PING)
        assert proxy.stop() == 1

    assert answer.status_code == 501
    assert "not a Media Collection call: POST /api/v1/session;" in answer.json()["message"]
    assert any("did you mean /api/v1/sessions?" in line for line in proxy.lines)
    assert "refused 1 other request to the endpoint: no Media Collection call" in proxy.lines


def test_an_audit_that_could_not_read_what_was_named_says_so_by_its_exit(recording: Path) -> None:
    done = run_tapehead("audit", "kept.jsonl", "missing.jsonl", "--format", "json", cwd=recording.parent)

    assert done.returncode == 2
    assert "there is no file 'missing.jsonl'" in done.stderr
    assert json.loads(done.stdout)["summary"]["sessions"] == 1


def test_one_recording_under_two_names_is_audited_once(recording: Path) -> None:
    done = run_tapehead("audit", "kept.jsonl", recording, "--format", "json", cwd=recording.parent)

    assert json.loads(done.stdout)["summary"]["sessions"] == 1
