"""A recorded schema that cannot be used is a warning in every command that reads it, and ends none."""

from pathlib import Path

import httpx
import pytest

from support.exchanges import event, exchange, request, response, session, start
from support.processes import run_tapehead, running
from support.resend import write
from tapehead.protocol.exchange import Exchange

WHY = "the schema of play is no JSON Schema: type: "
NONE = "the schema of ping cannot be used: expected a JSON object, got no JSON"


def served(event_type: str, content: bytes, at: float) -> Exchange:
    return exchange(request(b"", f"/api/v1/schemas/{event_type}", "GET"), response(200, [], content), at)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A session, and three answers to the schema call that are no schemas, one of them twice."""
    schemas = [
        served("play", b'{"type": 7}', 1),
        served("play", b'{"type": 7}', 2),
        served("ping", b"<html>", 3),
    ]
    return write(
        tmp_path / "schemas.jsonl", [*session("abc", [(0, 0, "play", {}), (5, 5, "sessionEnd", {})]), *schemas]
    )


def assert_warned(lines: list[str], recording: Path) -> None:
    warned = [line for line in lines if "the schema of" in line]
    assert len(warned) == 2
    assert warned[0].startswith(f"tapehead: {recording}:4: {WHY}")
    assert warned[1] == f"tapehead: {recording}:6: {NONE}; the documented one counts instead"


@pytest.mark.parametrize("command", [("audit", "--fail-on", "never"), ("show",), ("diff",)])
def test_reading_warns_and_goes_on(command: tuple[str, ...], recording: Path) -> None:
    name, *options = command
    others = [recording.parent / "same.jsonl"] if name == "diff" else []
    for path in others:
        path.write_bytes(recording.read_bytes())
    done = run_tapehead(name, recording, *others, *options)

    assert done.returncode == 0, done.stderr
    assert_warned([line for line in done.stderr.splitlines() if "same.jsonl" not in line], recording)


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_answering_warns_and_uses_the_documented_schema(command: str, recording: Path) -> None:
    with running(command, recording) as opened, httpx.Client(base_url=opened.url) as player:
        located = player.post("/api/v1/sessions", json=start()).headers["Location"]
        refused = player.post(f"{located}/events", json=event("play", 500) | {"playerTime": {"ts": 1}})
        bare = player.post("/api/v1/sessions", json=start(params={}))
        assert opened.stop() == 0

    assert refused.status_code == 204  # as recorded
    assert bare.status_code == 400
    assert_warned(opened.lines, recording)
