"""The end of a run whose audit is behind: progress on a terminal alone, and a second signal that ends it."""

import signal
from pathlib import Path

import httpx
import pytest

from support.api_client import ApiClient, api_of
from support.captured_traffic import read
from support.live_client import EVENTS, LIVE, play
from support.processes import running
from support.rules import PING
from support.terminals import Terminal
from support.upstream_server import upstream

# The audit begins never, or late; without another signal its end would wait for an hour.
_HELD = """
import threading
import tapehead.journal.audit_thread as module

held, run, close = threading.Event(), module.AuditThread._run, module.AuditThread.close
module.CLOSE_SECONDS = 3600.0

def run_late(self):
    held.wait()
    run(self)

module.AuditThread._run = run_late
"""
_LATE = f"""{_HELD}
def close_soon(self, on_wait):
    threading.Timer(2.0, held.set).start()
    return close(self, on_wait)

module.AuditThread.close = close_soon
"""
ENDED_EARLY = "the audit ended before it had all calls"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["serve", "record"])
def test_a_second_signal_ends_the_audit_and_keeps_the_recording(command: str, number: int, tmp_path: Path) -> None:
    with upstream() as server:
        to = ["--to", server.url] if command == "record" else []
        words = [command, *to, "--out", "run.jsonl", "--listen", "127.0.0.1:0"]
        terminal = Terminal(*words, cwd=tmp_path, broken=_HELD)
        for _ in range(3):
            httpx.post(f"http://127.0.0.1:{terminal.port}{EVENTS}", json=PING)
        terminal.process.send_signal(number)
        terminal.read(until=b"auditing the last 3 calls; press Ctrl-C to end without them")
        output = terminal.stop(number)

    assert terminal.process.returncode == 0
    assert output.count(ENDED_EARLY) == 1
    assert "recorded 3 exchanges" in output
    assert len(read(tmp_path / "run.jsonl")) == 3


def test_a_pipe_gets_no_progress_and_the_whole_verdict(tmp_path: Path) -> None:
    with running("serve", "--out", "run.jsonl", cwd=tmp_path, broken=_LATE) as opened:
        httpx.post(opened.url + EVENTS, json=PING)
        assert opened.stop(signal.SIGINT) == 0

    assert not any("auditing" in line or ENDED_EARLY in line for line in opened.lines)
    assert any(line.startswith("recorded 1 exchange") for line in opened.lines)


# The audit ends as by an error that nothing in it catches.
_DEAD = """
from tapehead.journal.audit_thread import AuditThread

def tick(self):
    raise SystemExit

AuditThread._tick = tick
"""


def test_an_audit_that_has_died_fails_the_run_and_tells_no_test_that_there_are_no_findings() -> None:
    with running("serve", "--fail-on", "error", *LIVE, broken=_DEAD) as opened, api_of(opened) as api:
        until_dead(api)
        with httpx.Client() as player:
            play(player, opened.url)
        told = api.refused("/wait", 409, until="findings:0", timeout=20)
        assert opened.stop() == 1

    assert told["error"] == "the audit is off (--no-audit) or has failed, so 'findings:0' cannot be told"
    assert ENDED_EARLY in opened.lines


def until_dead(api: ApiClient) -> None:
    """Return when the audit has died."""
    for _ in range(2_000):
        if not api.get("/status", settle="no")["audited"]:
            return
    raise AssertionError("it never died")
