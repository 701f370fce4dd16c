"""serve --out and replay --out: every call with its answer is in a recording, and the audit gives a verdict."""

import json
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from support.captured_traffic import read
from support.exchanges import NOW, Step, event, exchange, request, sent, session, start
from support.processes import Command, run_tapehead, running
from support.resend import COMMANDS, resend, resend_by_sid, write
from tapehead.protocol.exchange import Answered, Exchange, Severity
from tapehead.recording.pipeline import words_of

STEPS: list[Step] = [(1, 0, "play", {}), (11, 10, "ping", {}), (20, 12, "sessionEnd", {})]
OLD, NEW = session("sid-1", STEPS, "clip-1"), session("sid-2", STEPS, "clip-2", began=100)
# A pauseStart of the recorded session that was never recorded.
OTHER = sent("sid-1", event("bufferStart", 5, 5))


@contextmanager
def playing(command: str, folder: Path, *options: object) -> Iterator[tuple[Command, httpx.Client]]:
    """A replay or a server of one recording, with --out run.jsonl, and a player."""
    recording = write(folder / "recording.jsonl", OLD)
    with running(command, recording, "--out", folder / "run.jsonl", *options) as opened, httpx.Client() as player:
        yield opened, player


def outcomes(exchanges: Sequence[Exchange]) -> list[str]:
    return [each.answered.outcome if each.answered else "" for each in exchanges]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_call_is_recorded_with_its_answer_and_the_reason(command: str, tmp_path: Path) -> None:
    with playing(command, tmp_path, "--fault", "event:bufferStart=410") as (opened, player):
        answers = resend_by_sid(player, opened.url, [*OLD, OTHER, *NEW])
        before_the_end = read(tmp_path / "run.jsonl")
        opened.stop()

    recorded = read(tmp_path / "run.jsonl")
    assert recorded == before_the_end
    assert [(each.session, each.response and each.response.status) for each in recorded] == [
        (sid, answer and answer.status_code) for sid, answer in answers
    ]
    assert outcomes(recorded) == ["hit"] * 4 + ["fault"] + ["miss"] * 4
    reasons = [each.answered.reason for each in recorded if each.answered]
    assert reasons[0].startswith("line 1 (sessionStart at 0), session")
    assert reasons[4:6] == ["fault: 410", "miss: no recorded session has this content; simulated"]
    assert [each.order for each in recorded] == list(range(1, 10))
    assert {each.source.partition(" ")[0] for each in recorded} == {command}
    assert all(each.request.url.startswith(opened.url) for each in recorded)
    assert "x-tapehead" not in (tmp_path / "run.jsonl").read_text().lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_recording_says_of_each_answer_that_it_was_sent(command: str, tmp_path: Path) -> None:
    """Bodies and headers are those that the player got."""
    with playing(command, tmp_path, "--on-miss", "error") as (opened, player):
        refused = player.post(f"{opened.url}/api/v1/sessions", json=start(params={"media.id": "none"}))
        schema = player.get(f"{opened.url}/api/v1/schemas/ping")
        opened.stop()

    for answer, recorded in zip((refused, schema), read(tmp_path / "run.jsonl"), strict=True):
        assert recorded.response
        assert recorded.response.content() == answer.content
        assert {name.lower(): value for name, value in recorded.response.headers} == dict(answer.headers)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("event:play=drop", "the connection was closed without an answer"),
        ("event:play=cut", "the connection was closed in the middle of the answer"),
        ("event:play=500+cut", "the connection was closed in the middle of the answer"),
    ],
)
def test_a_broken_answer_is_recorded_as_one(command: str, fault: str, error: str, tmp_path: Path) -> None:
    with playing(command, tmp_path, "--fault", fault) as (opened, player):
        answers = resend(player, opened.url, OLD[:2])
        opened.stop()

    recorded = read(tmp_path / "run.jsonl")[1]
    assert answers[1] is None
    assert (recorded.response, recorded.error, recorded.closed_by) == (None, error, "endpoint")
    assert recorded.answered == Answered("fault", f"fault: {fault.partition('=')[2]}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_player_that_leaves_is_recorded_as_one(command: str, tmp_path: Path) -> None:
    whole = b'{"eventType":"ping","playerTime":{"playhead":1,"ts":1}}'
    head = b"POST /api/v1/sessions/s/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with playing(command, tmp_path, "--latency", "300") as (opened, _player):
        with socket.create_connection(opened.address) as cut:
            cut.sendall(head % 100 + whole)
        with socket.create_connection(opened.address) as left:
            left.sendall(head % len(whole) + whole)
        opened.wait_for(lambda line: "ping" in line)
        opened.stop()

    recorded = {each.request.saved: each for each in read(tmp_path / "run.jsonl")}
    assert recorded[False].response is None
    assert recorded[False].closed_by == recorded[True].closed_by == "client"
    assert recorded[True].request.content() == whole


@pytest.mark.parametrize("command", COMMANDS)
def test_an_answered_call_survives_a_kill(command: str, tmp_path: Path) -> None:
    with playing(command, tmp_path) as (opened, player):
        resend(player, opened.url, OLD)
        opened.stop(signal.SIGKILL)

    assert len(read(tmp_path / "run.jsonl")) == len(OLD)


@pytest.mark.parametrize("command", COMMANDS)
def test_identifiers_are_replaced_unless_they_are_kept(command: str, tmp_path: Path) -> None:
    visitor = "12345678901234567890123456789012345678"
    for name, options in (("run.jsonl", []), ("kept.jsonl", ["--keep-ids"])):
        with running(command, write(tmp_path / "r.jsonl", OLD), "--out", tmp_path / name, *options) as opened:
            with httpx.Client() as player:
                resend(player, opened.url, OLD)
            opened.stop()

    assert visitor not in (tmp_path / "run.jsonl").read_text()
    assert visitor in (tmp_path / "kept.jsonl").read_text()


# ---- The verdict ----


def bad() -> list[Exchange]:
    """A session of which each call is right by itself."""
    return session("sid-3", [(1, 1, "adComplete", {}), *STEPS], "clip-1")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("never", 0), (None, 0)])
def test_findings_of_sessions_fail_a_run_that_asks_for_it(
    command: str, fail_on: str | None, code: int, tmp_path: Path
) -> None:
    options = ["--fail-on", fail_on] if fail_on else []
    with playing(command, tmp_path, *options) as (opened, player):
        resend(player, opened.url, today(bad()))
        assert opened.stop() == code

    audited = run_tapehead("audit", tmp_path / "run.jsonl", "--format", "json")
    found = json.loads(audited.stdout)["summary"]
    assert found["by_rule"]["ad-not-open"] == 1
    counts = {each: found[f"{each}s"] for each in Severity}
    (line,) = (line for line in opened.lines if line.startswith("recorded 5 exchanges of 1 session"))
    assert f": {words_of(Counter(counts))}" in line


def today(exchanges: list[Exchange]) -> list[Exchange]:
    """The exchanges with the time of now in their events."""
    import time

    moved = []
    for each in exchanges:
        body = each.request.json()
        body["playerTime"]["ts"] += round((time.time() - NOW) * 1000)
        moved.append(msgspec.structs.replace(each, request=request(body, each.request.path)))
    return moved


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_recording_the_verdict_is_the_same(command: str, tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    with running(command, recording, "--fail-on", "error", "--quiet") as opened, httpx.Client() as player:
        resend(player, opened.url, today(bad()))
        assert opened.stop() == 1

    assert any(line.startswith("audit of 1 session: ") and "error" in line for line in opened.lines)
    assert list(tmp_path.glob("*.jsonl")) == [recording]


def test_a_recording_proxy_fails_by_its_findings_as_well(tmp_path: Path) -> None:
    with (
        running("serve") as endpoint,
        running("record", "--to", endpoint.url, "--out", tmp_path / "a.jsonl", "--fail-on", "error") as proxy,
        httpx.Client() as player,
    ):
        resend(player, proxy.url, today(bad()))
        assert proxy.stop() == 1
        assert endpoint.stop() == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_without_a_session_fails_if_findings_do(command: str, tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    with running(command, recording, "--fail-on", "error") as opened:
        assert opened.stop() == 1

    assert "no session to audit" in opened.lines


# ---- Files ----


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_played_is_never_written(command: str, tmp_path: Path) -> None:
    recording = write(tmp_path / "recording.jsonl", OLD)
    before = recording.read_bytes()
    for options in ([], ["--overwrite"], ["--append"]):
        done = run_tapehead(command, tmp_path, "--out", recording, *options)
        assert (done.returncode, "recording.jsonl' is an input and would be overwritten" in done.stderr) == (2, True)
    assert recording.read_bytes() == before


@pytest.mark.parametrize("command", COMMANDS)
def test_an_existing_file_is_added_to_or_replaced_only_if_asked(command: str, tmp_path: Path) -> None:
    counts = []
    for options in ([], ["--append"], ["--overwrite"]):
        with playing(command, tmp_path, *options) as (opened, player):
            resend(player, opened.url, OLD[:1])
            opened.stop()
        counts.append(len(read(tmp_path / "run.jsonl")))
    done = run_tapehead(command, tmp_path / "recording.jsonl", "--out", tmp_path / "run.jsonl")

    assert counts == [1, 2, 1]
    assert done.returncode == 2
    assert "run.jsonl' exists; pass --append to add to it, or --overwrite to replace it" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["record", "--to", "http://x", "--no-audit", "--fail-on", "error"], "--fail-on and --no-audit exclude"),
        (["serve", "--append"], "--append needs --out FILE"),
        (["replay", "r.jsonl", "--rotate", "1h"], "--rotate needs --out FILE"),
        (["serve", "--out", "a.jsonl", "--append", "--overwrite"], "--append and --overwrite exclude each other"),
        (["serve", "--no-audit", "--fail-on", "error"], "--fail-on and --no-audit exclude each other"),
        (["replay", "r.jsonl", "--no-audit", "--fail-on", "error"], "--fail-on and --no-audit exclude each other"),
        (["serve", "--out", "a.jsonl", "--summary", "a.jsonl"], "'a.jsonl' is an input and would be overwritten"),
    ],
)
def test_options_that_do_not_fit_are_one_line(arguments: list[str], wanted: str, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", OLD)
    done = run_tapehead(*arguments, cwd=tmp_path)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert wanted in done.stderr


def test_other_requests_are_not_recorded(tmp_path: Path) -> None:
    with playing("serve", tmp_path) as (opened, player):
        player.get(f"{opened.url}/favicon.ico")
        resend(player, opened.url, [exchange(request(start()), None)])
        opened.stop()

    assert [each.call for each in read(tmp_path / "run.jsonl")] == ["session"]
