"""`serve --workers`: one recording, audit, page and summary, whichever worker a call comes to and whichever dies."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api_client import ApiClient, api_of
from support.exchanges import NOW, event, session, start_with
from support.live_client import LIVE, link_of
from support.load import LoadGenerator, numbers_in
from support.processes import TIMEOUT_SECONDS, Command, running, workers_of
from support.resend import summary_of, write
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import location_of, sid_of_location
from tapehead.recording.capture import WORKER_MARK
from tapehead.recording.reader import read_recording

SESSIONS = "/api/v1/sessions"
# The calls of a session over connections of their own: as many as surely come to several workers.
CALLS = 24


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A session of pings, whose id players may go on with."""
    steps: list[tuple[float, float, str, dict[str, Any]]] = [(0, 0, "play", {})]
    steps += [(at, at, "ping", {}) for at in range(1, CALLS)]
    return write(tmp_path / "recorded.jsonl", session("abc", [*steps, (CALLS, CALLS, "sessionComplete", {})]))


def post(opened: Command, path: str, body: object) -> httpx.Response:
    """Send a call over a connection of its own, which comes to any of the workers."""
    return httpx.post(f"{opened.url}{path}", json=body, timeout=TIMEOUT_SECONDS, trust_env=False)


def play(opened: Command, last: str = "sessionComplete") -> str:
    """Play the recorded session over many connections; return its id."""
    started = start_with({"media.id": "clip-1"}, time.time() - NOW)
    sid = sid_of_location(post(opened, SESSIONS, started).headers["Location"]) or ""
    for nth in range(CALLS):
        post(opened, f"{location_of(sid)}/events", event("ping" if nth else "play", nth, time.time() - NOW))
    post(opened, f"{location_of(sid)}/events", event(last, CALLS, time.time() - NOW))
    return sid


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_worker_costs_no_call_that_was_answered(recording: Path, tmp_path: Path) -> None:
    out, summary = tmp_path / "out.jsonl", tmp_path / "summary.json"
    options = ["-q", "--workers", 3, "--out", out, "--summary", summary]
    with running("serve", recording, *options) as opened:
        load = LoadGenerator(opened.port, range(50_000))
        playing = threading.Thread(target=load.play, args=(16,))
        playing.start()
        wait_until(lambda: len(load.answered) >= 200)
        killed = workers_of(opened.process.pid)[0]
        os.kill(killed, signal.SIGKILL)
        told = opened.wait_for(lambda line: " died: " in line)
        wait_until(lambda: len(set(workers_of(opened.process.pid)) - {killed}) == 3)
        more = LoadGenerator(opened.port, range(50_000, 50_050))
        more.play(16)
        assert opened.stop() == 1
        playing.join()

    recorded, counted = numbers_in(out), summary_of(summary)
    assert told.endswith(" of 3 died: killed by SIGKILL; another one starts in 0.5 s")
    assert set(load.answered) - set(recorded) <= load.late
    assert set(more.answered) == set(range(50_000, 50_050)) <= set(recorded)
    assert len(recorded) == len(set(recorded))
    # Those of the dead one as well.
    assert counted["replay"]["hits"] == len(recorded)
    assert counted["failures"] == 1


@pytest.mark.parametrize(("last", "code", "errors"), [("sessionComplete", 0, 0), ("nonsense", 1, 1)])
def test_a_session_over_all_workers_is_audited_once(
    last: str, code: int, errors: int, recording: Path, tmp_path: Path
) -> None:
    out, summary = tmp_path / "out.jsonl", tmp_path / "summary.json"
    options = ["--workers", 3, "--out", out, "--fail-on", "error", "--summary", summary]
    with running("serve", recording, *options) as opened:
        sid = play(opened, last)
        assert opened.stop() == code

    verdict = summary_of(summary)["audit"]
    assert (verdict["sessions"], verdict["findings"]["error"], verdict["fails"]) == (1, errors, bool(code))
    assert len([line for line in opened.lines if "  error   unknown-event-type: " in line]) == errors
    recorded = [item.exchange for item in read_recording(out) if isinstance(item, Entry)]
    assert len(recorded) == CALLS + 2
    assert len({each.source.rpartition(WORKER_MARK)[2] for each in recorded}) > 1
    assert {each.session for each in recorded} == {sid}


def check_refused(api: ApiClient, command: str) -> None:
    """Check that what would change one engine of several is refused, and nothing has changed."""
    said = {
        api.send("POST", "/faults", {"fault": "event:ping=503"}, 409)["error"],
        api.send("DELETE", "/faults/1", status=409)["error"],
        api.send("PUT", "/recording", {"recordings": []}, 409)["error"],
        api.send("POST", "/reset", {}, 409)["error"],
    }
    assert said == {
        f"'{command} --workers' answers in several processes, and a request reaches none of their engines;"
        " for faults, recordings and resets at run time, leave out --workers"
    }
    for path in ("/misses", "/unused"):
        told = api.refused(path, 409, key="one")["error"]
        assert told == f"'{command} --workers' counts for all keys together; leave out 'key', or --workers"


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_the_page_has_the_calls_and_counts_of_all_workers(command: str, recording: Path) -> None:
    with running(command, recording, "-q", "--workers", 2, *LIVE) as opened, api_of(opened) as api:
        play(opened, "nonsense")
        listed, status = api.get("/events", limit=100)["events"], api.get("/status")
        (missed,) = api.get("/misses")["misses"]
        unused = api.get("/unused")["unused"]
        so_far = api.get("/summary")
        check_refused(api, command)
        link = link_of(opened)
        metrics = httpx.get(f"{link.origin}/metrics", headers={"Authorization": f"Bearer {link.token}"}).text
        assert api.get("/status")["totals"]["calls"] == CALLS + 2
        assert opened.stop() == 0

    assert len(listed) == CALLS + 2
    assert (status["engine"]["hits"], status["engine"]["misses"], status["engine"]["playbacks"]) == (CALLS + 1, 1, 1)
    assert (so_far["calls"], so_far["replay"]["hits"], so_far["replay"]["misses"]) == (CALLS + 2, CALLS + 1, 1)
    assert missed["call"] == "nonsense at 24"
    assert [each["call"] for each in unused] == ["sessionComplete at 24"]
    assert f"tapehead_replay_hits_total {CALLS + 1}.0" in metrics
    assert "tapehead_replay_misses_total 1.0" in metrics


@pytest.mark.parametrize("command", ["serve", "replay"])
def test_a_worker_that_starts_after_a_recording_was_changed_says_so(
    command: str, recording: Path, tmp_path: Path
) -> None:
    """Others play what they have read; players get answers of both."""
    with running(command, recording, "-q", "--workers", 2) as opened:
        killed = workers_of(opened.process.pid)[0]
        write(tmp_path / "new.jsonl", session("other", [(0, 0, "play", {})])).rename(recording)
        os.kill(killed, signal.SIGKILL)
        opened.wait_for(lambda line: " died: " in line)
        told = opened.wait_for(lambda line: " changed since this run began" in line)
        play(opened, "sessionComplete")
        assert opened.stop() == 1

    assert told == (
        f"tapehead: '{recording}' changed since this run began: a worker that starts now plays what is there now, and"
        " others what they read; restart the command so that all play the same"
    )
    assert len([line for line in opened.lines if "changed since" in line]) == 1
