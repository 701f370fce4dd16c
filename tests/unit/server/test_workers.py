"""Worker processes: what they return, what follows those that die, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tapehead.errors import StartupError
from tapehead.server.workers import SPAWN, _Problem, _Ready, _Worker

TIMEOUT_SECONDS = 60
# Workers answer to no one here: they run until they are told to stop, or do what their number of lives says.
SCRIPT = """
import contextlib, os, pathlib, signal, sys, time
from tapehead.errors import UsageError
from tapehead.server import workers
from tapehead.server.workers import once, release_signals, run_workers

mode, births = sys.argv[1], pathlib.Path("births")

def work(number, warn):
    is_later = mode == "slow later" and births.exists() and len(births.read_text().split()) >= 3
    if mode in ("stillborn", "refuse", "threadless", "slow") or is_later:
        with births.open("a") as file:
            file.write(f"{os.getpid()}\\n")
        if mode == "stillborn" and number == 1:
            os._exit(4)
        if mode == "slow" or is_later:
            time.sleep(60)
        if mode == "refuse" and number == 1:
            raise UsageError("a file is gone")
        if mode == "threadless" and number == 1:
            raise RuntimeError("can't start new thread")
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    release_signals()
    warn(f"a line of {os.getpid()}")
    with births.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    if mode == "crash":
        os._exit(3)
    if mode == "fail":
        raise UsageError("a file is gone")
    while not stopped or mode == "hang":
        time.sleep(0.01)
    return os.getpid(), b"x" * (1_000_000 if mode == "large" else 1)

def warn(line):
    print(line if line.startswith("worker") else "warned", flush=True)

def on_stop():
    if mode == "dies at stop":
        pid = int(births.read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

workers.TIMEOUT_SECONDS = 1 if mode == "hang" else 30
if __name__ == "__main__":
    prepare = contextlib.nullcontext
    results, lost = run_workers(
        3, prepare, pathlib.Path("ready").touch, on_stop, warn, work, once(warn)
    )
    print("returned", *(pid for pid, _ in results), flush=True)
    print("lost", lost, flush=True)
"""


class Run:
    """A run of the script.

    Attributes:
        process: the parent of the workers.
        ready: a file that is there once all workers are ready.
    """

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self.ready = folder / "ready"
        self._births = folder / "births"

    def born(self, number: int) -> list[int]:
        """Wait until so many workers have been born; return their process ids."""
        for _ in range(TIMEOUT_SECONDS * 100):
            born = [int(line) for line in self._births.read_text().split()] if self._births.exists() else []
            if len(born) >= number:
                return born
            time.sleep(0.01)
        raise AssertionError(born)

    def stop(self, number: int = signal.SIGTERM) -> list[str]:
        """Stop it with a signal once it is ready; return its lines but that of its first worker."""
        for _ in range(TIMEOUT_SECONDS * 100):
            if self.ready.exists():
                break
            time.sleep(0.01)
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=TIMEOUT_SECONDS)
        assert (self.process.returncode, errors) == (0, "")
        first, *rest = out.splitlines()
        assert first == "warned"
        return rest


@contextmanager
def run(folder: Path, mode: str) -> Iterator[Run]:
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", mode]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running = Run(process, folder)
    try:
        yield running
    finally:
        process.kill()
        process.communicate()
        # A process closes its files, and so ends the output, before it ends itself.
        left = running.born(0)
        for _ in range(TIMEOUT_SECONDS * 100):
            if not (left := [pid for pid in left if is_alive(pid)]):
                break
            time.sleep(0.01)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", ["plain", "large"])
def test_every_worker_returns_its_result_and_one_of_them_warns(mode: str, number: int, tmp_path: Path) -> None:
    with run(tmp_path, mode) as running:
        born = running.born(3)
        returned, lost = running.stop(number)

    assert sorted(returned.split()[1:]) == sorted(map(str, born))
    assert lost == "lost 0"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_before_all_workers_are_ready_ends_them_at_once(number: int, code: int, tmp_path: Path) -> None:
    with run(tmp_path, "slow") as running:
        running.born(3)
        begun = time.monotonic()
        running.process.send_signal(number)
        _, errors = running.process.communicate(timeout=TIMEOUT_SECONDS)
        took = time.monotonic() - begun

    # Each of them would take a minute until it is ready.
    assert (running.process.returncode, took < 30) == (code, True)
    assert not running.ready.exists()
    assert (errors == "") == (number == signal.SIGTERM)
    assert "resource_tracker" not in errors


def test_a_process_that_is_not_ready_when_the_others_are_stopped_is_not_waited_for(tmp_path: Path) -> None:
    with run(tmp_path, "slow later") as running:
        killed = running.born(3)[0]
        os.kill(killed, signal.SIGKILL)
        running.born(4)
        begun = time.monotonic()
        told, returned, lost = running.stop()
        took = time.monotonic() - begun

    assert told.endswith(" of 3 died: killed by SIGKILL; another one starts in 0.5 s")
    assert (len(returned.split()), lost, took < 30) == (3, "lost 1", True)


def test_a_worker_that_dies_while_all_are_stopped_is_lost(tmp_path: Path) -> None:
    with run(tmp_path, "dies at stop") as running:
        _, *others = running.born(3)
        returned, lost = running.stop()

    assert sorted(returned.split()[1:]) == sorted(map(str, others))
    assert lost == "lost 1"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_is_followed_by_another(number: int, tmp_path: Path) -> None:
    with run(tmp_path, "plain") as running:
        killed = running.born(3)[1]
        os.kill(killed, number)
        born = running.born(4)
        told, returned, lost = running.stop()

    assert told[:7] == "worker "
    assert told[8:] == f" of 3 died: killed by {signal.Signals(number).name}; another one starts in 0.5 s"
    assert sorted(returned.split()[1:]) == sorted(str(pid) for pid in born if pid != killed)
    assert lost == "lost 1"


def test_a_worker_that_was_stopped_alone_counts_and_is_followed_by_another(tmp_path: Path) -> None:
    with run(tmp_path, "plain") as running:
        os.kill(running.born(3)[0], signal.SIGTERM)
        born = running.born(4)
        returned, lost = running.stop()

    assert sorted(returned.split()[1:]) == sorted(map(str, born))
    assert lost == "lost 0"


@pytest.mark.parametrize(("mode", "said"), [("crash", "exit code 3"), ("fail", "a file is gone")])
def test_workers_that_die_at_once_are_followed_more_and_more_slowly(mode: str, said: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    with run(tmp_path, mode) as running:
        running.born(9)
        took = time.monotonic() - begun
        *told, returned, lost = running.stop()

    # Three of each: at once, after half a second, and after another second.
    assert took > 1.5
    ends = [line.partition("died: ")[2] for line in told]
    assert ends[:3] == [f"{said}; another one starts in 0.5 s"] * 3
    assert f"{said}; another one starts in 1 s" in ends
    assert f"{said}; another one starts in 0.5 s" not in ends[3:]
    assert returned == "returned"
    assert lost == f"lost {len(running.born(9))}"


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("stillborn", "worker 2 of 3 does not start: exit code 4"),
        ("refuse", "a file is gone"),
        (
            "threadless",
            "the system does not let another thread start; raise the limit of processes, as with ulimit -u",
        ),
    ],
)
def test_a_worker_that_cannot_start_ends_the_run(mode: str, said: str, tmp_path: Path) -> None:
    with run(tmp_path, mode) as running:
        out, errors = running.process.communicate(timeout=TIMEOUT_SECONDS)

    assert not running.ready.exists()
    assert "SpawnProcess" not in errors  # whose traceback is left out
    assert errors.splitlines()[-1] == f"tapehead.errors.StartupError: {said}"
    assert len([line for line in out.splitlines() if "another one starts" in line]) == (2 if mode == "stillborn" else 0)


class Ended:
    """A process that has ended."""

    exitcode = 1

    def join(self, _timeout: float | None = None) -> None:
        """Return at once."""


def test_a_problem_ends_the_run_only_if_no_process_of_the_worker_was_ever_ready() -> None:
    def receive(*reports: object) -> list[str | None]:
        worker = _Worker("worker 1 of 1", lambda: nullcontext(), lambda _own: None)
        worker._process = Ended()  # type: ignore[assignment]
        ours, theirs = SPAWN.Pipe(duplex=False)
        with ours, theirs:
            for report in reports:
                theirs.send(report)
            return [worker.receive(ours)[1] for _ in reports]

    assert receive(_Problem(""), _Ready(), _Problem("no room")) == [
        "worker 1 of 1 died: exit code 1; another one starts in 0.5 s",
        None,
        "worker 1 of 1 died: no room; another one starts in 1 s",
    ]
    with pytest.raises(StartupError, match="no room"):
        receive(_Problem(""), _Problem("no room"))


def test_workers_that_hang_are_killed_in_the_end(tmp_path: Path) -> None:
    with run(tmp_path, "hang") as running:
        running.born(3)
        assert running.stop() == ["returned", "lost 3"]


def test_workers_that_hang_do_not_outlive_their_parent(tmp_path: Path) -> None:
    with run(tmp_path, "hang") as running:
        born = running.born(3)
        running.process.kill()
        for _ in range(TIMEOUT_SECONDS * 100):
            if not any(map(is_alive, born)):
                return
            time.sleep(0.01)
    raise AssertionError(born)
