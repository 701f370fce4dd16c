"""More players than fit, most of them idle: those that are idle longest are closed, and all calls are answered."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
import trustme

from support.certificates import proxy_options
from support.load import event_of, numbers_in
from support.paths import RECORDINGS_FOLDER
from support.processes import TIMEOUT_SECONDS, Command, running
from support.tunnels import trust_both
from support.upstream_server import raw_server, upstream

EVENTS = "/api/v1/sessions/abc/events"
# Room for 39 players of a proxy, or 78 of a server.
FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
# Longer than after which a connection counts as idle.
SLOW_SECONDS = 4.0
# The same for one on which nothing came.
SILENT_SECONDS = 5.5
# Less than that, so that none of those that are connected is closed.
CONNECT_SECONDS = 4.0
PLAYERS = 120
# A context takes long to make.
PLAIN = partial(httpx.Client, timeout=TIMEOUT_SECONDS, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def call(player: httpx.Client, number: int, url: str = "") -> int:
    return player.post(url + EVENTS, content=event_of(number)).status_code


def call_from_many(opened: ExitStack, players: Callable[[], httpx.Client], url: str) -> list[int]:
    """Call with many players, one after another, none of which closes its connection."""
    return [call(opened.enter_context(players()), number, url) for number in range(PLAYERS)]


def lines_about_idle(proxy: Command) -> list[str]:
    return [line for line in proxy.lines if "closed" in line and " idle connection" in line]


def test_idle_players_give_way_to_the_calls_of_others(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with upstream() as server, running("record", "-q", "--to", server.url, "--out", out, broken=FEW_FILES) as proxy:
        with ExitStack() as opened:
            assert call_from_many(opened, PLAIN, proxy.url) == [204] * PLAYERS
        assert proxy.stop() == 0
    assert numbers_in(out) == list(range(PLAYERS))
    assert len(server.received) == PLAYERS
    (told,) = lines_about_idle(proxy)
    assert told.endswith("the limit of open files leaves room for 78 connections, raise it with ulimit -n")
    assert not [line for line in proxy.lines if "Too many" in line]


def test_idle_tunnels_to_the_endpoint_give_way(tmp_path: Path, authority: trustme.CA, tls: ssl.SSLContext) -> None:
    out = tmp_path / "a.jsonl"
    options = ["--mode", "regular", "--endpoint", "127.0.0.1", "--out", out, *proxy_options(tmp_path, authority)]
    with upstream(tls) as server, running("record", "-q", *options, broken=FEW_FILES) as proxy, ExitStack() as opened:
        trust = trust_both(tmp_path, authority)
        players = partial(httpx.Client, proxy=proxy.url, verify=trust, timeout=TIMEOUT_SECONDS)
        assert call_from_many(opened, players, server.url) == [204] * PLAYERS
        assert proxy.stop() == 0
    assert numbers_in(out) == list(range(PLAYERS))
    assert len(lines_about_idle(proxy)) == 1


def answer_slowly(connection: socket.socket, seconds: float = 0) -> None:
    """Answer each request after a while, and those with a `slow` in their path after another."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        if b'"number"' in received and received.endswith(b"}}"):
            time.sleep(SLOW_SECONDS if b"slow" in received else seconds)
            connection.sendall(NO_CONTENT)
            received = b""


def test_a_call_in_hand_is_never_cut(tmp_path: Path) -> None:
    """It waits for its answer longer than all others are idle."""
    out, answered = tmp_path / "a.jsonl", list[int]()
    with (
        raw_server(answer_slowly) as url,
        running("record", "-q", "--to", url, "--out", out, broken=FEW_FILES) as proxy,
        PLAIN() as waiting,
        ExitStack() as opened,
    ):
        slow = proxy.url + EVENTS.replace("abc", "slow")
        thread = threading.Thread(
            target=lambda: answered.append(waiting.post(slow, content=event_of(1000)).status_code)
        )
        thread.start()
        time.sleep(0.5)
        halves = [opened.enter_context(socket.create_connection(proxy.address, TIMEOUT_SECONDS)) for _ in range(5)]
        for half in halves:
            half.sendall(f"POST {EVENTS} HTTP/1.1\r\nHost: x\r\nContent-".encode())
        time.sleep(1.5)
        assert call_from_many(opened, PLAIN, proxy.url) == [204] * PLAYERS
        for number, half in enumerate(halves):
            body = event_of(PLAYERS + number)
            half.sendall(b"Length: %d\r\n\r\n%b" % (len(body), body))
            assert half.recv(65536).startswith(b"HTTP/1.1 204")
        thread.join()
        assert proxy.stop() == 0
    assert answered == [204]
    assert sorted(numbers_in(out)) == [*range(PLAYERS + len(halves)), 1000]
    assert lines_about_idle(proxy)


def assert_all_are_answered_at_once(url: str, count: int, out: Path) -> None:
    """Call with many players at a time, none of which closes its connection."""
    answered = list[tuple[int, str]]()
    with (
        running("record", "-q", "--to", url, "--out", out, broken=FEW_FILES) as proxy,
        ExitStack() as opened,
    ):
        players = [opened.enter_context(PLAIN()) for _ in range(count)]

        def call_with(player: httpx.Client, number: int) -> None:
            response = player.post(proxy.url + EVENTS, content=event_of(number))
            answered.append((response.status_code, response.text))

        threads = [threading.Thread(target=call_with, args=(each, number)) for number, each in enumerate(players)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert proxy.stop() == 0
    assert answered == [(204, "")] * count
    assert sorted(numbers_in(out)) == list(range(count))
    (told,) = [line for line in proxy.lines if "new players wait" in line]
    assert told.endswith("the limit of open files leaves room for 39 at a time, raise it with ulimit -n")
    assert len(proxy.lines) <= 9, "\n".join(proxy.lines)


def test_players_that_come_all_at_once_are_answered(tmp_path: Path) -> None:
    """Many more of them than fit: the last wait until the first ones are idle, in several rounds."""
    with upstream() as server:
        assert_all_are_answered_at_once(server.url, 250, tmp_path / "a.jsonl")


def test_players_wait_for_those_that_wait_for_a_slow_endpoint(tmp_path: Path) -> None:
    """None is idle for longer than a connection upstream waits for a descriptor."""
    with raw_server(partial(answer_slowly, seconds=7.0)) as url:
        assert_all_are_answered_at_once(url, 100, tmp_path / "a.jsonl")


def test_players_that_wait_are_connected(tmp_path: Path) -> None:
    """The system drops their first packets where its queue is full, and they try again after a second, or give up."""
    with (
        upstream() as server,
        running("record", "-q", "--to", server.url, "--out", tmp_path / "a.jsonl", broken=FEW_FILES) as proxy,
    ):
        with ExitStack() as opened:
            for _ in range(400):
                opened.enter_context(socket.create_connection(proxy.address, CONNECT_SECONDS))
        with PLAIN() as player:
            assert call(player, 1, proxy.url) == 204
        assert proxy.stop() == 0


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_connections_without_a_request_give_way(command: str) -> None:
    with running(command, "-q", RECORDINGS_FOLDER / "timeline-1.jsonl", broken=FEW_FILES) as server:
        with ExitStack() as opened, PLAIN() as player:
            for _ in range(3):
                for _ in range(PLAYERS // 3):
                    opened.enter_context(socket.create_connection(server.address, TIMEOUT_SECONDS))
                time.sleep(SILENT_SECONDS)
            assert call(player, 1, server.url) < 500
            # It is not the one that is idle longest.
            assert call(player, 2, server.url) < 500
        assert server.stop() == 0
    assert len(lines_about_idle(server)) == 1
