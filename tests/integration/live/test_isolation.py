"""The live page never affects the traffic: pages that read nothing, floods, internal errors, the end."""

import contextlib
import select
import signal
import socket
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.live_client import COMMANDS, EVENTS, LIVE, PAUSE, Link, link_of, play, query, stream
from support.processes import TIMEOUT_SECONDS, memory_of, running
from support.rules import PING
from support.upstream_server import upstream

# The first page that does not read is disconnected soon, later ones have more time than a busy machine needs.
SLOW = """
import socket
import tapehead.live.app as app

app.SLOW_SECONDS, abort, made = 2.0, app.abort_connection, app.QuietProtocol.connection_made

def abort_once(transport):
    app.SLOW_SECONDS = 60.0
    abort(transport)

def make_with_small_buffer(self, transport):
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    made(self, transport)

app.abort_connection, app.QuietProtocol.connection_made = abort_once, make_with_small_buffer
"""


def open_unread_page(link: Link) -> socket.socket:
    """Request the lines as a page does, and read none of them."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", link.port))
    connection.sendall(link.head())
    return connection


def test_a_page_that_does_not_read_is_disconnected_and_slows_no_call() -> None:
    big = {**PAUSE, "customMetadata": {"x": "y" * 20_000}}
    with (
        running("serve", "-q", *LIVE, broken=SLOW) as opened,
        httpx.Client() as player,
        open_unread_page(link_of(opened)) as page,
    ):
        sid = play(player, opened.url)
        before = memory_of(opened)
        statuses = [player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=big).status_code for _ in range(400)]
        grown = memory_of(opened) - before
        poll = select.poll()
        poll.register(page, select.POLLHUP)
        assert poll.poll(TIMEOUT_SECONDS * 1000)
        totals = query(link_of(opened), "/sessions")["totals"]
        assert opened.stop() == 0

    assert set(statuses) == {400}
    assert grown < 150_000_000
    assert totals["calls"] == 401


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["record", "replay", "serve"])
def test_a_signal_ends_the_streams_of_open_pages(command: str, number: int, tmp_path: Path) -> None:
    with (
        running(*COMMANDS[command], *LIVE, cwd=tmp_path) as opened,
        open_unread_page(link_of(opened)),
        stream(link_of(opened)) as lines,
    ):
        assert '"hello"' in next(lines)
        assert opened.stop(number) == 0
        assert list(lines) == ['{"kind":"end"}']


def test_a_page_that_reads_late_learns_of_the_end() -> None:
    """The server's own work after the signal takes longer than pages have to read, as on a slow machine."""
    slow = "import tapehead.live.app as app; app.DRAIN_SECONDS = 0.0"
    with running("serve", "-q", *LIVE, broken=slow) as opened, stream(link_of(opened)) as lines:
        assert '"hello"' in next(lines)
        assert opened.stop() == 0
        assert list(lines) == ['{"kind":"end"}']


def test_a_page_that_does_not_read_does_not_delay_the_end() -> None:
    big = {**PAUSE, "customMetadata": {"x": "y" * 100_000}}
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player, open_unread_page(link_of(opened)):
        for _ in range(100):
            player.post(opened.url + EVENTS, json=big)
        assert opened.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("asked", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"], ids=["silent", "answered"])
def test_idle_connections_take_no_room_from_players_and_pages(asked: bytes) -> None:
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player, contextlib.ExitStack() as stack:
        link = link_of(opened)
        files = Path(f"/proc/{opened.process.pid}/fd")
        before = len(list(files.iterdir()))
        for _ in range(300):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", link.port), TIMEOUT_SECONDS))
            if asked:
                line.sendall(asked % link.port)
                assert line.recv(12) == b"HTTP/1.1 200"
        assert player.post(opened.url + EVENTS, json=PING).status_code == 404
        with stream(link) as lines:
            assert '"hello"' in next(lines)
            assert len(list(files.iterdir())) - before < 100


FAIL = "def fail(*_, **__): raise RuntimeError('broken on purpose')"
BREAKS = {
    "its answers": f"import tapehead.live.api as p\n{FAIL}\np.answer_settled = fail",
    "its server": f"import uvicorn\nasync {FAIL}\nuvicorn.Server.serve = fail",
}


@pytest.mark.parametrize("broken", BREAKS.values(), ids=BREAKS)
def test_its_failures_are_logged_once_and_cost_no_call(broken: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    asked = ["record", "--out", out, *LIVE]
    with (
        upstream() as server,
        running(*asked, "--to", server.url, broken=broken) as proxy,
        httpx.Client() as player,
    ):
        statuses = [player.post(proxy.url + EVENTS, json=PING).status_code for _ in range(3)]
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            query(link_of(proxy), "/sessions")
        assert proxy.stop() == 1

    assert statuses == [204] * 3
    assert len(read(out)) == 3
    assert sum("tapehead failed in the live page" in line for line in proxy.lines) == 1
    assert "internal error" in proxy.lines[-1]
