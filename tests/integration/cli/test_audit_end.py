"""The end of a run whose audit is behind: progress on a terminal alone, and a second signal that ends it."""

import signal
from pathlib import Path

import httpx
import pytest

from support.captured_traffic import read
from support.live_client import EVENTS
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
