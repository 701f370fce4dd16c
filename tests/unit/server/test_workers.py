"""Worker processes: what they return, and what happens to those that die."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
import os, signal, sys, threading
from tapehead.server.workers import once, release_signals, run_workers

def work(crash, warn):
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    release_signals()
    warn(f"a line of {os.getpid()}")
    if crash:
        os._exit(3)
    stopped.wait()
    return os.getpid()

def on_ready():
    print("ready", flush=True)
    if sys.argv[1:] == ["crash"]:
        os.kill(os.getpid(), signal.SIGTERM)

def warn(line):
    print("warned", flush=True)

if __name__ == "__main__":
    results = run_workers(3, on_ready, work, sys.argv[1:] == ["crash"], once(warn))
    print(len(set(results) - {os.getpid()}), flush=True)
"""


def run(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(tmp_path / "script.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_every_worker_returns_its_result_and_one_of_them_warns(tmp_path: Path) -> None:
    with run(tmp_path) as process:
        assert process.stdout
        lines = [process.stdout.readline().strip() for _ in range(2)]
        os.kill(process.pid, signal.SIGTERM)
        rest, errors = process.communicate(timeout=30)

    assert sorted(lines) == ["ready", "warned"]
    assert rest.splitlines() == ["3"]
    assert (process.returncode, errors) == (0, "")


def test_workers_that_die_are_left_out(tmp_path: Path) -> None:
    with run(tmp_path, "crash") as process:
        out, _ = process.communicate(timeout=30)

    assert out.splitlines()[-1] == "0"
    assert process.returncode == 0
