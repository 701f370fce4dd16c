"""A request that arrived whole reaches the endpoint, although its player has left since."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.errors
import orjson
import pytest
import trustme

from support.captured_traffic import read, rules
from support.certificates import proxy_options
from support.exchanges import START
from support.processes import TIMEOUT_SECONDS, Command, running
from support.tunnels import at_home, connect, origin, trust_both
from support.upstream_server import SID, free_port, raw_server, upstream
from tapehead.protocol.routes import SESSIONS_PATH

COUNT = 6
TIME = {"playhead": 0, "ts": time.time_ns() // 1_000_000}
BODY = orjson.dumps({"eventType": "sessionStart", "playerTime": TIME, "params": START})
ANSWER = f"HTTP/1.1 201 Created\r\nLocation: {SESSIONS_PATH}/{SID}\r\nContent-Length: 0\r\n\r\n".encode()
LEAVES = {"fin": None, "reset": struct.pack("ii", 1, 0)}


def http1(path: str, host: str = "x", method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY


def send_and_leave(line: socket.socket, data: bytes, linger: bytes | None = None) -> None:
    """Send some bytes and close behind them: with a FIN, or with a reset."""
    with line:
        line.sendall(data)
        if linger:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def trust_nobody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def check_recorded(out: Path, count: int = COUNT) -> None:
    """Check that the answers to players that left are recorded, with the fact that they left."""
    exchanges = read(out)
    assert [each.response and each.response.status for each in exchanges] == [201] * count
    assert [each.closed_by for each in exchanges] == ["client"] * count
    assert {rule for each in exchanges for rule in rules(each)} - {"clock-skew"} == {"client-left"}


@pytest.mark.parametrize("linger", LEAVES.values(), ids=LEAVES)
def test_calls_of_players_that_leave_reach_the_endpoint(linger: bytes | None, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        with server.held():
            for _ in range(COUNT):
                send_and_leave(socket.create_connection(proxy.address), http1(SESSIONS_PATH), linger)
        until(lambda: len(server.received) == COUNT)
        assert proxy.stop() == 0

    assert {each.body for each in server.received} == {BODY}
    check_recorded(out)


def test_also_with_tls(tmp_path: Path, authority: trustme.CA) -> None:
    out = tmp_path / "a.jsonl"
    options = proxy_options(tmp_path, authority)
    with upstream() as server, running("record", "--to", server.url, "--out", out, *options) as proxy:
        with server.held():
            for _ in range(COUNT):
                line = socket.create_connection(proxy.address)
                send_and_leave(trust_nobody().wrap_socket(line, server_hostname="localhost"), http1(SESSIONS_PATH))
        until(lambda: len(server.received) == COUNT)
        assert proxy.stop() == 0

    check_recorded(out)


def test_also_through_a_tunnel(tmp_path: Path, authority: trustme.CA) -> None:
    out, name = tmp_path / "a.jsonl", "company.hb-api.omtrdc.net"
    with origin(authority) as there, at_home(tmp_path, authority, "record", "--mode", "regular", "--out", out) as proxy:
        trust = trust_both(tmp_path, authority)
        with there.server.held():
            for _ in range(COUNT):
                tunnel = connect(proxy, name, there.server.port)
                send_and_leave(trust.wrap_socket(tunnel, server_hostname=name), http1(SESSIONS_PATH, name))
        until(lambda: len(there.server.received) == COUNT)
        assert proxy.stop() == 0

    check_recorded(out)


LATE_WRITES = """
import asyncio
from mitmproxy.proxy import server

drain = server.ConnectionHandler.drain_writers

async def drain_late(self):
    reader = self.transports[self.client].reader
    while self.client in self.transports and not reader.at_eof() and not reader.exception():
        await asyncio.sleep(0.01)
    await drain(self)
    print("drained", flush=True)

server.ConnectionHandler.drain_writers = drain_late
"""


def test_also_if_a_reset_is_noticed_by_writing(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out, broken=LATE_WRITES) as proxy:
        with server.held():
            send_and_leave(socket.create_connection(proxy.address), http1(SESSIONS_PATH), LEAVES["reset"])
            proxy.wait_for(lambda line: line == "drained")
        until(lambda: bool(out.read_bytes()))
        assert proxy.stop() == 0

    check_recorded(out, 1)


@pytest.mark.parametrize("cancels", [True, False], ids=["stream cancelled", "connection closed"])
def test_also_in_http2(cancels: bool, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    streams = range(1, 2 * COUNT, 2)
    for stream in streams:
        names = (":method", "POST"), (":path", SESSIONS_PATH), (":scheme", "http"), (":authority", "x")
        client.send_headers(stream, [*names, ("content-type", "application/json")])
        client.send_data(stream, BODY, end_stream=True)

    def answer_once_left(connection: socket.socket) -> None:
        received = b""
        while more := connection.recv(65536):
            received += more
            if received.endswith(BODY):
                arrived.append(received)
                left.wait()
                connection.sendall(ANSWER)

    arrived: list[bytes] = []
    left = threading.Event()
    with raw_server(answer_once_left) as url, running("record", "--to", url, "--out", out) as proxy:
        with socket.create_connection(proxy.address) as player:
            # What is sent is there at once, not only once the proxy has acknowledged what came before.
            player.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            player.sendall(client.data_to_send())
            if cancels:
                # mitmproxy does not notice a cancellation that it reads together with its request.
                until(lambda: bool(arrived))
                for stream in streams:
                    client.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
                player.sendall(client.data_to_send())
                left.set()
                until(lambda: out.read_bytes().count(b"\n") == COUNT)
        left.set()
        until(lambda: out.read_bytes().count(b"\n") == COUNT)
        assert proxy.stop() == 0

    assert len(arrived) == COUNT
    check_recorded(out)


def test_requests_behind_each_other_reach_the_endpoint(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "--to", server.url, "--out", out) as proxy:
        with server.held():
            send_and_leave(socket.create_connection(proxy.address), http1(SESSIONS_PATH) * 3)
        until(lambda: len(server.received) == 3)
        assert proxy.stop() == 0

    check_recorded(out, 3)


def test_a_player_that_only_stops_sending_gets_its_answer(tmp_path: Path) -> None:
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", tmp_path / "a.jsonl") as proxy,
        socket.create_connection(proxy.address, TIMEOUT_SECONDS) as player,
    ):
        player.sendall(http1(SESSIONS_PATH))
        player.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: player.recv(1000), b""))

    assert answer.startswith(b"HTTP/1.1 201 ")


def test_an_endpoint_that_cannot_be_reached_is_an_error_although_the_player_left(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with running("record", "--to", f"http://127.0.0.1:{free_port()}", "--out", out) as proxy:
        send_and_leave(socket.create_connection(proxy.address), http1(SESSIONS_PATH))
        until(lambda: bool(out.read_bytes()))
        assert proxy.stop() == 0

    assert [rules(each)[-1] for each in read(out)] == ["no-response"]


def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    out, ended = tmp_path / "a.jsonl", threading.Event()

    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        ended.set()

    soon = "import tapehead.proxy.whole_requests; tapehead.proxy.whole_requests.MOST_SECONDS = 0.5"
    with raw_server(serve) as url, running("record", "--to", url, "--out", out, broken=soon) as proxy:
        send_and_leave(socket.create_connection(proxy.address), http1(SESSIONS_PATH))
        assert ended.wait(TIMEOUT_SECONDS)
        assert proxy.stop() == 0

    (exchange,) = read(out)
    assert (exchange.response, exchange.closed_by, rules(exchange)[-1]) == (None, "client", "client-left")


def test_other_requests_are_sent_and_their_answers_not_waited_for(tmp_path: Path) -> None:
    arrived: list[bytes] = []
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        arrived.append(connection.recv(65536))
        # A connection that the proxy gives up is closed; one on which it waits is silent.
        connection.settimeout(TIMEOUT_SECONDS)
        while more := connection.recv(65536):
            arrived.append(more)
        ended.set()

    with raw_server(serve) as url, running("record", "--to", url, "--out", tmp_path / "a.jsonl") as proxy:
        send_and_leave(socket.create_connection(proxy.address), http1("/video", urlsplit(url).netloc, "PUT"))
        assert ended.wait(TIMEOUT_SECONDS)

    assert b"".join(arrived).startswith(b"PUT /video HTTP/1.1\r\n")
    assert b"".join(arrived).endswith(BODY)


def test_a_large_answer_is_not_fetched_for_a_player_that_left(tmp_path: Path) -> None:
    sent = 0
    is_closed = threading.Event()

    def serve(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while sent < 1_000_000_000:
                sent += connection.send(bytes(65536))
        except OSError:
            is_closed.set()

    def play(proxy: Command) -> None:
        with socket.create_connection(proxy.address) as player:
            player.sendall(b"GET /video.ts HTTP/1.1\r\nHost: x\r\n\r\n")
            player.recv(1000)

    with raw_server(serve) as url, running("record", "--to", url, "--out", tmp_path / "a.jsonl") as proxy:
        play(proxy)
        assert is_closed.wait(TIMEOUT_SECONDS)

    assert sent < 100_000_000
