"""Servers without a call, and recordings without a session: that is said, and is no success."""

from pathlib import Path

import httpx
import pytest

from support.exchanges import exchange, request, response, session, start
from support.har_files import har_of
from support.processes import TIMEOUT_SECONDS, running
from support.resend import write
from tapehead.cli.app import run

SESSIONS = "/api/v1/sessions"
HOST = b"example.hb-api.omtrdc.net"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_a_server_without_a_call_says_what_came(workers: int, options: tuple[str, ...]) -> None:
    with running("serve", "--workers", workers, *options) as server:
        with httpx.Client(base_url=server.url, timeout=TIMEOUT_SECONDS) as player:
            player.get("/?s:event:type=start")
            player.post("/api/v1/session", json={})
            player.options(SESSIONS)
        assert server.stop() == len(options)

    heartbeats = "heartbeats of an older media SDK were seen (127.0.0.1 (1)), which tapehead does not read"
    assert [line for line in server.lines if line.startswith("tapehead: ")] == [
        f"tapehead: no Media Collection call came, only 2 other requests; set the player's endpoint to {server.url}",
        "tapehead: 1 other request to the endpoint: not a Media Collection call; did you mean /api/v1/sessions?",
        f"tapehead: {heartbeats}: the player has to send Media Collection calls",
    ]


def test_a_server_tells_silence_while_it_lasts() -> None:
    soon = "import tapehead.cli.missing_calls as calls; calls.SILENCE_SECONDS = 0.5"
    with running("serve", broken=soon) as server:
        server.wait_for(lambda line: line.startswith("no Media Collection call came in 0.5 seconds, nor anything else"))


def test_a_server_with_calls_says_nothing_of_silence() -> None:
    with running("serve", "--strict") as server:
        httpx.post(f"{server.url}{SESSIONS}", json=start())
        assert server.stop() == 0

    assert not [line for line in server.lines if line.startswith("tapehead: ")]


# ---- Recordings without a session ----


@pytest.fixture
def sessionless(tmp_path: Path) -> str:
    return str(write(tmp_path / "a.jsonl", [exchange(request(method="OPTIONS"), response(200))]))


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(write(tmp_path / "b.jsonl", session("s1", [(0, 0, "play", {}), (5, 5, "sessionComplete", {})])))


@pytest.mark.parametrize(("options", "code"), [((), 1), (("--fail-on", "never"), 0)])
def test_an_audit_of_no_session_fails(
    sessionless: str, options: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", sessionless, *options]) == code
    assert f"tapehead: no session in '{sessionless}'; record or save traffic" in capsys.readouterr().err


def test_a_diff_of_no_session_fails(sessionless: str, recording: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", sessionless, sessionless]) == 1
    assert capsys.readouterr().err.count(f"tapehead: no session in '{sessionless}'; record or save traffic") == 2
    assert run(["diff", recording, recording]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("pattern", "is_told"),
    [
        ("media.adpod.*", True),
        ("pings", True),
        ("ping", False),
        ("media.ad.*", False),
        ("params.media.id", False),
        ("a-rule-of-none", True),
        ("ping-gap", False),
        ("content_*", False),
    ],
)
def test_what_a_diff_ignores_in_vain_is_told(
    pattern: str, is_told: bool, recording: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", recording, recording, "--ignore", pattern]) == 0
    line = f"tapehead: --ignore '{pattern}' matches nothing: no parameter, event type, metric or rule\n"
    assert capsys.readouterr().err == (line if is_told else "")


def test_show_says_that_there_is_no_session(sessionless: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", sessionless]) == 0
    assert f"tapehead: no session in '{sessionless}'; record or save traffic" in capsys.readouterr().err


# ---- HAR files of hosts that are not Adobe's ----


@pytest.mark.parametrize("command", ["audit", "show", "diff"])
def test_calls_to_a_host_of_ones_own_are_read_where_it_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = session("s1", [(0, 0, "play", {}), (5, 5, "sessionComplete", {})])
    path = tmp_path / "a.har"
    path.write_bytes(har_of(calls).replace(HOST, b"metrics.example.com"))
    paths = [str(path)] * (2 if command == "diff" else 1)

    assert run([command, *paths]) == 2
    assert "; pass --endpoint metrics.example.com if that is the endpoint" in capsys.readouterr().err.splitlines()[0]
    assert run([command, *paths, "--endpoint", "*.example.com"]) == 0


def test_a_replay_and_a_server_read_calls_to_a_host_of_ones_own(tmp_path: Path) -> None:
    calls = session("s1", [(0, 0, "play", {}), (5, 5, "sessionComplete", {})])
    path = tmp_path / "a.har"
    path.write_bytes(har_of(calls).replace(HOST, b"metrics.example.com"))

    for command in ("replay", "serve"):
        with running(command, path, "--endpoint", "https://metrics.example.com/") as server:
            assert httpx.post(f"{server.url}{SESSIONS}", json=start()).status_code == 201
