"""Upstreams that fail: the player gets mitmproxy's 502, the exchange is recorded with its error, the proxy lives on."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trustme

from support.captured_traffic import read, rules
from support.certificates import proxy_options, trust_proxy
from support.processes import Command, run_tapehead, running
from support.upstream_server import SID, free_port, garbage, half_an_answer, hang_up, raw_server, reset, upstream

EVENTS = f"/api/v1/sessions/{SID}/events"
JSON = {"Content-Type": "application/json"}


def post_play(proxy: Command, timeout: float = 10) -> httpx.Response:
    body = {"eventType": "play", "playerTime": {"playhead": 0, "ts": int(time.time() * 1000)}}
    return httpx.post(proxy.url + EVENTS, json=body, timeout=timeout)


def call(proxy: Command) -> socket.socket:
    """A player's connection with a call on its way."""
    player = socket.create_connection(proxy.address)
    player.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    return player


def wait_until(holds: Callable[[], bool], patience: float = 10) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_a_server_that_is_down_gives_502_and_a_recorded_error(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with running("record", "--to", f"http://127.0.0.1:{free_port()}", "--out", out) as proxy:
        assert [post_play(proxy).status_code for _ in range(3)] == [502] * 3
        assert proxy.stop() == 0

    exchanges = read(out)
    assert [rules(each) for each in exchanges] == [["no-response"]] * 3
    assert all(each.response is None and each.error and "connect" in each.error.lower() for each in exchanges)


def test_a_server_that_is_down_gives_502_through_a_tunnel_too(tmp_path: Path, authority: trustme.CA) -> None:
    out, url = tmp_path / "out.jsonl", f"https://127.0.0.1:{free_port()}{EVENTS}"
    options = [*proxy_options(tmp_path, authority), "--endpoint", "127.0.0.1"]
    with running("record", "--mode", "regular", "--out", out, *options) as proxy:
        with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
            assert player.post(url, json={}).status_code == 502
        assert proxy.stop() == 0

    (exchange,) = read(out)
    assert (exchange.request.url, exchange.response) == (url, None)
    assert exchange.error


@pytest.mark.parametrize("fails", [reset, hang_up, garbage], ids=lambda each: each.__name__)
def test_a_server_that_fails_gives_502_and_a_recorded_error(
    fails: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    with raw_server(fails) as url, running("record", "--to", url, "--out", out) as proxy:
        assert [post_play(proxy).status_code for _ in range(3)] == [502] * 3
        assert proxy.stop() == 0

    exchanges = read(out)
    assert [rules(each) for each in exchanges] == [["no-response"]] * 3
    assert all(each.response is None and each.error for each in exchanges)


def test_an_answer_cut_short_is_recorded_as_none(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with raw_server(half_an_answer) as url, running("record", "--to", url, "--out", out) as proxy:
        assert post_play(proxy).status_code == 502
        proxy.stop()

    (exchange,) = read(out)
    assert exchange.response is None
    assert exchange.error


@pytest.mark.parametrize("status", [7, 42, 1000, -1, 10**30])
def test_a_status_that_is_none_is_handed_on_and_recorded(status: int, tmp_path: Path) -> None:
    out, answer = tmp_path / "out.jsonl", f"HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n".encode()

    def odd(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with raw_server(odd) as url, running("record", "--to", url, "--out", out) as proxy:
        with call(proxy) as player:
            assert player.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
        assert proxy.stop() == 0

    assert [each.response and each.response.status for each in read(out)] == [status]
    for command in ("show", "audit"):
        done = run_tapehead(command, out)
        assert "Traceback" not in done.stderr
        assert "line 1" not in done.stderr


def test_a_server_that_comes_back_is_used_again(tmp_path: Path) -> None:
    out, port = tmp_path / "out.jsonl", free_port()
    with running("record", "--to", f"http://127.0.0.1:{port}", "--out", out) as proxy:
        assert post_play(proxy).status_code == 502
        with upstream(port=port):
            assert post_play(proxy).status_code == 204
        proxy.stop()
    assert [each.response and each.response.status for each in read(out)] == [None, 204]


def test_a_player_that_leaves_before_the_answer_is_recorded_with_its_answer(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    def slow(connection: socket.socket) -> None:
        connection.recv(65536)
        time.sleep(2)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(b"{}")

    with raw_server(slow) as url, running("record", "--to", url, "--out", out) as proxy:
        with pytest.raises(httpx.ReadTimeout):
            post_play(proxy, timeout=0.5)
        proxy.wait_for(lambda line: line.endswith(" ms"))
        proxy.stop()

    (exchange,) = read(out)
    assert exchange.closed_by == "client"
    assert exchange.response
    assert (exchange.response.status, exchange.response.content()) == (400, b"{}")


def test_calls_in_hand_at_the_end_are_recorded_as_unanswered(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    arrived: list[bytes] = []

    def silent(connection: socket.socket) -> None:
        arrived.append(connection.recv(65536))
        time.sleep(10)

    with raw_server(silent) as url, running("record", "--to", url, "--out", out) as proxy, call(proxy):
        wait_until(lambda: bool(arrived))
        assert proxy.stop() == 0

    (exchange,) = read(out)
    assert exchange.error == "tapehead was stopped before the answer came"


def test_calls_in_hand_are_finished_before_the_end(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    arrived: list[bytes] = []

    def slow(connection: socket.socket) -> None:
        arrived.append(connection.recv(65536))
        time.sleep(1)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(slow) as url, running("record", "--to", url, "--out", out) as proxy, call(proxy) as player:
        wait_until(lambda: bool(arrived))
        assert proxy.stop() == 0
        assert player.recv(1000).startswith(b"HTTP/1.1 204")

    (exchange,) = read(out)
    assert exchange.response
    assert exchange.response.status == 204
