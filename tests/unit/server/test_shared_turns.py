"""Turns that several processes take together."""

import subprocess
import sys
import threading

import pytest

from tapehead.server import shared_turns
from tapehead.server.shared_lock import SharedLock
from tapehead.server.shared_turns import SharedTurns
from tapehead.server.workers import SPAWN


def test_each_name_is_counted_for_itself() -> None:
    turns = SharedTurns()

    assert [turns.take(name) for name in ("a", "b", "a", "\ud800", "a", "b")] == [0, 0, 1, 0, 2, 1]


def test_processes_count_together() -> None:
    turns = SharedTurns()
    processes = [SPAWN.Process(target=list, args=(map(turns.take, ["a"] * 500),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert turns.take("a") == 1000


def test_beyond_its_places_a_name_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_turns, "SLOTS", 4)
    monkeypatch.setattr(shared_turns, "MOST_TRIED", 4)
    turns = SharedTurns()
    taken = [turns.take(str(number)) for number in range(6)]

    assert taken == [0, 0, 0, 0, None, None]
    assert turns.take("0") == 1


def test_a_lock_that_a_killed_worker_held_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_turns, "LOCK_SECONDS", 0.01)
    turns = SharedTurns()
    turns._lock.acquire()

    assert [turns.take("a"), turns.take("a")] == [None, None]
    turns._lock.release()
    assert turns.take("a") is None


def test_nothing_is_left_behind_or_said_where_a_command_is_killed() -> None:
    killed = """
import os, signal
from tapehead.server.shared_lock import SharedLock
from tapehead.server.shared_turns import SharedTurns
from tapehead.server.workers import held_signals, once
kept = SharedTurns(), once(print)
with held_signals():  # as where workers start
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.stderr) == ("", "")


def test_a_lock_is_of_one_at_a_time_and_waited_for() -> None:
    lock = SharedLock()
    assert lock.acquire()
    assert not lock.acquire(0.01)
    releasing = threading.Timer(0.05, lock.release)
    releasing.start()
    assert lock.acquire(60)
    releasing.join()
