"""Restarts of child processes: pauses, and ends in words."""

import pytest

from tapehead.server.restarts import RestartPauses, describe_exit


def test_pauses_double_while_processes_die_young(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("tapehead.server.restarts.time.monotonic", lambda: now)
    pauses, found = RestartPauses(), []
    for lived in (1, 1, 1, 59, 60, 1, *(8 * [0])):
        pauses.note_start()
        now += lived
        found.append(pauses.after_end())
        assert pauses.was_young == (lived < 60)

    assert found == [0.5, 1, 2, 4, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_an_end_has_a_name() -> None:
    assert [describe_exit(code) for code in (0, 3, -9, -40, None)] == [
        "exit code 0",
        "exit code 3",
        "killed by SIGKILL",
        "killed by signal 40",
        "exit code None",
    ]
