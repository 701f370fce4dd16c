"""Requests to the API whose head is too long get a sentence."""

import contextlib
import json
import socket

import pytest

from support.live_client import LIVE, STREAM, Link, ask, link_of
from support.processes import TIMEOUT_SECONDS, running

LONG = "x" * 60_000


def head_of(link: Link, case: str) -> bytes:
    match case:
        case "query":
            return link.head(f"/tapehead/v1/events?type={LONG}")
        case "path":
            return link.head(f"/tapehead/v1/sessions/{LONG}")
        case "endless":
            return link.head(f"/tapehead/v1/sessions?key={LONG}")[:40_000]
        case "header":
            return link.head("/tapehead/v1/events", "GET", f"X-Long: {LONG}")
        case _:
            return link.head("/tapehead/v1/events", "GET", *(f"X-{number}: {LONG[:600]}" for number in range(90)))


@pytest.mark.parametrize(
    ("case", "status"), [("query", 414), ("path", 414), ("endless", 414), ("header", 431), ("headers", 431)]
)
def test_a_head_that_is_too_long_is_answered_with_a_sentence(case: str, status: int) -> None:
    with running("serve", "-q", *LIVE) as opened:
        link = link_of(opened)
        answer = ask(link.port, head_of(link, case))
        later = ask(link.port, link.head("/tapehead/v1/events"))

    assert answer.status == status
    assert "too long: at most 32000 bytes" in json.loads(answer.body)["error"]
    assert answer.headers["connection"] == "close"
    assert later.status == 200


def test_a_client_that_goes_on_sending_is_disconnected() -> None:
    with running("serve", "-q", *LIVE) as opened:
        with socket.create_connection(("127.0.0.1", link_of(opened).port), TIMEOUT_SECONDS) as endless:
            endless.sendall(b"GET /")
            with contextlib.suppress(OSError):  # reset, or a broken pipe
                while True:
                    endless.sendall(b"x" * 100_000)
        assert opened.stop() == 0


def test_a_long_head_behind_a_request_under_way_breaks_the_connection() -> None:
    with running("serve", "-q", *LIVE) as opened:
        link = link_of(opened)
        with socket.create_connection(("127.0.0.1", link.port), TIMEOUT_SECONDS) as connection:
            connection.sendall(link.head(STREAM) + b"GET /" + LONG.encode() * 2)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(100_000):
                    received += part
    assert b" 414 " not in received
