"""Who closed a connection before the answer, and the order of calls that are in flight together."""

import contextlib
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from support.captured_traffic import read, rules
from support.exchanges import START
from support.processes import Command, run_tapehead, running
from support.upstream_server import SID, free_port, garbage, half_an_answer, hang_up, raw_server, reset
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange

EVENTS = f"/api/v1/sessions/{SID}/events"
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def event(event_type: str) -> bytes:
    return orjson.dumps({"eventType": event_type, "playerTime": {"playhead": 0, "ts": time.time_ns() // 1_000_000}})


def connect(proxy: Command, body: bytes, missing: int = 0) -> socket.socket:
    """A player's connection with a call on its way, the last bytes of its body missing."""
    player = socket.create_connection(proxy.address)
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    player.sendall(head.encode() + body[: len(body) - missing])
    return player


def leave(player: socket.socket) -> None:
    player.close()


def break_off(player: socket.socket) -> None:
    player.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    player.close()


def stop_sending(player: socket.socket) -> None:
    player.shutdown(socket.SHUT_WR)
    player.recv(1000)
    player.close()


@contextlib.contextmanager
def slow_server(seconds: float = 2.0) -> Iterator[str]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        time.sleep(seconds)
        connection.sendall(ANSWER)

    with raw_server(serve) as url:
        yield url


def recorded(url: str, out: Path, play: Callable[[Command], object], count: int = 1) -> list[Exchange]:
    """Record before the server at `url` until there are so many lines."""
    with running("record", "--to", url, "--out", out, "--append") as proxy:
        play(proxy)
        deadline = time.monotonic() + 10
        while out.read_bytes().count(b"\n") < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert proxy.stop() == 0
    return read(out)


@pytest.mark.parametrize("closes", [leave, break_off, stop_sending], ids=lambda each: each.__name__)
def test_a_player_that_leaves_after_its_last_event_is_no_failure(
    closes: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    out, body = tmp_path / "out.jsonl", event("sessionEnd")

    def play(proxy: Command) -> None:
        player = connect(proxy, body)
        time.sleep(0.2)
        closes(player)

    with slow_server() as url:
        (exchange,) = recorded(url, out, play)

    assert (exchange.closed_by, exchange.request.saved, exchange.request.content()) == ("client", True, body)
    assert rules(exchange) == ["client-left"]
    assert run_tapehead("audit", out, "--format", "json").returncode == 0


@pytest.mark.parametrize("closes", [leave, break_off], ids=lambda each: each.__name__)
def test_a_body_that_the_player_cut_is_not_saved(closes: Callable[[socket.socket], None], tmp_path: Path) -> None:
    def play(proxy: Command) -> None:
        player = connect(proxy, event("sessionEnd"), missing=5)
        time.sleep(0.2)
        closes(player)

    with slow_server() as url:
        (exchange,) = recorded(url, tmp_path / "out.jsonl", play)

    assert (exchange.closed_by, exchange.request.saved, exchange.request.content()) == ("client", False, b"")
    assert rules(exchange) == ["body-not-saved", "client-left"]


@pytest.mark.parametrize("fails", [reset, hang_up, garbage, half_an_answer], ids=lambda each: each.__name__)
def test_an_endpoint_that_hangs_up_has_failed(fails: Callable[[socket.socket], None], tmp_path: Path) -> None:
    def play(proxy: Command) -> None:
        with connect(proxy, event("ping")) as player:
            assert player.recv(1000).startswith(b"HTTP/1.1 502")

    with raw_server(fails) as url:
        (exchange,) = recorded(url, tmp_path / "out.jsonl", play)

    assert exchange.closed_by == "endpoint"
    assert rules(exchange) == ["no-response"]


def test_nobody_closed_a_connection_that_was_never_made(tmp_path: Path) -> None:
    def play(proxy: Command) -> None:
        with connect(proxy, event("ping")) as player:
            assert player.recv(1000).startswith(b"HTTP/1.1 502")

    (exchange,) = recorded(f"http://127.0.0.1:{free_port()}", tmp_path / "out.jsonl", play)

    assert exchange.closed_by is None
    assert rules(exchange) == ["no-response"]


def test_a_body_that_is_streamed_is_not_saved(tmp_path: Path) -> None:
    def play(proxy: Command) -> None:
        with connect(proxy, event("ping")) as player:
            assert player.recv(1000).startswith(b"HTTP/1.1 204")

    out = tmp_path / "out.jsonl"
    options = ["--out", out, "--set", "stream_large_bodies=10"]
    with slow_server(0) as url, running("record", "--to", url, *options) as proxy:
        play(proxy)
        assert proxy.stop() == 0

    (exchange,) = read(out)
    assert exchange.request.saved is False
    assert rules(exchange) == ["body-not-saved"]


def test_calls_are_numbered_as_they_arrive_in_each_run(tmp_path: Path) -> None:
    out, delays = tmp_path / "out.jsonl", [1.2, 0.8, 0.4]
    types = ["play", "pauseStart", "bufferStart"]

    def answer_late(connection: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"}"):
            asked += connection.recv(65536)
        time.sleep(next(delay for name, delay in zip(types, delays, strict=True) if f'"{name}"'.encode() in asked))
        connection.sendall(ANSWER)

    def play(proxy: Command) -> None:
        with contextlib.ExitStack() as stack:
            players = []
            for name in types:
                players.append(stack.enter_context(connect(proxy, event(name))))
                time.sleep(0.1)
            for player in players:
                assert player.recv(1000).startswith(b"HTTP/1.1 204")

    with raw_server(answer_late) as url:
        recorded(url, out, play, 3)
        exchanges = recorded(url, out, play, 6)

    assert [each.order for each in exchanges] == [3, 2, 1] * 2
    sources = [each.source for each in exchanges]
    assert sources == [sources[0]] * 3 + [sources[3]] * 3
    assert sources[0] != sources[3]
    name = r"record http://127\.0\.0\.1:\d+ 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert all(re.fullmatch(name, source) for source in sources)
    read_again = [entry.exchange for entry in read_recordings([out])]
    assert [each.order for each in read_again] == [1, 2, 3] * 2
    assert [each.request.json()["eventType"] for each in read_again] == types * 2


def test_a_session_whose_end_nobody_waited_for_has_ended(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    start = orjson.dumps(orjson.loads(event("sessionStart")) | {"params": START})

    def answer_start(connection: socket.socket) -> None:
        asked = connection.recv(65536)
        if asked.startswith(b"POST /api/v1/sessions "):
            head = f"HTTP/1.1 201 Created\r\nLocation: /api/v1/sessions/{SID}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())
        else:
            time.sleep(1)
            connection.sendall(ANSWER)

    def play(proxy: Command) -> None:
        with socket.create_connection(proxy.address) as player:
            head = f"POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(start)}\r\n\r\n"
            player.sendall(head.encode() + start)
            assert player.recv(1000).startswith(b"HTTP/1.1 201")
        player = connect(proxy, event("sessionEnd"))
        time.sleep(0.2)
        player.close()

    with raw_server(answer_start) as url:
        recorded(url, out, play, 2)

    done = run_tapehead("audit", out, "--format", "json")
    (session,) = orjson.loads(done.stdout)["sessions"]
    assert session["outcome"] == "ended"
    assert "no-response" not in {finding["rule"] for finding in session["findings"]}
    assert "client-left" in {finding["rule"] for finding in session["findings"]}
