"""Strictly offline: replay and serve connect to nothing and look up no name, and the summary line proves it."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from support.captured_traffic import read_capture, send
from support.certificates import proxy_options, trust_proxy
from support.processes import TIMEOUT_SECONDS, running
from support.resend import assert_as_recorded, in_order, resend_by_sid
from support.upstream_server import SID, upstream

SUMMARY_LINE = "offline: 0 connections and look-ups attempted"


class CountingListener:
    """A listener that counts who comes."""

    def __init__(self, listening: socket.socket) -> None:
        self.port: int = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0


@contextlib.contextmanager
def counting_listener(port: int = 0) -> Iterator[CountingListener]:
    """A listener on loopback; what connects to it is counted, and hung up on."""
    with socket.create_server(("127.0.0.1", port)) as listening, socket.socket() as last:
        last.bind(("127.0.0.1", 0))
        end, found = last.getsockname(), CountingListener(listening)

        def accept() -> None:
            while True:
                connection, peer = listening.accept()
                if peer == end:
                    connection.close()
                    return
                found.connections += 1
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield found
        # Whoever connected before this has been counted when it is accepted.
        last.connect(listening.getsockname())
        thread.join(TIMEOUT_SECONDS)


@pytest.fixture
def recorded(captures: Path, tmp_path: Path) -> tuple[Path, int]:
    """A recording, and the port on which its endpoint was."""
    out = tmp_path / "recorded.jsonl"
    with upstream(sid=SID) as server, running("record", "--to", server.url, "--out", out, "-q") as proxy:
        with httpx.Client() as player:
            send(player, proxy.url, read_capture(captures / "sdk-sample-player.jsonl"))
        assert proxy.stop() == 0
    return out, server.port


def test_the_listener_counts_what_connects() -> None:
    with counting_listener() as listener:
        with pytest.raises(httpx.HTTPError):
            httpx.get(listener.url)

        assert listener.connections == 1


@pytest.mark.parametrize("command", ["replay", "serve"])
def test_the_endpoint_that_was_recorded_sees_no_packet(command: str, recorded: tuple[Path, int]) -> None:
    recording, port = recorded
    exchanges = in_order(recording)
    with counting_listener(port) as listener, running(command, recording) as opened, httpx.Client() as player:
        answers = resend_by_sid(player, opened.url, exchanges)
        host = {"Host": f"127.0.0.1:{port}"}
        lost = [player.get(opened.url + path, headers=host).status_code for path in ("/", "/player.html", "/api/v2")]
        assert opened.stop() == 0

    assert_as_recorded(exchanges, answers)
    assert set(lost) <= {404, 501}
    assert listener.connections == 0
    assert SUMMARY_LINE in opened.lines


def connect(proxy: int, to: str) -> str:
    """Ask for a tunnel; the status line and the rest of the answer."""
    with socket.create_connection(("127.0.0.1", proxy), TIMEOUT_SECONDS) as line:
        line.sendall(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
            if b"\r\n\r\n" in answer and answer.rstrip().endswith(b"}"):
                break
        return answer.decode()


def test_a_regular_proxy_refuses_every_way_out(recorded: tuple[Path, int], tmp_path: Path) -> None:
    """The endpoint by its address, tunnels to others, requests to others, names that would have to be looked up."""
    recording, port = recorded
    exchanges = in_order(recording)
    options = ["--mode", "regular", "--endpoint", f"127.0.0.1:{port}", "--set", f"confdir={tmp_path}"]
    with (
        counting_listener(port) as endpoint,
        counting_listener() as other,
        running("replay", recording, *options) as proxy,
    ):
        with httpx.Client(proxy=proxy.url) as player:
            assert_as_recorded(exchanges, resend_by_sid(player, endpoint.url, exchanges))
            refused = [
                player.get(f"{other.url}/page"),
                player.post(f"{other.url}/api/v1/sessions", json={}),
                player.get("http://www.example.com/page"),
                player.get(f"{endpoint.url}/page"),
            ]
        tunnels = [connect(proxy.port, to) for to in (f"127.0.0.1:{other.port}", "www.example.com:443")]
        assert proxy.stop() == 0

    assert [each.status_code for each in refused] == [501] * 4
    assert all("offline" in each.json()["message"] and "--allow" in each.json()["message"] for each in refused)
    assert all(each.startswith("HTTP/1.1 501 ") and "offline" in each for each in tunnels)
    assert (endpoint.connections, other.connections) == (0, 0)
    assert SUMMARY_LINE in proxy.lines


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("with_port", [False, True])
def test_a_host_that_is_allowed_is_reached_and_no_other(
    name: str, with_port: bool, recorded: tuple[Path, int], tmp_path: Path
) -> None:
    recording, _ = recorded
    with upstream() as server, counting_listener() as other:
        allowed = f"{name}:{server.port}" if with_port else name
        options = ["--mode", "regular", "--allow", allowed, "--set", f"confdir={tmp_path}"]
        with running("replay", recording, *options) as proxy, httpx.Client(proxy=proxy.url) as player:
            page = player.get(f"http://{name}:{server.port}/player.html")
            other_port = player.get(f"http://{name}:{other.port}/") if with_port else None
            foreign = player.get("http://www.example.com/")
            assert proxy.stop() == 0

    assert (page.status_code, page.text[:5]) == (200, "hello")
    assert foreign.status_code == 501
    assert other_port is None or other_port.status_code == 501
    assert other.connections == 0
    assert SUMMARY_LINE in proxy.lines


def test_https_to_a_host_that_is_allowed_passes_as_a_tunnel(
    recorded: tuple[Path, int], tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    options = ["--mode", "regular", "--allow", "127.0.0.1", *proxy_options(tmp_path, authority)]
    with upstream(tls) as server, running("replay", recorded[0], *options) as proxy:
        trust = trust_proxy(tmp_path)
        authority.configure_trust(trust)
        with httpx.Client(proxy=proxy.url, verify=trust) as player:
            page = player.get(f"{server.url}/player.html")
        assert proxy.stop() == 0

    assert page.text[:5] == "hello"


BROKEN_ON_PURPOSE = """
import socket, sys
from tapehead.network.offline_guard import OfflineGuard
from tapehead.cli.offline_run import EngineSettings, EngineRun

def attempt(action, *arguments):
    try:
        action(*arguments)
    except PermissionError as refused:
        print("refused:", refused)
    else:
        print("done")

guard, run = OfflineGuard(), EngineRun(EngineSettings(), print)
address = ("127.0.0.1", int(sys.argv[1]))
socket.create_connection(address).close()
guard.enable()
attempt(socket.create_connection, address)
attempt(socket.socket().connect_ex, address)
attempt(socket.getaddrinfo, "collection.example.com", 443)
attempt(socket.gethostbyname, "other.example.com")
result = run.result(run.counts(guard))
for line in result.lines:
    print(line)
sys.exit(result.has_failed)
"""


def test_the_guard_refuses_counts_and_turns_into_an_exit_code() -> None:
    """Broken on purpose: what a library that reaches for the network would see."""
    with counting_listener() as listener:
        command = [sys.executable, "-c", BROKEN_ON_PURPOSE, str(listener.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)

    *refused, guard = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.partition(":")[0] for line in refused] == ["refused"] * 4
    assert guard == (
        "offline: 4 connections and look-ups attempted: getaddrinfo 127.0.0.1, connect 127.0.0.1, "
        "getaddrinfo collection.example.com, gethostbyname other.example.com"
    )
    assert listener.connections == 1


EXEMPT = """
import socket, sys, threading
from tapehead.network.offline_guard import OfflineGuard, exempt_thread
guard, reached = OfflineGuard(), []
guard.enable()
def connect():
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        reached.append(True)
    except PermissionError:
        reached.append(False)
connect()
with exempt_thread():
    connect()
    other = threading.Thread(target=connect)
    other.start()
    other.join()
connect()
assert reached == [False, True, False, False], reached
assert guard.attempts.count == 3, guard.attempts
"""


def test_a_thread_that_is_exempt_reaches_the_network_alone_and_for_as_long() -> None:
    with counting_listener() as listener:
        command = [sys.executable, "-c", EXEMPT, str(listener.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stderr
    assert listener.connections == 1
