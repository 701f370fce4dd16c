"""What a reset leaves of an audit and of waits, and the audit of sessions that are over."""

from collections.abc import Iterable

import msgspec
import pytest

from support.exchanges import AD, Step, event, opened, sent, session, start
from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.settings import read_settings
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.backlog import Backlog
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.waiting import parse_condition
from tapehead.protocol.exchange import Answered, Exchange, encode

BAD = [opened("s1", start()), sent("s1", event("adStart", 1, 1, AD), 1), sent("s1", event("sessionEnd", 2, 2), 2)]
PLAY: list[Step] = [(1.0, 0.0, "play", {}), (2.0, 1.0, "play", {})]


def fill(journal: Journal, exchanges: Iterable[Exchange], key: str = "") -> None:
    for each in exchanges:
        answered = msgspec.structs.replace(each, answered=Answered("hit", key=key)) if key else each
        journal.add(answered, len(encode(answered)))


def test_a_session_that_is_over_is_audited_with_the_settings_of_the_run() -> None:
    off = {"rules": {"ad-outside-break": "off"}}
    settings = read_settings({"overrides": [{"path": "here.*", **off}]})
    over: list[str | None] = []
    journal = Journal()
    thread = AuditThread(
        journal,
        lambda: LiveAudit(settings, on_result=lambda result: over.append(result.id)),
        InternalErrors(),
        recording="here.jsonl",
    )
    journal.attach(thread)
    thread.start()
    later: list[Step] = [(600.0 * n, n, "play", {}) for n in range(1, 5)]
    fill(journal, [*BAD, *session("s2", later)])
    assert journal.settle(30)
    thread.close()
    result = journal.result("s1")

    assert over == ["s1"]
    assert thread.result("s1") is None
    assert result is not None
    assert result.events == 3
    assert "ad-outside-break" not in {found.rule for found in result.findings}


def test_a_session_without_an_audit_has_a_result() -> None:
    journal = Journal()
    fill(journal, BAD)

    result = journal.result("s1")
    assert result is not None
    assert result.events == 3
    assert journal.result("s2") is None


@pytest.mark.parametrize("key", ["", "a"])
@pytest.mark.parametrize("by_backlog", [True, False])
def test_sessions_that_were_left_out_are_audited_after_a_reset(key: str, by_backlog: bool) -> None:
    journal, backlog = Journal(), Backlog()
    audits: list[LiveAudit] = []

    def make_audit() -> LiveAudit:
        audits.append(LiveAudit())
        return audits[-1]

    thread = AuditThread(journal, make_audit, InternalErrors(), backlog=backlog)
    journal.attach(thread)
    thread.start()
    if by_backlog:
        backlog.leave_out("s1")
    else:
        audits[0].forget("s1")
    fill(journal, BAD, key)
    left_out = [row.audited for row in journal.sessions()]
    journal.reset(key or None)
    after_reset = journal.totals()
    fill(journal, BAD, key)
    assert journal.settle(30)

    assert left_out == [False]
    assert after_reset.left_out_sessions == 0
    assert [row.audited for row in journal.sessions()] == [True]
    assert "ad-outside-break" in {row.rule for row in journal.findings(RowFilter(session="s1"))}
    thread.close()
    assert journal.totals().left_out_sessions == 0


def test_a_run_counts_sessions_that_were_left_out_before_a_reset() -> None:
    journal = Journal(is_audited=True)
    fill(journal, BAD)
    journal.leave_out("s1")
    journal.reset()

    assert (journal.totals().left_out_sessions, journal.left_out_in_run) == (0, 1)


@pytest.mark.parametrize(("until", "after"), [("play", 2), ("event:play", 3), ("calls:3", 3), ("calls:3", 1)])
@pytest.mark.parametrize("key", [None, "a", "b"])
def test_a_wait_for_what_comes_after_a_call_begins_anew_with_a_reset(until: str, after: int, key: str | None) -> None:
    journal = Journal()
    fill(journal, session("s1", PLAY), "a")
    fill(journal, session("s2", PLAY), "b")
    condition = journal.after(parse_condition(until, key="a"), after)
    journal.reset(key)
    at_once = journal.wait(condition, 0)
    fill(journal, session("s3", PLAY), "a")

    assert at_once is (key == "b" and (until, after) == ("play", 2))
    assert journal.wait(condition, 0)


def test_a_wait_counts_only_what_comes_after_a_call() -> None:
    journal = Journal()
    fill(journal, session("s1", PLAY))
    two = journal.after(parse_condition("calls:2"), 2)
    before = journal.wait(two, 0)
    fill(journal, session("s1", PLAY)[1:2])

    assert (before, journal.wait(two, 0)) == (False, True)
