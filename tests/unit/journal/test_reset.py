"""Resets: what they remove, and what they leave of the audit, its verdict and waits."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from support.captured_traffic import read
from support.exchanges import AD, Step, event, sent, session
from support.paths import RECORDINGS_FOLDER
from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.settings import AuditSettings, read_settings
from tapehead.cli.session_findings import SessionFindingPrinter
from tapehead.cli.terminal import Screen
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_thread import AuditThread, OnFindings
from tapehead.journal.backlog import Backlog
from tapehead.journal.conditions import parse_condition
from tapehead.journal.journal import Journal
from tapehead.journal.journal_run import AuditVerdict, JournalRun, JournalSettings
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.stored_rows import Limits
from tapehead.protocol.exchange import Answered, Exchange, Severity, encode


def bad(sid: str) -> list[Exchange]:
    """A session with an ad outside of a break."""
    return session(sid, [(1.0, 1.0, "adStart", AD), (2.0, 2.0, "sessionEnd", {})])


BAD = bad("s1")
PLAY: list[Step] = [(1.0, 0.0, "play", {}), (2.0, 1.0, "play", {})]


def fill(journal: Journal, exchanges: Iterable[Exchange], key: str = "") -> None:
    for each in exchanges:
        answered = msgspec.structs.replace(each, answered=Answered("hit", key=key)) if key else each
        journal.add(answered, encode(answered))


def journal_run(on_findings: OnFindings | None = None) -> JournalRun:
    return JournalRun(JournalSettings(audit=AuditSettings), pytest.fail, InternalErrors(), on_findings=on_findings)


class Lines(Screen):
    """A screen that keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def show(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


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


def verdict_of(exchanges: Sequence[Exchange], key: str = "", reset_before: int | None = None) -> AuditVerdict:
    """The verdict on a run with a reset before one of its calls."""
    run = journal_run()
    with run:
        for number, each in enumerate(exchanges):
            if number == reset_before:
                run.journal.reset(key or None)
            fill(run.journal, [each], key)
    assert run.verdict
    return run.verdict


@pytest.mark.parametrize("key", ["", "a"])
def test_a_verdict_is_on_all_that_was_played_whatever_was_reset(key: str) -> None:
    exchanges = read(RECORDINGS_FOLDER / "mistakes.jsonl")
    whole = verdict_of(exchanges, key)

    assert whole.sessions
    assert whole.findings[Severity.ERROR]
    for number in range(1, len(exchanges), 7):
        assert verdict_of(exchanges, key, number) == whole, number


@pytest.mark.parametrize("key", ["", "a"])
def test_findings_on_calls_from_before_a_reset_stay_away_and_later_ones_come(key: str) -> None:
    # The ad began before the reset; that it is left open, only the end of the session shows.
    before = session("s1", [(1.0, 1.0, "adStart", AD), (2.0, 1.0, "play", {})])
    after = [sent("s1", event(kind, at, at), at) for at, kind in ((3, "chapterComplete"), (4, "sessionEnd"))]
    run = journal_run()
    with run:
        fill(run.journal, before, key)
        run.journal.reset(key or None)
        fill(run.journal, after, key)

    rows = run.journal.findings()
    assert {row.call for row in rows} <= {4, 5}
    assert "chapter-not-open" in {row.rule for row in rows}
    assert run.verdict
    assert run.journal.totals().findings.sum == len(rows) < run.verdict.findings.total()
    assert [row.findings.sum for row in run.journal.sessions()] == [len(rows)]


@pytest.mark.parametrize("key", ["", "a"])
def test_the_terminal_gets_findings_from_after_a_reset(key: str) -> None:
    screen = Lines()
    run = journal_run(on_findings=SessionFindingPrinter(screen, with_calls=True).show)
    with run:
        for sid in ("first", "second"):
            fill(run.journal, bad(sid), key)
            run.journal.reset(key or None)

    printed = re.sub(r"\x1b\[\d*m", "", "\n".join(screen.lines))
    first, second = (Counter(re.findall(rf"{sid} .* ([a-z-]+): ", printed)) for sid in ("first", "second"))
    assert first["ad-outside-break"] == 1
    assert first <= second


def test_what_is_forgotten_leaves_nothing_in_the_audit() -> None:
    run = journal_run()
    with run:
        fill(run.journal, BAD, "a")
        fill(run.journal, session("s2", PLAY), "b")
        run.journal.reset("a", forget=True)
        assert run.thread.result("s1") is None
        assert run.thread.result("s2")

    assert run.verdict
    assert run.verdict.sessions == 1


def test_forgetting_without_a_key_is_refused_and_removes_nothing() -> None:
    journal = Journal()
    fill(journal, BAD, "a")

    with pytest.raises(ValueError, match="give the key"):
        journal.reset(forget=True)
    assert (len(journal.calls()), journal.totals().resets) == (len(BAD), 0)


@pytest.mark.parametrize("key", ["", "a"])
@pytest.mark.parametrize("by_backlog", [True, False])
def test_sessions_that_were_left_out_are_audited_after_a_reset(key: str, by_backlog: bool) -> None:
    journal, backlog = Journal(), Backlog()
    live = LiveAudit()
    thread = AuditThread(journal, lambda: live, InternalErrors(), backlog=backlog)
    journal.attach(thread)
    thread.start()
    if by_backlog:
        backlog.leave_out("s1")
    else:
        assert thread.result("s1") is None  # which loads the audit
        live.forget("s1")
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


@pytest.mark.parametrize(("scope", "holds"), [({}, True), ({"session": "s1"}, True), ({"key": "b"}, False)])
def test_a_wait_for_an_event_counts_one_that_has_left_memory(scope: dict[str, str], holds: bool) -> None:
    journal = Journal(Limits(calls=2))
    fill(journal, session("s1", PLAY), "a")
    fill(journal, session("s2", [(1.0, 0.0, "pauseStart", {})]), "b")

    assert [row.number for row in journal.calls()] == [4, 5]
    assert journal.wait(journal.after(parse_condition("play", **scope), 2), 0) is holds
    assert not journal.wait(journal.after(parse_condition("play", **scope), 3), 0)


def test_a_wait_for_an_event_of_any_key_counts_none_that_a_reset_removed() -> None:
    journal = Journal()
    fill(journal, session("s1", PLAY), "a")
    fill(journal, session("s2", PLAY), "b")
    held = [journal.wait(journal.after(parse_condition("play"), number), 0) for number in (2, 5, 6)]
    journal.reset("b")

    assert held == [True, True, False]
    assert [journal.wait(journal.after(parse_condition("play"), number), 0) for number in (2, 5)] == [True, False]
