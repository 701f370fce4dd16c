"""The audit's thread when something in it fails, dies or hangs: an error is recorded, and no verdict is complete."""

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from support.exchanges import AD, session
from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_loader import AuditLoader
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.duty_cycle import DutyCycle
from tapehead.journal.journal import Journal
from tapehead.journal.journal_run import JournalRun, JournalSettings
from tapehead.journal.left_out_report import LeftOutReport
from tapehead.protocol.exchange import Entry, Exchange, encode

BAD = session("s1", [(1.0, 1.0, "adStart", AD), (2.0, 2.0, "sessionEnd", {})])


def fail(*_arguments: object) -> Any:
    raise ZeroDivisionError


def die(*_arguments: object) -> Any:
    """Fail as what no `except Exception` catches."""
    raise SystemExit


def fill(journal: Journal, exchanges: list[Exchange]) -> None:
    for each in exchanges:
        journal.add(each, encode(each))


def journal_run(**settings: Any) -> tuple[JournalRun, InternalErrors]:
    errors = InternalErrors(report=lambda _report: None)
    return JournalRun(JournalSettings(audit=AuditSettings), pytest.fail, errors, **settings), errors


# What runs in the thread.
PARTS = [
    (AuditLoader, "load"),
    (LeftOutReport, "send"),
    (AuditThread, "_rest"),
    (AuditThread, "_work"),
    (AuditThread, "_tick"),
    (AuditThread, "_add"),
    (DutyCycle, "start"),
    (DutyCycle, "note_idle"),
    (DutyCycle, "pause"),
    (Journal, "apply"),
    (Journal, "leave_out"),
    (Journal, "note_silence"),
    (LiveAudit, "add"),
    (LiveAudit, "tick"),
    (LiveAudit, "forget"),
]


@pytest.mark.parametrize(("owner", "name"), PARTS, ids=[f"{owner.__name__}.{name}" for owner, name in PARTS])
@pytest.mark.parametrize("broken", [fail, die])
def test_a_failure_in_the_thread_makes_the_verdict_incomplete(
    owner: type, name: str, broken: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, intact = threading.Event(), getattr(owner, name)

    def fail_in_thread(*arguments: Any, **named: Any) -> Any:
        if threading.current_thread().name != "tapehead-audit":
            return intact(*arguments, **named)
        failed.set()
        return broken()

    run, errors = journal_run()
    monkeypatch.setattr(owner, name, fail_in_thread)
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    with run:
        fill(run.journal, BAD)
        run.thread.backlog.leave_out("another")
        assert failed.wait(30)

    assert run.verdict
    assert not run.verdict.is_complete
    assert errors.count or run.verdict.ended_early


@pytest.mark.parametrize(("counted", "left_out"), [(0, 3), (3, 3), (5, 5)])
def test_calls_that_other_processes_lost_are_left_out_calls(counted: int, left_out: int) -> None:
    """A process that died may have told of lost calls one by one, and not of their number."""
    run, _ = journal_run()
    with run:
        for sid in ("s1", "s1", None):
            run.leave_out(sid)
        run.note_lost(counted)

    assert run.journal.totals().left_out_calls == left_out


def test_a_printer_that_fails_costs_no_finding() -> None:
    run, errors = journal_run(on_findings=fail)
    with run:
        fill(run.journal, BAD)

    assert errors.count
    assert run.verdict
    assert (run.verdict.is_complete, run.verdict.left_out_sessions) == (False, 0)
    assert run.journal.totals().findings.sum == run.verdict.findings.total() > 0


def test_results_that_fail_make_the_verdict_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    run, errors = journal_run()
    monkeypatch.setattr(LiveAudit, "close", fail)
    with run:
        fill(run.journal, BAD)

    assert errors.count == 1
    assert run.verdict
    assert not run.verdict.is_complete


def test_earlier_calls_that_cannot_be_read_make_the_verdict_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JournalRun, "_earlier_calls", fail)
    run, errors = journal_run()
    with run:
        fill(run.journal, BAD)

    assert errors.count == 1
    assert run.verdict
    assert (run.verdict.sessions, run.verdict.is_complete) == (1, False)


def test_nothing_counts_as_audited_once_the_thread_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _arguments: None)
    monkeypatch.setattr(AuditThread, "_tick", die)
    run, _ = journal_run()
    with run:
        run.thread._thread.join(30)
        fill(run.journal, BAD)
        assert not run.journal.settle(30)
        assert not run.journal.is_audited
        assert [row.audited for row in run.journal.sessions()] == [False]

    assert run.verdict
    assert run.verdict.ended_early


def test_nobody_waits_for_ever_for_an_audit_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCK_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(f"tapehead.journal.audit_thread.{name}", 0.1)
    entered, passed, add = threading.Event(), threading.Event(), LiveAudit.add

    def hang(self: LiveAudit, entry: Entry) -> Any:
        entered.set()
        assert passed.wait(60)
        return add(self, entry)

    monkeypatch.setattr(LiveAudit, "add", hang)
    run, _ = journal_run()
    began = time.monotonic()
    with run:
        fill(run.journal, BAD)
        assert entered.wait(30)
        # Its calls in memory have it all the same.
        assert run.journal.result("s1")
        run.journal.reset("a")
        run.journal.reset("a", forget=True)
        run.journal.reset()
    took = time.monotonic() - began
    passed.set()

    assert took < 30
    assert run.verdict
    assert run.verdict.ended_early


def test_the_results_of_open_sessions_have_no_more_time_than_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    passed, close = [0.0], LiveAudit.close

    def close_slowly(self: LiveAudit) -> Iterator[SessionResult]:
        for result in close(self):
            passed[0] += 16  # seconds; the second of them ends after the 30 of the end
            yield result

    clock = SimpleNamespace(
        time=time.time, perf_counter=time.perf_counter, monotonic=lambda: time.monotonic() + passed[0]
    )
    monkeypatch.setattr("tapehead.journal.audit_thread.time", clock)
    monkeypatch.setattr(LiveAudit, "close", close_slowly)
    run, _ = journal_run()
    with run:
        for number in range(5):
            fill(run.journal, session(f"s{number}", [(1.0, 1.0, "adStart", AD)]))
        assert run.journal.settle(30)

    assert run.verdict
    assert (run.verdict.sessions, run.verdict.ended_early) == (2, True)
