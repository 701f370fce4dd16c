"""The HTTP API of stock mitmdump with the script: faults, a reset and recordings while it answers; tests' keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from support.captured_traffic import read
from support.certificates import mitmdump
from support.exchanges import event, session, start, start_with
from support.processes import Command
from support.resend import write
from support.upstream_server import SID, upstream
from tapehead.protocol.request_key import KEY_HEADER
from tapehead.protocol.routes import ENDPOINT_DOMAIN, SESSIONS_PATH, location_of

ENDPOINT = f"http://company.{ENDPOINT_DOMAIN}"
TOKEN = "0123456789abcdef"
LIVE = ("tapehead_live=0", f"tapehead_token={TOKEN}")
CLIP = session("s1", [(1, 0, "play", {})], "clip-1")


class Tool:
    """A mitmdump that answers, a player, and a client of its API."""

    def __init__(self, opened: Command, player: httpx.Client) -> None:
        (line,) = (line for line in opened.lines if "tapehead HTTP API: " in line)
        self.opened, self.player = opened, player
        self.api = httpx.Client(base_url=line.rpartition(" ")[2], headers={"X-Tapehead-Token": TOKEN})

    def begin(self, key: str = "", media_id: str = "clip-1") -> str:
        """Begin a session; where its events go."""
        headers = {KEY_HEADER: key} if key else {}
        body = start_with({"media.id": media_id})
        answer = self.player.post(ENDPOINT + SESSIONS_PATH, json=body, headers=headers)
        assert answer.status_code == 201
        return f"{ENDPOINT}{answer.headers['Location']}/events"

    def play(self, events: str) -> int:
        """Send a play; the status of the answer."""
        return self.player.post(events, json=event("play")).status_code


@contextmanager
def answering(folder: Path, authority: trustme.CA, *options: str) -> Iterator[Tool]:
    """A mitmdump with the API."""
    with mitmdump(folder, authority, *LIVE, *options) as opened, httpx.Client(proxy=opened.url) as player:
        tool = Tool(opened, player)
        with tool.api:
            yield tool


def test_faults_are_set_and_removed_while_it_answers(tmp_path: Path, authority: trustme.CA) -> None:
    with answering(tmp_path, authority, "tapehead_simulate=true") as tool:
        events = tool.begin("one")
        set_ = tool.api.post("/faults", json={"fault": "event:play=410", "key": "one"})
        assert set_.status_code in (200, 201), set_.text
        statuses = [tool.play(events), tool.play(tool.begin("two"))]
        number = tool.api.get("/faults").json()["faults"][0]["id"]
        assert tool.api.delete(f"/faults/{number}").status_code in (200, 204)
        statuses.append(tool.play(events))

    assert statuses == [410, 204, 204]


def test_a_recording_is_loaded_and_misses_are_reset(tmp_path: Path, authority: trustme.CA) -> None:
    first = write(tmp_path / "first.jsonl", CLIP)
    second = write(tmp_path / "second.jsonl", session("s2", [(1, 0, "play", {})], "clip-2"))
    with answering(tmp_path, authority, f"tapehead_replay={first}") as tool:
        tool.begin(media_id="clip-2")
        assert len(tool.api.get("/misses").json()["misses"]) == 1
        assert tool.api.put("/recording", json={"recordings": [str(second)]}).status_code in (200, 204)
        assert tool.api.post("/reset", json={}).status_code in (200, 204)
        tool.begin(media_id="clip-2")
        assert tool.api.get("/misses").json()["misses"] == []
        tool.opened.stop()

    assert any("1 hit, 1 miss" in line for line in tool.opened.lines)


@pytest.mark.parametrize("form", ["header", "prefix"])
def test_the_endpoint_sees_no_key(form: str, tmp_path: Path, authority: trustme.CA) -> None:
    out = tmp_path / "a.jsonl"
    options = ("tapehead_endpoint=127.0.0.1", f"tapehead_record={out}")
    with upstream() as server, answering(tmp_path, authority, *options) as tool:
        prefix, headers = ("/k/one", {}) if form == "prefix" else ("", {KEY_HEADER: "one"})
        tool.player.post(f"{server.url}{prefix}{SESSIONS_PATH}", json=start(), headers=headers)
        tool.player.post(f"{server.url}{location_of(SID)}/events", json=event("play"))
        keys = [row["key"] for row in tool.api.get("/events?key=one").json()["events"]]
        tool.opened.stop()

    assert keys == ["one", "one"]
    assert [each.path for each in server.received] == [SESSIONS_PATH, f"{location_of(SID)}/events"]
    assert not any(KEY_HEADER.lower() in map(str.lower, each.headers) for each in server.received)
    assert b"/k/one" not in out.read_bytes()
    assert len(list(read(out))) == 2


def test_another_origin_is_refused_with_the_option_that_would_allow_it(tmp_path: Path, authority: trustme.CA) -> None:
    with answering(tmp_path, authority, "tapehead_simulate=true") as tool:
        refused = tool.api.get("/status", headers={"Origin": "http://evil.test"})
        tool.opened.stop()

    assert refused.status_code == 403
    assert refused.json()["error"].endswith("; pass tapehead_live_origin to allow them")
    assert not [line for line in tool.opened.lines if "server process" in line]
