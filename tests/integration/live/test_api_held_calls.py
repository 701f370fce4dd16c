"""What a test waits for while answers are held back, and what counts as a call."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.api_client import ApiClient, api_of, event_of, open_session
from support.live_client import LIVE, RECORDING
from support.processes import Command, running
from support.upstream_server import upstream
from tapehead.protocol.request_key import KEY_HEADER

COMMANDS: dict[str, list[object]] = {
    "serve": ["serve", RECORDING],
    "serve in workers": ["serve", RECORDING, "--workers", 2],
    "replay": ["replay", RECORDING],
}
KEY = {KEY_HEADER: "one"}


@contextlib.contextmanager
def pinging(opened: Command) -> Iterator[str]:
    """Open a session and send a ping whose answer does not come; yield the session id."""
    with httpx.Client(headers=KEY, timeout=60) as player:
        sid = open_session(player, opened.url)

        def send() -> None:
            with contextlib.suppress(httpx.HTTPError):  # the end of the command
                player.post(f"{opened.url}/api/v1/sessions/{sid}/events", json=event_of("ping"))

        thread = threading.Thread(target=send)
        thread.start()
        yield sid
        thread.join(60)


def check_under_way(api: ApiClient, sid: str) -> None:
    """Check that there is no silence where the call belongs."""
    queries: tuple[dict[str, object], ...] = ({}, {"key": "one"}, {"session": sid})
    for until in ("quiet:0", "findings:0"):
        for query in queries:
            assert api.refused("/wait", 504, until=until, timeout=0.2, **query)["totals"]["calls"] == 1, (until, query)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_call_whose_answer_is_held_back_is_under_way(command: str) -> None:
    with (
        running(*COMMANDS[command], "-q", "--fault", "event:ping=delay:60000", *LIVE) as opened,
        api_of(opened) as api,
        pinging(opened) as sid,
    ):
        while api.get("/status")["engine"]["hits"] < 2:
            pass
        check_under_way(api, sid)
        opened.process.kill()


def test_a_call_that_waits_for_its_endpoint_is_under_way(tmp_path: Path) -> None:
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", tmp_path / "out.jsonl", "-q", *LIVE) as opened,
        api_of(opened) as api,
    ):
        with httpx.Client(headers=KEY, timeout=60) as player:
            sid = open_session(player, opened.url)
            url = f"{opened.url}/api/v1/sessions/{sid}/events"
            with server.held():
                thread = threading.Thread(target=player.post, args=(url,), kwargs={"json": event_of("ping")})
                thread.start()
                while len(server.received) < 2:
                    pass
                check_under_way(api, sid)
            thread.join(60)
        told = api.get("/wait", until="quiet:0.1", key="one", timeout=60)

    assert told["totals"]["calls"] == 2


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_wait_for_silence_ends_with_an_answer_that_was_held_back(command: str) -> None:
    with (
        running(*COMMANDS[command], "-q", "--fault", "event:ping=delay:1000", *LIVE) as opened,
        api_of(opened) as api,
        pinging(opened),
    ):
        while api.get("/status")["engine"]["hits"] < 2:
            pass
        told = api.get("/wait", until="quiet:0", key="one", timeout=60)

    assert told["totals"]["calls"] == 2


def test_a_wait_for_silence_ends_with_the_answer_of_the_endpoint(tmp_path: Path) -> None:
    with (
        upstream() as server,
        running("record", "--to", server.url, "--out", tmp_path / "out.jsonl", "-q", *LIVE) as opened,
        api_of(opened) as api,
    ):
        with server.held(), ThreadPoolExecutor() as pool, httpx.Client(headers=KEY, timeout=60) as player:
            sent = pool.submit(player.post, f"{opened.url}/api/v1/sessions", json=event_of("sessionStart"))
            while not server.received:
                pass
            waiting = pool.submit(api.get, "/wait", until="quiet:0", timeout=60)
            assert api.refused("/wait", 504, until="quiet:0", timeout=0.2)["totals"]["calls"] == 0
            server.answers.set()
            assert sent.result(60).status_code == 201

        assert waiting.result(60)["totals"]["calls"] == 1


def test_preflights_are_no_calls() -> None:
    with running("serve", "-q", *LIVE) as opened, httpx.Client() as player, api_of(opened) as api:
        sid = open_session(player, opened.url)
        url = f"{opened.url}/api/v1/sessions/{sid}/events"
        player.options(url, headers={"Origin": "http://page", "Access-Control-Request-Method": "POST"})
        player.post(url, json=event_of("play"))
        rows, asked = (api.get("/events", **query)["events"] for query in ({}, {"type": "(preflight)"}))
        totals = api.get("/status")["totals"]
        api.refused("/wait", 504, until="calls:3", timeout=0)
        second = api.get("/wait", until="calls:2", timeout=0)["event"]
        later = api.get("/wait", until="calls:1", after=1, timeout=0)["event"]

    assert [row["type"] for row in rows] == ["sessionStart", "play"]
    assert [row["type"] for row in asked] == ["(preflight)"]
    assert totals["calls"] == 2
    assert second["type"] == later["type"] == "play"
