"""Recordings to replay: captures of the vendor's SDK, and a session in which everything fails that can."""

from pathlib import Path
from typing import Any

import httpx

from support.captured_traffic import read_capture, send
from support.exchanges import event, exchange, opened, request, response, sent, start_with
from support.paths import DATA
from support.processes import running
from support.upstream_server import SID, upstream
from tapehead.protocol.exchange import Exchange

CAPTURE_FOLDER = DATA / "captures"
# The captures, and the session id of each.
CAPTURES = {"sdk-sample-player.jsonl": SID, "sdk-every-event.jsonl": "bbc582e151655888"}


def record_capture(name: str, out: Path) -> Path:
    """Record a capture of the vendor's SDK before a server that answers as the endpoint."""
    capture = read_capture(CAPTURE_FOLDER / name)
    with upstream(sid=CAPTURES[name]) as server, running("record", "--to", server.url, "--out", out, "-q") as proxy:
        with httpx.Client() as player:
            send(player, proxy.url, capture)
        assert proxy.stop() == 0
    return out


def failing() -> list[Exchange]:
    """A start refused, a start unanswered, a start at last; then failures of every sort in the session."""
    start, sid = start_with({}), "recorded-sid"
    refused = response(500, [("Content-Type", "application/json")], b'{"message": "try later"}')
    events: list[tuple[str, float, Any]] = [
        ("play", 0, 204),
        ("bufferStart", 1, 400),
        ("play", 2, None),
        ("pauseStart", 3, response(404, [("X-Recorded", "yes")], b'{"message": "lost"}')),
        ("play", 4, 204),
        ("ping", 10, 500),
        ("ping", 20, None),
        ("ping", 30, 204),
        ("sessionEnd", 31, 204),
        ("ping", 41, 410),
        ("play", 42, 410),
    ]
    return [
        exchange(request(start), refused, 0),
        exchange(request(start), None, 1),
        opened(sid, start, 2),
        *(sent(sid, event(kind, at, at), 3 + at, status) for kind, at, status in events),
        sent("nobody", event("play", 5, 50), 50, 404),
    ]
