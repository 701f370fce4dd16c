"""Forwarding of calls to a real endpoint."""

import asyncio
import http.server
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import httpx
import pytest

from support.exchanges import request, start
from support.processes import web_server
from support.upstream_server import raw_server
from tapehead.answers import Answer, Outcome
from tapehead.protocol.messages import Response
from tapehead.server.forwarding import Forwarder, ForwardingError
from tapehead.server.uvicorn_server import Server
from tapehead.simulator.forwarding_engine import ForwardingEngine

PATH = "/api/v1/sessions"
# Of several players at once; more than a pool of threads has.
PLAYERS = 40


class Endpoint(http.server.BaseHTTPRequestHandler):
    """An endpoint behind a path, which names itself in its answers."""

    protocol_version = "HTTP/1.1"
    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Open a session."""
        self.paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response_only(103)
        self.send_header("Location", "/early")
        self.end_headers()
        self.send_response(201)
        self.send_header("Location", f"http://{self.headers['Host']}/base/api/v1/sessions/abc?region=6")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def forwarded(forward: Forwarder, method: str = "POST") -> Response:
    """Return the answer to a call."""
    return asyncio.run(_forwarded(forward, method))


async def _forwarded(forward: Forwarder, method: str = "POST") -> Response:
    return await forward(request(start() if method == "POST" else None, f"{PATH}?a=b", method=method))


def answering(*pieces: bytes, closes: bool = True) -> Callable[[socket.socket], None]:
    """Return what answers a connection with some bytes, and closes it, or leaves that to the other side."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        for piece in pieces:
            connection.sendall(piece)
        while not closes and connection.recv(65_536):
            pass

    return serve


def test_a_location_leads_back_to_the_server() -> None:
    with web_server(Endpoint) as url:
        answer = forwarded(Forwarder(f"{url}/base"))

    assert Endpoint.paths == ["/base/api/v1/sessions?a=b"]
    assert answer.header("Location") == "/api/v1/sessions/abc?region=6"
    assert list(answer.header_values("Set-Cookie")) == ["a=1", "b=2"]


def test_an_endpoint_that_is_not_there_is_named() -> None:
    with web_server(Endpoint) as url:
        pass
    with pytest.raises(ForwardingError, match=f"no answer from {url.removeprefix('http://')}: .*") as told:
        forwarded(Forwarder(url))
    assert told.value.status == 502


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    ],
)
@pytest.mark.parametrize("is_in_bytes", [False, True])
def test_an_answer_ends_where_it_says(answer: bytes, body: bytes, is_in_bytes: bool) -> None:
    pieces = [bytes([byte]) for byte in answer] if is_in_bytes else [answer]
    with raw_server(answering(*pieces)) as url:
        assert forwarded(Forwarder(url)).content() == body


def test_an_answer_to_head_has_no_body() -> None:
    with raw_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", closes=False)) as url:
        assert forwarded(Forwarder(url), "HEAD").content() == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    with raw_server(answering(answer)) as url, pytest.raises(ForwardingError, match="no answer from") as told:
        forwarded(Forwarder(url))
    assert told.value.status == 502


def test_an_endless_answer_is_cut_off() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(b"x" * 65_536)

    with raw_server(serve) as url, pytest.raises(ForwardingError, match="has more than 1,000,000 bytes") as told:
        forwarded(Forwarder(url, most_bytes=1_000_000))
    assert told.value.status == 502


def test_an_answer_that_trickles_is_given_up() -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.01):
                connection.sendall(b"X-More: x\r\n")

    with raw_server(serve) as url, pytest.raises(ForwardingError, match=r"within 0\.3 s") as told:
        forwarded(Forwarder(url, timeout_seconds=0.3))
    ended.set()
    assert told.value.status == 504


def test_slow_answers_delay_no_other() -> None:
    """Forty calls wait for an endpoint that answers none, until the one after them is answered."""
    released, asked = threading.Event(), threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        is_last = b"GET" in connection.recv(65_536)[:3]
        asked.release()
        if not is_last:
            released.wait()
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def play(forward: Forwarder) -> None:
        waiting = [asyncio.create_task(_forwarded(forward)) for _ in range(PLAYERS)]
        for _ in range(PLAYERS):
            await asyncio.to_thread(asked.acquire)
        assert (await _forwarded(forward, "GET")).status == 204
        assert not any(task.done() for task in waiting)
        released.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {204}

    with raw_server(serve) as url:
        asyncio.run(play(Forwarder(url)))


def test_the_player_is_told_why_there_is_no_answer() -> None:
    seen: list[Answer] = []
    ended = threading.Event()

    def serve(_connection: socket.socket) -> None:
        ended.wait()

    with raw_server(serve) as url:
        forward = Forwarder(url, timeout_seconds=0.2)
        observers = [lambda _request, answer, _now: seen.append(answer)]
        with Server(ForwardingEngine(), forward=forward, observers=observers) as server:
            answer = httpx.post(server.url + PATH, json=start())
        ended.set()

    assert answer.status_code == 504
    assert "no answer from" in answer.text
    assert (seen[0].outcome, "within 0.2 s" in seen[0].note) == (Outcome.MISS, True)
