"""tapehead replay with an endpoint: misses are forwarded and recorded, and what was recorded so is played."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.captured_traffic import read
from support.exchanges import Step, event, exchange, request, sent, session, start_with
from support.processes import Command, run_tapehead, running
from support.resend import assert_all_hits, resend, resend_by_sid, summary_of, write
from support.upstream_server import Upstream, free_port, upstream
from tapehead import read_recordings
from tapehead.protocol.exchange import Exchange

STEPS: list[Step] = [(1, 0, "play", {}), (11, 10, "ping", {}), (15, 12, "pauseStart", {}), (20, 12, "sessionEnd", {})]
OTHER_STEPS: list[Step] = [(1, 0, "play", {}), (11, 10, "bufferStart", {}), (20, 12, "sessionEnd", {})]
OLD = session("sid-1", STEPS, "clip-1")
NEW = session("sid-2", STEPS, "clip-2", began=100)


class Forwarding(NamedTuple):
    """A running replay that forwards, its endpoint, and a player."""

    server: Upstream
    proxy: Command
    player: httpx.Client

    def send(self, exchanges: list[Exchange]) -> list[str | None]:
        """Send exchanges again; the ids that were issued. All are accepted."""
        answers = resend_by_sid(self.player, self.proxy.url, exchanges)
        assert [answer and answer.status_code < 300 for _, answer in answers] == [True] * len(exchanges)
        return list(dict.fromkeys(sid for sid, _ in answers))

    def send_new(self) -> str | None:
        (sid,) = self.send(NEW)
        return sid


@contextmanager
def forwarding(recording: Path, *options: object, on_miss: str = "forward") -> Iterator[Forwarding]:
    """A replay that forwards to an endpoint which issues live-1, live-2 and so on."""
    numbers = count(1)
    with (
        upstream(location=lambda: f"/api/v1/sessions/live-{next(numbers)}") as server,
        running("replay", recording, "--on-miss", on_miss, "--to", server.url, *options) as proxy,
        httpx.Client() as player,
    ):
        yield Forwarding(server, proxy, player)


def types_of(server: Upstream) -> list[str]:
    return [json.loads(each.body)["eventType"] for each in server.received]


@pytest.mark.parametrize("to_another_file", [False, True])
def test_new_episodes_are_forwarded_recorded_and_hits_the_next_time(to_another_file: bool, tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    before = recording.read_bytes()
    out = tmp_path / "new.jsonl" if to_another_file else recording
    options = ["--out", out] if to_another_file else []
    with forwarding(recording, *options) as run:
        run.send([*OLD, *NEW])
        assert run.proxy.stop() == 0

    assert types_of(run.server) == ["sessionStart", *(step[2] for step in STEPS)]
    assert (recording.read_bytes() == before) is to_another_file
    assert [each.session for each in read(out)][-5:] == ["live-1"] * 5

    summary = tmp_path / "summary.json"
    with running("replay", *dict.fromkeys((recording, out)), "--strict", "--summary", summary) as proxy:
        with httpx.Client() as player:
            resend(player, proxy.url, [*OLD, *NEW])
        assert proxy.stop() == 0
    assert_all_hits(summary, len(OLD) + len(NEW))


@pytest.mark.parametrize("name", ["recording.jsonl", "another.jsonl", "another.jsonl.zst"])
def test_a_new_episode_is_played_once_it_has_ended_and_not_recorded_twice(name: str, tmp_path: Path) -> None:
    recording, out = write(tmp_path / "recording.jsonl", OLD), tmp_path / name
    summary = tmp_path / "summary.json"
    with forwarding(recording, "--out", out, "--explain", "--summary", summary) as run:
        assert run.send_new() == "live-1"
        played = {run.send_new() for _ in range(3)}
        recorded = [entry.exchange.session for entry in read_recordings([out])]
        assert run.proxy.stop() == 0

    assert len(played) == 3
    assert "live-1" not in played
    assert len(run.server.received) == len(NEW)
    before = len(OLD) if out == recording else 0
    assert recorded[before:] == ["live-1"] * len(NEW)
    lines = "\n".join(run.proxy.lines)
    assert f"line {before + 1} (sessionStart at 0), session" in lines
    assert f"line {before + len(NEW)} (sessionEnd at 12), in-order" in lines
    replay = summary_of(summary)["replay"]
    assert (replay["playbacks"], replay["hits"], replay["misses"]) == (3, 3 * len(NEW), len(NEW))
    assert [each["file"] for each in replay["unused"]] == [0] * len(OLD)
    assert summary_of(summary)["recordings"] == list(map(str, dict.fromkeys((recording, out))))


def test_a_miss_in_a_new_episode_names_its_line_and_file(tmp_path: Path) -> None:
    recording, out = write(tmp_path / "recording.jsonl", OLD), tmp_path / "another.jsonl"
    with forwarding(recording, "--out", out) as run:
        run.send_new()
        run.send([*NEW[:4], sent("sid-2", event("pauseStart", 40, 60))])
        run.proxy.stop()

    assert any(f"nearest {out}:4  playhead 12 there, 40 here" in line for line in run.proxy.lines)


def test_an_episode_that_lacks_calls_is_recorded_anew_and_a_hit_the_next_time(tmp_path: Path) -> None:
    recording, summary = write(tmp_path / "recording.jsonl", [*OLD, *NEW]), tmp_path / "summary.json"
    changed = session("sid-1", OTHER_STEPS, "clip-1")
    with forwarding(recording) as run:
        run.send([*changed, *NEW])
        assert run.server.received == []
        assert run.send(changed) == ["live-1"]
        assert run.send(changed) != ["live-1"]
        assert run.proxy.stop() == 0
    assert types_of(run.server) == ["sessionStart", *(step[2] for step in OTHER_STEPS)]
    recorded = list(read(recording))[len(OLD) + len(NEW) :]
    assert [(each.session, each.replaces) for each in recorded] == [("live-1", "sid-1"), *[("live-1", None)] * 3]
    assert not any("outdated" in line for line in run.proxy.lines)

    with running("replay", recording, "--strict", "--summary", summary) as proxy, httpx.Client() as player:
        resend(player, proxy.url, [*changed, *NEW])
        assert proxy.stop() == 0
    assert_all_hits(summary, len(changed) + len(NEW))


def test_an_episode_that_was_not_recorded_anew_is_named_at_the_end(tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    with forwarding(recording) as run:
        run.send(session("sid-1", OTHER_STEPS, "clip-1"))
        assert run.proxy.stop() == 0

    wanted = f"  outdated: {recording}:1 lacks calls; to record the session anew, play it twice in one run"
    assert wanted in run.proxy.lines
    assert len(list(read(recording))) == len(OLD)


def test_an_episode_that_still_runs_is_forwarded_to_another_player(tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    with forwarding(recording) as run:
        assert run.send(NEW[:-1]) == ["live-1"]
        assert run.send_new() == "live-2"
        end = request({"eventType": "sessionEnd"}, "/api/v1/sessions/live-1/events")
        run.send([exchange(end, None)])
        received = len(run.server.received)
        assert run.send_new() not in ("live-1", "live-2", "live-3")
        assert len(run.server.received) == received
        # It ended, and its player goes on: the endpoint alone knows what it answers to that.
        run.send([exchange(end, None)])
        assert len(run.server.received) == received + 1
        assert run.proxy.stop() == 0


def test_a_playback_of_a_new_episode_continues_after_a_restart(tmp_path: Path) -> None:
    recording, summary = write(tmp_path / "recording.jsonl", OLD), tmp_path / "summary.json"
    with forwarding(recording) as run:
        run.send_new()
        (sid,) = run.send(NEW[:3])
        run.proxy.process.kill()
    rest = [exchange(request(each.request.json(), f"/api/v1/sessions/{sid}/events"), None) for each in NEW[3:]]
    with running("replay", recording, "--summary", summary) as proxy, httpx.Client() as player:
        resend(player, proxy.url, rest)
        assert proxy.stop() == 0
    replay = summary_of(summary)["replay"]
    assert (replay["hits"], replay["misses"]) == (2, 0)


def test_schemas_and_downloaded_content_are_forwarded_once(tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    schema = exchange(request(path="/api/v1/schemas/ping", method="GET"), None)
    downloaded = exchange(request([start_with({"media.id": "clip-3"}), {"eventType": "sessionEnd"}]), None)
    with forwarding(recording) as run:
        for _ in range(2):
            resend(run.player, run.proxy.url, [schema, downloaded])
        assert run.proxy.stop() == 0

    assert [each.path for each in run.server.received] == ["/api/v1/schemas/ping", "/api/v1/sessions"]
    assert len(list(read(recording))) == len(OLD) + 2


def test_another_tapehead_may_be_the_endpoint(tmp_path: Path) -> None:
    """Its simulated sessions are not taken for those of this one."""
    recording = write(tmp_path / "recording.jsonl", OLD)
    with (
        running("serve") as endpoint,
        running("replay", recording, "--on-miss", "forward", "--to", endpoint.url) as proxy,
        httpx.Client() as player,
    ):
        resend(player, proxy.url, NEW)
        assert proxy.stop() == 0

    assert len(list(read(recording))) == len(OLD) + len(NEW)


# ---- Once ----


@pytest.mark.parametrize("is_empty", [False, True])
def test_once_makes_a_recording_then_plays_it_without_the_endpoint(is_empty: bool, tmp_path: Path) -> None:
    recording, summary = tmp_path / "recording.jsonl", tmp_path / "summary.json"
    if is_empty:
        recording.touch()
    other = session("sid-3", OTHER_STEPS, "clip-2", began=200)
    with forwarding(recording, "--strict", on_miss="once") as run:
        assert run.send([*OLD, *NEW, *other]) == ["live-1", "live-2", "live-3"]
        assert run.proxy.stop() == 0
    assert f"no recording yet: every call is forwarded, and recorded in {recording}" in run.proxy.lines
    assert len(list(read(recording))) == len([*OLD, *NEW, *other])

    recorded, nobody = recording.read_bytes(), f"http://127.0.0.1:{free_port()}"
    options = ["--to", nobody, "--upstream-proxy", nobody, "--strict", "--summary", summary]
    with running("replay", recording, "--on-miss", "once", *options) as proxy, httpx.Client() as player:
        resend(player, proxy.url, [*OLD, *NEW, *other])
        assert proxy.stop() == 0
    assert_all_hits(summary, len([*OLD, *NEW, *other]))
    assert recording.read_bytes() == recorded


def test_once_answers_a_miss_with_an_error_where_there_is_a_recording(tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    before = recording.read_bytes()
    with forwarding(recording, on_miss="once") as run:
        refused, *_ = resend(run.player, run.proxy.url, NEW[:1])
        assert run.proxy.stop() == 1

    assert refused
    assert refused.status_code == 502
    assert refused.json()["reason"] == "no-such-session"
    assert (run.server.received, recording.read_bytes()) == ([], before)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["a.jsonl", "--on-miss", "once"], "--on-miss once needs --to URL, the endpoint, and no --mode"),
        (["a.jsonl", "--on-miss", "once", "--to", "http://x", "--mode", "regular"], "and no --mode"),
        (["a.jsonl", "b.jsonl", "--on-miss", "once", "--to", "http://x"], "needs one RECORDING"),
        ([".", "--on-miss", "once", "--to", "http://x"], "needs one RECORDING"),
        (["-", "--on-miss", "once", "--to", "http://x"], "needs one RECORDING"),
        (["a.jsonl", "--on-miss", "once", "--to", "http://x", "--out", "b.jsonl"], "--out needs --on-miss forward"),
        (["a.jsonl", "--to", "http://x"], "--to needs --on-miss forward; pass it, too"),
    ],
)
def test_once_needs_one_recording_and_an_endpoint(arguments: list[str], wanted: str, tmp_path: Path) -> None:
    done = run_tapehead("replay", *arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert wanted in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_serve_forwards_nothing(tmp_path: Path) -> None:
    done = run_tapehead("serve", write(tmp_path / "a.jsonl", OLD), "--on-miss", "once")

    assert (done.returncode, "use tapehead replay --on-miss once --to URL" in done.stderr) == (2, True)
