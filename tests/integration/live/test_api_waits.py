"""Waiting over the HTTP API: conditions, what is told when they do not hold, clients that leave, the end of a run."""

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api_client import ApiClient, api_of, event_of, open_session
from support.live_client import LIVE, Link, link_of, play
from support.processes import TIMEOUT_SECONDS, Command, running
from tapehead.live.api_model import PREFIX
from tapehead.live.wait_limit import MOST_WAITS
from tapehead.protocol.request_key import KEY_HEADER


@pytest.fixture
def served() -> Iterator[Command]:
    with running("serve", "-q", *LIVE) as opened:
        yield opened


@pytest.fixture
def api(served: Command) -> Iterator[ApiClient]:
    with api_of(served) as client:
        yield client


@pytest.fixture
def player() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@contextlib.contextmanager
def asking(opened: Command, until: str, **query: object) -> Iterator[Callable[[], Any]]:
    """Wait for a condition in another thread, which the server does when the block begins; yield what returns it."""
    answers: queue.SimpleQueue[httpx.Response] = queue.SimpleQueue()

    def wait() -> None:
        with api_of(opened) as own:
            answers.put(own.http.get("/wait", params={"until": until, **query}))  # type: ignore[dict-item]

    with api_of(opened) as api:
        before = api.get("/status", settle="no")["waits"]
        thread = threading.Thread(target=wait)
        thread.start()
        until_waits(api, before + 1)
    yield lambda: answers.get(timeout=TIMEOUT_SECONDS)
    thread.join(TIMEOUT_SECONDS)


def until_waits(api: ApiClient, count: int) -> None:
    """Return when so many clients wait."""
    for _ in range(2_000):
        if api.get("/status", settle="no")["waits"] == count:
            return
    raise AssertionError(f"never {count} waits")


@pytest.mark.parametrize(
    ("until", "number"), [("adStart", 3), ("event:adStart", 3), ("calls:3", 3), ("event:adStart&after=3", 4)]
)
def test_an_answer_comes_with_the_call_that_fulfils_it(
    until: str, number: int, served: Command, player: httpx.Client
) -> None:
    until, _, after = until.partition("&after=")
    query = {"after": after} if after else {}
    sid = play(player, served.url, event_of("play"), *([event_of("adStart")] if after else []))
    with asking(served, until, timeout=60, **query) as answer:
        player.post(f"{served.url}/api/v1/sessions/{sid}/events", json=event_of("adStart"))
        told = answer()

    assert told.status_code == 200
    assert told.json()["until"] == until
    assert (told.json()["event"]["number"], told.json()["event"]["type"]) == (number, "adStart")
    assert told.json()["session"]["session"] == sid


def test_what_came_before_fulfils_a_condition_at_once(served: Command, api: ApiClient, player: httpx.Client) -> None:
    sid = play(player, served.url, event_of("play"), event_of("sessionComplete"))

    assert api.get("/wait", until="sessionComplete", timeout=0)["session"]["state"] == "completed"
    assert api.get("/wait", until="play", session=sid, timeout=0)["event"]["number"] == 2
    assert api.get("/wait", until="quiet:0.1", session=sid)["totals"]["calls"] == 3
    assert api.refused("/wait", 504, until="play", session="another", timeout=0)["events"] == []
    assert api.refused("/wait", 504, until="event:play", after=2, timeout=0)["until"] == "event:play"


def test_a_condition_on_a_key_is_about_its_calls_alone(served: Command, api: ApiClient) -> None:
    with httpx.Client(headers={KEY_HEADER: "one"}) as player:
        play(player, served.url, event_of("play"))

    assert api.get("/wait", until="play", key="one", timeout=0)["event"]["key"] == "one"
    assert "no call came of the key 'two'" in api.refused("/wait", 504, until="play", key="two", timeout=0)["error"]


def test_no_findings_means_that_calls_came_and_all_are_audited(
    served: Command, api: ApiClient, player: httpx.Client
) -> None:
    nothing = api.refused("/wait", 504, until="findings:0", timeout=0)
    fine = open_session(player, served.url)
    player.post(f"{served.url}/api/v1/sessions/{fine}/events", json=event_of("play"))
    api.get("/wait", until="findings:0", session=fine, timeout=1)
    wrong = play(player, served.url, event_of("adComplete"))
    told = api.refused("/wait", 504, until="findings:0", session=wrong, timeout=0)
    found = api.get("/wait", until="findings:1", session=wrong)["finding"]
    late = open_session(player, served.url, seconds_ago=600)
    api.get("/wait", until="findings:0", session=late, timeout=1)
    warned = api.refused("/wait", 504, until="findings:0", session=late, severity="warning", timeout=0)["findings"]

    assert nothing["error"] == "'findings:0' did not hold within 0 s; no call came"
    assert "ad-not-open" in {finding["rule"] for finding in told["findings"]}
    assert f"; the first of 2 findings is '{told['findings'][0]['rule']}': " in told["error"]
    assert found["severity"] == "error"
    # Both sessions are of one visitor.
    assert {(finding["rule"], finding["severity"]) for finding in warned} == {
        ("clock-skew", "warning"), ("session-restarted", "warning"),
    }  # fmt: skip


def test_no_findings_cannot_be_told_without_an_audit(player: httpx.Client) -> None:
    with running("serve", "-q", "--no-audit", *LIVE) as opened, api_of(opened) as api:
        play(player, opened.url)
        assert "--no-audit" in api.refused("/wait", 409, until="findings:0", timeout=0)["error"]


def test_what_came_instead_is_told(served: Command, api: ApiClient, player: httpx.Client) -> None:
    sid = play(player, served.url, event_of("play"), event_of("pauseStart"))
    told = api.refused("/wait", 504, until="sessionComplete", session=sid, timeout=0.05)

    assert told["error"] == (
        f"'sessionComplete' did not hold within 0.05 s; the latest call is 'pauseStart' at 1 s in 1 session (paused) "
        f"of the session '{sid}'"
    )
    assert [event["type"] for event in told["events"]] == ["sessionStart", "play", "pauseStart"]
    assert [session["state"] for session in told["sessions"]] == ["paused"]
    assert told["totals"]["calls"] == 3


def open_wait(link: Link) -> socket.socket:
    """Begin to wait for an event that never comes."""
    connection = socket.create_connection(("127.0.0.1", link.port), TIMEOUT_SECONDS)
    connection.sendall(link.head(f"{PREFIX}/wait?until=sessionComplete&timeout=300"))
    return connection


def test_a_client_that_leaves_releases_its_wait(served: Command, api: ApiClient) -> None:
    waiting = open_wait(link_of(served))
    until_waits(api, 1)
    waiting.close()
    until_waits(api, 0)


def test_so_many_may_wait_and_queries_are_answered_meanwhile(
    served: Command, api: ApiClient, player: httpx.Client
) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(1, MOST_WAITS + 1):
            stack.enter_context(open_wait(link_of(served)))
            until_waits(api, number)
        told = api.refused("/wait", 503, until="play")
        play(player, served.url)
        calls = api.get("/status")["totals"]["calls"]
        held = api.get("/wait", until="sessionStart")["event"]["number"]
    until_waits(api, 0)

    assert told["error"] == f"{MOST_WAITS} clients wait already; try again later"
    assert (calls, held) == (1, 1)


@pytest.mark.parametrize("command", [["serve"], ["record", "--to", "http://127.0.0.1:9", "--out", "out.jsonl"]])
def test_the_end_of_a_run_ends_waits(command: list[str], tmp_path: Path) -> None:
    with (
        running(*command, "-q", *LIVE, cwd=tmp_path) as opened,
        asking(opened, "sessionComplete", timeout=300) as answer,
    ):
        assert opened.stop() == 0
        told = answer()

    assert told.status_code == 503
    assert told.json()["error"] == f"'{command[0]}' is stopping; start it again"


def test_calls_are_answered_while_a_client_reads_nothing(player: httpx.Client) -> None:
    hasty = "import tapehead.live.app as app; app.SLOW_SECONDS = 0.3"
    big = event_of("ping", customMetadata={"x": "y" * 60_000})
    with running("serve", "-q", *LIVE, broken=hasty) as opened, api_of(opened) as api, socket.socket() as stalled:
        sid = play(player, opened.url)
        events = f"{opened.url}/api/v1/sessions/{sid}/events"
        for _ in range(60):
            player.post(events, json=big)
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", link_of(opened).port))
        stalled.settimeout(TIMEOUT_SECONDS)
        stalled.sendall(link_of(opened).head(f"{PREFIX}/events?bodies=1"))
        stalled.recv(12)
        statuses = {player.post(events, json=event_of("ping")).status_code for _ in range(20)}
        latest = api.get("/events", latest=1, limit=1)["events"][0]["number"]
        until_broken(stalled)

    assert statuses == {204}
    assert latest == 81


def until_broken(connection: socket.socket) -> None:
    """Return when the other side has broken a connection, though nothing is read; its error tells."""
    for _ in range(int(TIMEOUT_SECONDS * 10)):
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return
        threading.Event().wait(0.1)
    raise AssertionError("the connection is not broken")
