"""A real player page in a real browser: recorded, replayed with the endpoint gone, behind a proxy, leaving, refused."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from support.browser import Sent, Viewer, chromium, player_site, require_chromium, viewer
from support.captured_traffic import errors, read, rules
from support.processes import TIMEOUT_SECONDS, Command, running
from tapehead.protocol.exchange import Exchange

pytestmark = pytest.mark.slow

SETTINGS = {"ping": 700, "adPing": 500}
# What the viewer presses, and at which second of the programme.
PLAN = "mute@0.5,unmute@0.9,pause@1.4,seek:2.5@1.9,quality@3.5"
# What the player sends of it, pings left out.
TIMELINE = [
    *("sessionStart", "adBreakStart", "adStart", "adComplete", "adBreakComplete", "play", "chapterStart"),
    *("stateStart", "stateEnd", "pauseStart", "play", "pauseStart", "play", "chapterComplete", "chapterStart"),
    *("bufferStart", "bitrateChange", "play", "chapterComplete", "sessionComplete"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with player_site() as url:
        yield url


def test_a_programme_plays_through_record_and_again_through_replay_with_the_endpoint_gone(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    out = tmp_path / "session.jsonl"
    with running("serve") as endpoint, running("record", "--to", endpoint.url, "--out", out) as proxy:
        first = play_to_the_end(browser, site, proxy)
        assert proxy.stop() == 0
        assert endpoint.stop() == 0
    assert is_gone(endpoint)
    assert without_pings(first) == [Sent(name, 201 if name == "sessionStart" else 204) for name in TIMELINE]
    assert_recorded(read(out))

    told = tmp_path / "summary.json"
    with running("replay", out, "--summary", told) as proxy:
        second = play_to_the_end(browser, site, proxy)
        assert proxy.stop() == 0
    assert without_pings(second) == without_pings(first)
    assert_replayed(json.loads(told.read_text())["replay"])


def play_to_the_end(browser: Browser, site: str, proxy: Command) -> list[Sent]:
    with viewer(browser, site, server=proxy.url, viewer=PLAN, **SETTINGS) as watching:
        sent = watching.wait_for_end()
        stamps = watching.timestamps()
        assert stamps == sorted(set(stamps))
        assert watching.complaints == []
        leave(watching, proxy)
    return sent


def assert_recorded(recorded: list[Exchange]) -> None:
    """The recording holds the whole session, preflights too, and nothing in it is wrong but the beacon's type."""
    assert [name for name in event_types(recorded) if name != "ping"] == [*TIMELINE, "sessionEnd"]
    assert "ping" in event_types(recorded)
    assert all(each.response and each.response.status < 300 for each in recorded)
    asked = {each.request.path.rpartition("/")[2] for each in recorded if each.call == "preflight"}
    assert asked == {"sessions", "events"}
    assert len({each.session for each in recorded if each.session}) == 1
    assert errors(recorded) == []
    assert [rules(each) for each in recorded if each.findings] == [["content-type"]]
    assert rules(recorded[-1]) == ["content-type"]


def assert_replayed(summary: dict[str, Any]) -> None:
    """The summary has no miss, and nothing that nobody asked for but pings."""
    assert (summary["playbacks"], summary["misses"]) == (1, 0)
    assert {each["call"].split()[0] for each in summary["unused"]} <= {"ping"}


def test_a_browser_behind_a_regular_proxy_has_its_calls_recorded_and_its_page_left_alone(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    out = tmp_path / "session.jsonl"
    options = ("--mode", "regular", "--endpoint", "127.0.0.1", "--out", out)
    with running("serve") as endpoint, running("record", *options) as proxy:
        with browser.new_context(proxy={"server": proxy.url, "bypass": "<-loopback>"}) as context:
            watch_a_little(context, site, proxy, server=endpoint.url)
        assert proxy.stop() == 0

    recorded = read(out)
    assert event_types(recorded)[0] == "sessionStart"
    assert event_types(recorded)[-1] == "sessionEnd"
    assert {each.request.url.partition("/api/v1/")[0] for each in recorded} == {endpoint.url}
    assert {"session", "event", "preflight"} == {each.call for each in recorded}
    assert errors(recorded) == []


def test_a_viewer_who_leaves_ends_the_session_by_a_beacon_whose_type_is_warned_of(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    out = tmp_path / "session.jsonl"
    with running("serve") as endpoint, running("record", "--to", endpoint.url, "--out", out) as proxy:
        watch_a_little(browser, site, proxy, server=proxy.url)
        assert proxy.stop() == 0

    last = read(out)[-1]
    assert body_of(last)["eventType"] == "sessionEnd"
    assert last.request.header("Content-Type") == "text/plain;charset=UTF-8"
    assert [(each.rule, each.severity) for each in last.findings] == [("content-type", "warning")]
    assert last.response
    assert last.response.status == 204


def test_a_session_that_is_refused_goes_on_in_a_new_one(browser: Browser, site: str, tmp_path: Path) -> None:
    out = tmp_path / "session.jsonl"
    with running("serve") as endpoint, running("record", "--to", endpoint.url, "--out", out) as proxy:
        watch_a_little(browser, site, proxy, server=proxy.url)
        proxy.stop()
    edited = tmp_path / "edited.jsonl"
    edited.write_text(twice_with_the_first_closed(out.read_text()))

    with running("replay", edited) as proxy:
        sent = watch_a_little(browser, site, proxy, server=proxy.url)
        assert proxy.stop() == 0
    refused = sent.index(Sent("ping", 410))
    assert sent[refused + 1 : refused + 5] == [
        Sent("sessionStart", 201),
        Sent("play", 204),
        Sent("chapterStart", 204),
        Sent("ping", 204),
    ]
    (summary,) = (line for line in proxy.lines if line.startswith("played "))
    assert re.match(r"played 2 sessions: \d+ hits, 0 misses, ", summary), proxy.lines


def twice_with_the_first_closed(recording: str) -> str:
    """A recording of one session, as two: the first one's pings are answered by 410, the second is as it was."""
    lines = [json.loads(line) for line in recording.splitlines()]
    (sid,) = {line["session"] for line in lines if line["session"]}
    closed = [close(line) if line["request"].get("body", {}).get("eventType") == "ping" else line for line in lines]
    again = recording.replace(sid, sid[::-1])
    return "".join(f"{json.dumps(line)}\n" for line in closed) + again


def close(line: dict[str, Any]) -> dict[str, Any]:
    """An exchange whose answer says that the session is closed."""
    body = {"message": "the session is closed"}
    return {**line, "response": {**line["response"], "status": 410, "reason": "Gone", "body": body}}


def test_without_a_chromium_tests_are_skipped_but_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium: set CHROMIUM, or install"):
        require_chromium()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no Chromium: set CHROMIUM, or install"):
        require_chromium()


def watch_a_little(browser: Browser | BrowserContext, site: str, proxy: Command, server: str) -> list[Sent]:
    """Play until a ping of the programme is answered, then leave; what was sent before that."""
    with viewer(browser, site, server=server, ping=300, adPing=60_000) as watching:
        watching.wait_until("player.log.some(sent => sent.type === 'ping' && sent.status === 204)")
        sent = watching.log()
        leave(watching, proxy)
    return sent


def leave(watching: Viewer, proxy: Command) -> None:
    """Leave the page, and wait until the proxy has seen the sessionEnd."""
    watching.leave()
    proxy.wait_for(lambda line: "sessionEnd" in line)


def without_pings(sent: list[Sent]) -> list[Sent]:
    return [each for each in sent if each.event_type != "ping"]


def event_types(recorded: list[Exchange]) -> list[str]:
    return [body_of(each)["eventType"] for each in recorded if each.call in ("session", "event")]


def body_of(exchange: Exchange) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(exchange.request.content())
    return parsed


def is_gone(server: Command) -> bool:
    """Tell whether nothing accepts connections at its address any more."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(server.address, timeout=1).close()
        except ConnectionRefusedError:
            return True
    return False
