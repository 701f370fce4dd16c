"""Protocols whose modules a proxy imports with the first connection that speaks them: they work as if imported before.

All start anew: a fork of the tests' server has everything imported.
"""

import socket
import ssl
from pathlib import Path

import orjson
import pytest

from support.exchanges import start
from support.http3_client import post_by_http3
from support.paths import RECORDINGS_FOLDER
from support.processes import run_program, running
from support.tools import require
from support.upstream_server import raw_server
from tapehead.protocol.routes import SESSIONS_PATH

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
BODY = orjson.dumps(start())
# Writes what is imported when the proxy listens, and at the end.
NOTE = """
import atexit, sys
names = {"aioquic.quic.connection", "h2.connection", "wsproto.connection"}
from tapehead.cli import terminal
announce = terminal.announce
def announce_and_note(*arguments):
    print("at first:", sorted(names & set(sys.modules)))
    announce(*arguments)
terminal.announce = announce_and_note
atexit.register(lambda: print("at the end:", sorted(names & set(sys.modules))))
"""


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.mark.parametrize("mode", ["reverse:https://collection.invalid", "reverse:http3://collection.invalid"])
def test_http3(mode: str, tmp_path: Path) -> None:
    with running("replay", RECORDING, "--mode", mode, cwd=tmp_path, broken=NOTE, cold=True) as proxy:
        statuses = [post_by_http3(port_of(proxy.url), SESSIONS_PATH, BODY) for _ in range(2)]
        assert proxy.stop() == 0

    assert statuses == ["201", "201"]
    assert "at first: []" in proxy.lines
    assert any("aioquic" in line for line in proxy.lines if line.startswith("at the end:"))


@pytest.mark.parametrize("command", ["replay", "record"])
def test_http2(command: str, tmp_path: Path) -> None:
    arguments = [RECORDING] if command == "replay" else ["--to", "http://127.0.0.1:9"]
    with running(command, *arguments, cwd=tmp_path, broken=NOTE, cold=True) as proxy:
        url = f"https://127.0.0.1:{port_of(proxy.url)}{SESSIONS_PATH}"
        told = ("-sk", "--http2", "-m", "30", "-o", "/dev/null", "-w", "%{http_version} %{http_code}\n")
        done = [run_program(require("curl"), *told, "--json", BODY.decode(), url).stdout for _ in range(2)]
        assert proxy.stop() in (0, 1)

    assert done == [f"2 {201 if command == 'replay' else 502}\n"] * 2
    assert "at first: []" in proxy.lines
    assert "at the end: ['h2.connection']" in proxy.lines


def test_a_websocket(tmp_path: Path) -> None:
    def greet(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(4096)
        # The answer to the key of RFC 6455, section 1.3.
        answer = (
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n" + answer + b"\x81\x05hello")
        connection.recv(4096)

    head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with raw_server(greet) as url, running("record", "--to", url, cwd=tmp_path, broken=NOTE, cold=True) as proxy:
        with socket.create_connection(("127.0.0.1", port_of(proxy.url)), 30) as player:
            player.sendall(f"GET /chat HTTP/1.1\r\nHost: a\r\n{head}{key}".encode())
            received = b""
            while b"hello" not in received:
                part = player.recv(4096)
                assert part, received
                received += part
        proxy.stop()

    assert received.startswith(b"HTTP/1.1 101 ")
    assert "at first: []" in proxy.lines
    assert "at the end: ['wsproto.connection']" in proxy.lines


def test_tls_of_a_player(tmp_path: Path) -> None:
    with running("replay", RECORDING, cwd=tmp_path, broken=NOTE, cold=True) as proxy:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port_of(proxy.url)), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as player,
        ):
            assert player.version() in ("TLSv1.2", "TLSv1.3")
        proxy.stop()

    assert "at the end: []" in proxy.lines
