"""The audit's pace and its room: it gives way to a busy process, and leaves out whole sessions where it has to."""

import pytest

from tapehead.journal.backlog import Backlog
from tapehead.journal.duty_cycle import (
    BUSY_SHARE,
    CALM_SECONDS,
    MOST_SECONDS,
    WINDOW_SECONDS,
    DutyCycle,
)


class Machine:
    """Clocks that a test sets: the wall's, the process's, and the thread's."""

    def __init__(self) -> None:
        self.wall = self.process = self.own = 0.0

    def cycle(self) -> DutyCycle:
        return DutyCycle(lambda: self.wall, lambda: self.process, lambda: self.own)

    def run(self, seconds: float, *, others: float, work: float = 0.0) -> None:
        """Let time pass in which others use a share of a core, and the thread works for some seconds."""
        self.wall += seconds
        self.own += work
        self.process += others * seconds + work


def test_an_idle_process_lets_the_audit_work_without_a_pause() -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(WINDOW_SECONDS, others=0.3, work=0.7 * WINDOW_SECONDS)

    assert cycle.pause() == 0.0
    assert not cycle.is_busy


@pytest.mark.parametrize("others", [0.75, 1.0, 1.8])
def test_in_a_busy_process_the_audit_takes_a_small_share(others: float) -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(WINDOW_SECONDS, others=others)
    cycle.pause()
    worked = paused = 0.0
    for _ in range(100):
        machine.run(0.002, others=others, work=0.001)
        pause = cycle.pause()
        machine.run(pause, others=others)
        worked, paused = worked + 0.001, paused + pause

    assert cycle.is_busy
    assert worked / (worked + paused) == pytest.approx(BUSY_SHARE, rel=0.01)


def contend(machine: Machine, cycle: DutyCycle, *, others: float) -> None:
    """Let the thread work for a tenth of a window, and wait for the interpreter in the rest of it."""
    for _ in range(10):
        machine.run(WINDOW_SECONDS / 10, others=others, work=WINDOW_SECONDS / 100)
        cycle.note_idle(max(0.0, cycle.pause()))


@pytest.mark.parametrize("others", [0.3, 0.5, 0.65])
def test_a_process_that_the_thread_or_others_keep_from_more_is_busy(others: float) -> None:
    machine = Machine()
    cycle = machine.cycle()
    contend(machine, cycle, others=others)
    contend(machine, cycle, others=others)

    assert cycle.is_busy


def test_where_other_processes_are_busy_a_process_that_has_little_to_do_is_not() -> None:
    machine = Machine()
    cycle = machine.cycle()
    contend(machine, cycle, others=0.2)

    assert not cycle.is_busy


def test_having_nothing_to_do_is_not_waiting() -> None:
    machine = Machine()
    cycle = machine.cycle()
    for _ in range(20):
        machine.run(WINDOW_SECONDS / 10, others=0.5)
        cycle.note_idle(WINDOW_SECONDS / 10)
        machine.run(WINDOW_SECONDS / 100, others=0.0, work=WINDOW_SECONDS / 100)
        cycle.pause()

    assert not cycle.is_busy


def test_only_the_window_counts_not_what_the_thread_rested_before_it() -> None:
    machine = Machine()
    cycle = machine.cycle()
    for _ in range(10):
        machine.run(WINDOW_SECONDS, others=0.5)
        cycle.note_idle(WINDOW_SECONDS)
        cycle.pause()
    contend(machine, cycle, others=0.5)

    assert cycle.is_busy


def test_a_load_that_is_shorter_than_a_window_is_none() -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(WINDOW_SECONDS / 10, others=1.0, work=0.001)

    assert cycle.pause() == 0.0


def test_work_from_before_the_start_takes_no_pause() -> None:
    machine = Machine()
    machine.run(100.0, others=0.0, work=50.0)
    cycle = machine.cycle()
    machine.run(2 * WINDOW_SECONDS, others=1.0, work=0.001)

    assert cycle.pause() == pytest.approx(0.001 / BUSY_SHARE, rel=0.03)


def test_a_short_calm_is_no_end_of_the_load() -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(WINDOW_SECONDS, others=1.0, work=0.001)
    assert cycle.pause()
    machine.run(CALM_SECONDS / 2, others=0.0, work=0.001)
    assert cycle.pause()
    machine.run(CALM_SECONDS / 2, others=0.0, work=0.001)

    assert cycle.pause() == 0.0


def test_work_of_its_own_makes_no_process_busy() -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(1.0, others=0.1, work=0.9)

    assert cycle.pause() == 0.0


def test_the_pause_ends_with_the_load() -> None:
    machine = Machine()
    cycle = machine.cycle()
    machine.run(WINDOW_SECONDS, others=1.0, work=10.0)
    assert cycle.pause() == MOST_SECONDS
    machine.run(MOST_SECONDS, others=0.1)
    machine.run(0.001, others=0.0, work=0.001)

    assert cycle.pause() == 0.0


# ---- Room ----


def test_sessions_that_begin_while_much_waits_are_left_out_as_a_whole() -> None:
    backlog = Backlog(most_calls=10)
    assert all(backlog.admit("old", 1, opens=False) for _ in range(5))

    assert not backlog.admit("new", 1, opens=True)
    for _ in range(5):
        backlog.finish(1)
    assert not backlog.admit("new", 1, opens=False)
    assert backlog.admit("old", 1, opens=False)
    assert backlog.admit("newer", 1, opens=True)
    assert (backlog.left_out_calls, list(backlog.newly_left_out)) == (2, ["new"])


@pytest.mark.parametrize(("limits", "size"), [({"most_calls": 10}, 1), ({"most_bytes": 1000}, 100)])
def test_a_session_may_begin_until_half_of_the_room_is_taken(limits: dict[str, int], size: int) -> None:
    backlog = Backlog(**limits)

    assert [backlog.admit(f"s{number}", size, opens=True) for number in range(7)] == [True] * 5 + [False] * 2
    assert all(backlog.admit("s1", size, opens=False) for _ in range(5))


@pytest.mark.parametrize(("limits", "size"), [({"most_calls": 4}, 1), ({"most_bytes": 400}, 100)])
def test_a_call_without_room_leaves_out_its_session(limits: dict[str, int], size: int) -> None:
    backlog = Backlog(**limits)
    assert [backlog.admit("a", size, opens=False) for _ in range(5)] == [True] * 4 + [False]

    assert backlog.is_left_out("a")
    assert not backlog.is_left_out("b")
    backlog.finish(size)
    assert not backlog.admit("a", size, opens=False)
    assert backlog.admit("b", size, opens=False)
    assert (backlog.received, backlog.taken, backlog.left_out_calls) == (5, 1, 2)


def test_a_backlog_is_empty_once_all_that_it_took_is_done_with() -> None:
    backlog = Backlog()
    found = [backlog.is_empty]
    backlog.admit("a", 1, opens=True)
    found.append(backlog.is_empty)
    backlog.finish(1)

    assert [*found, backlog.is_empty] == [True, False, True]


def test_the_sessions_that_were_left_out_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.journal.backlog.MOST_LEFT_OUT", 2)
    backlog = Backlog()
    for sid in "abc":
        backlog.leave_out(sid)

    assert [backlog.is_left_out(sid) for sid in "abc"] == [False, True, True]
    assert list(backlog.newly_left_out) == ["a", "b", "c"]


def test_calls_of_no_session_go_one_by_one() -> None:
    backlog = Backlog(most_calls=1)
    assert [backlog.admit(None, 1, opens=True) for _ in range(2)] == [False, False]
    assert backlog.admit(None, 1, opens=False)

    assert (backlog.left_out_calls, list(backlog.newly_left_out)) == (2, [])
