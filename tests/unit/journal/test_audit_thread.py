"""The thread that audits a journal's calls: findings, read-your-writes, what was left out, and its end."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from support.exchanges import AD, Step, event, opened, sent, session, start
from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.recordings_audit import audit
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.backlog import Backlog
from tapehead.journal.conditions import parse_condition
from tapehead.journal.duty_cycle import DutyCycle
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.protocol.exchange import Entry, Exchange, encode

BAD = [opened("s1", start()), sent("s1", event("adStart", 1, 1, AD), 1), sent("s1", event("play", 2, 2), 2)]


@pytest.fixture
def run() -> Iterator[Callable[..., tuple[Journal, AuditThread]]]:
    started = []

    def make(**settings: Any) -> tuple[Journal, AuditThread]:
        journal = Journal()
        thread = AuditThread(
            journal, settings.pop("audit", LiveAudit), settings.pop("errors", InternalErrors()), **settings
        )
        journal.attach(thread)
        thread.start()
        started.append(thread)
        return journal, thread

    yield make
    for thread in started:
        thread.close()


Run = Callable[..., tuple[Journal, AuditThread]]


def fill(journal: Journal, exchanges: Iterable[Exchange]) -> None:
    for each in exchanges:
        journal.add(each, encode(each))


def test_findings_of_sessions_come_with_the_call_that_shows_them(run: Run) -> None:
    journal, _ = run()
    fill(journal, BAD)

    assert journal.settle(30)
    (row,) = (row for row in journal.findings() if row.rule == "ad-outside-break")
    assert (row.state, row.session, row.call) == ("provisional", "s1", 2)
    assert row.event is not None
    assert (row.event.index, row.event.type) == (1, "adStart")
    assert "ad-outside-break" in [each.rule for each in journal.calls()[1].findings]


def test_a_wait_for_findings_ends_with_the_audit(run: Run) -> None:
    journal, _ = run()
    waiting: list[bool] = []
    thread = threading.Thread(target=lambda: waiting.append(journal.wait(parse_condition("findings:1"), 30)))
    thread.start()
    fill(journal, BAD)
    thread.join(30)

    assert waiting == [True]


def test_the_end_confirms_what_the_audit_of_the_recording_finds(run: Run) -> None:
    journal, thread = run()
    fill(journal, BAD)
    thread.close()
    results = list(thread.results())

    found = sorted((each.rule, each.line) for result in results for each in result.findings)
    assert found == sorted((row.rule, row.call) for row in journal.findings(RowFilter(state="confirmed")))
    assert len(found) == journal.totals().findings.sum


def test_metrics_so_far_are_there_while_the_session_goes_on(run: Run) -> None:
    journal, _ = run()
    fill(journal, session("s1", [(1.0, 0.0, "play", {}), (11.0, 10.0, "ping", {})]))
    journal.settle(30)

    result = journal.result("s1")
    assert result is not None
    assert result.metrics["content_time_spent"] == pytest.approx(10, abs=1)
    assert journal.result("s2") is None


class Gate(LiveAudit):
    """An audit that stands still until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.passed, self.entered = threading.Event(), threading.Event()

    def add(self, entry: Entry) -> Any:
        self.entered.set()
        assert self.passed.wait(30)
        return super().add(entry)


def test_a_query_waits_for_what_came_before_it_but_not_for_ever(run: Run) -> None:
    gate = Gate()
    journal, _ = run(audit=lambda: gate)
    fill(journal, BAD)

    assert not journal.settle(0.05)
    gate.passed.set()
    assert journal.settle(30)
    assert journal.findings()


class Busy(DutyCycle):
    """The pace in a process that is busy for an hour."""

    def pause(self) -> float:
        return 3600.0


def test_a_query_ends_the_pauses_for_a_busy_process(run: Run) -> None:
    journal, thread = run(duty_cycle=Busy())
    fill(journal, session("s1", [(float(n), float(n), "ping", {}) for n in range(1, 30)]))

    assert journal.settle(20)
    assert thread.result("s1")
    fill(journal, BAD[1:])
    assert journal.settle(20)


def test_whole_sessions_are_left_out_counted_and_named(run: Run) -> None:
    gate = Gate()
    journal, thread = run(audit=lambda: gate, backlog=Backlog(most_calls=5))
    fill(journal, session("s1", [(1.0, 0.0, "play", {})]))
    fill(journal, [opened("s2", start()), *(sent("s2", event("ping", n, n), n) for n in range(10))])
    gate.passed.set()
    thread.close()

    totals = journal.totals()
    assert (totals.left_out_sessions, totals.left_out) == (1, ["s2"])
    assert totals.left_out_calls == 11
    assert [(row.session, row.audited) for row in journal.sessions()] == [("s1", True), ("s2", False)]
    assert [result.id for result in thread.results()] == ["s1"]


def test_each_session_is_audited_as_a_whole_or_left_out_and_named(run: Run) -> None:
    gate = Gate()
    journal, thread = run(audit=lambda: gate, backlog=Backlog(most_calls=42))
    steps: list[Step] = [(float(n), float(n), kind, {}) for n, kind in enumerate(["play", "adStart", *["ping"] * 7])]
    # The third one finds room for its start, and for half of its events.
    long = [*steps, *((float(n), float(n), "ping", {}) for n in range(9, 39))]
    sessions = {
        f"s{number}": session(f"s{number}", long if number == 2 else steps, began=5000.0 * number)
        for number in range(10)
    }
    fill(journal, (exchange for exchanges in sessions.values() for exchange in exchanges))
    gate.passed.set()
    thread.close()

    results, totals = {result.id: result for result in thread.results()}, journal.totals()
    assert results.keys() | set(totals.left_out) == sessions.keys()
    assert results.keys() & set(totals.left_out) == set()
    assert 1 < len(results) < len(sessions)
    assert totals.left_out_calls == sum(len(sessions[sid]) for sid in totals.left_out)
    for sid, result in results.items():
        (alone,) = audit([Entry(number, each) for number, each in enumerate(sessions[str(sid)], start=1)])
        assert [(each.rule, each.message, each.event) for each in result.findings] == [
            (each.rule, each.message, each.event) for each in alone.findings
        ]


def test_an_audit_that_fails_costs_its_session_alone(run: Run) -> None:
    class Broken(LiveAudit):
        def add(self, entry: Entry) -> Any:
            if entry.exchange.session == "s1":
                raise ZeroDivisionError
            return super().add(entry)

    errors = InternalErrors(report=lambda _line: None)
    journal, thread = run(audit=Broken, errors=errors)
    fill(journal, [*BAD, *session("s2", [])])
    thread.close()

    assert errors.count == 1
    assert journal.totals().left_out == ["s1"]
    assert [result.id for result in thread.results()] == ["s2"]


def test_silence_is_noticed_without_a_call(run: Run) -> None:
    journal, _ = run()
    ping_gap = parse_condition("findings:1")
    fill(journal, session("s1", [(1.0, 0.0, "play", {})]))
    journal.settle(30)
    before = journal.totals().findings.sum

    # The recorded calls came long ago by the wall clock, so the next tick sees the silence after them.
    assert before or journal.wait(ping_gap, 20)


def test_the_end_does_not_wait_for_an_audit_that_hangs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.journal.audit_thread.CLOSE_SECONDS", 0.1)
    gate = Gate()
    journal, thread = run(audit=lambda: gate)
    fill(journal, BAD)
    began = time.monotonic()

    assert not thread.close()
    assert time.monotonic() - began < 5
    gate.passed.set()


def test_nothing_is_told_after_an_end_that_did_not_wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.journal.audit_thread.CLOSE_SECONDS", 0.1)
    monkeypatch.setattr("tapehead.journal.audit_thread.LOCK_SECONDS", 0.1)
    gate, told = Gate(), list[object]()
    journal, thread = run(audit=lambda: gate, on_findings=told.append)
    fill(journal, BAD)
    gate.entered.wait(30)
    thread.close()
    assert list(thread.results()) == []
    gate.passed.set()
    thread._thread.join(30)

    assert not thread._thread.is_alive()
    assert told == []
    assert journal.findings() == []


def test_an_audit_that_was_given_up_has_not_settled(run: Run) -> None:
    gate = Gate()
    journal, thread = run(audit=lambda: gate)
    fill(journal, BAD)
    gate.entered.wait(30)
    thread.give_up()
    gate.passed.set()
    thread._thread.join(30)

    assert not journal.settle(30)
