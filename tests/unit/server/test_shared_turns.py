"""Turns that several processes take together."""

import pytest

from tapehead.server import shared_turns
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
