"""Changes of a journal: calls come again when what was found on them changes, and nothing waits for long."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from support.exchanges import event, opened, sent, session, start
from tapehead.auditor.results import EventRef, SessionFinding
from tapehead.auditor.settings import AuditSettings
from tapehead.journal import journal as journal_module
from tapehead.journal import journal_rows
from tapehead.journal.conditions import MOST_TYPES
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.stored_rows import Limits, NewFinding
from tapehead.live.app import MOST_LINES, ChangeStream
from tapehead.live.stored_audit import journal_of
from tapehead.protocol.exchange import Answered, Entry, Exchange, Finding, Severity, encode

OWN = [Finding("wrong-type", Severity.WARNING, "params", "a text")]


def fill(journal: Journal, exchanges: Iterable[Exchange], key: str = "") -> Journal:
    for each in exchanges:
        answered = msgspec.structs.replace(each, answered=Answered("hit", key=key)) if key else each
        journal.add(answered, encode(answered))
    return journal


def found(call: int, number: int = 1, state: str = "provisional") -> NewFinding:
    place = EventRef(call - 1, "play", 1.0, 5)
    finding = SessionFinding(
        rule="unpaused", severity=Severity.ERROR, message="m", path="p", event=place, line=call, recording=""
    )
    return NewFinding(number, state, "s1", finding)


def pings(count: int, sid: str = "s1") -> list[Exchange]:
    return [opened(sid, start()), *(sent(sid, event("ping", number, number), number) for number in range(1, count))]


# ---- Calls that come again ----


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_a_reader_of_changes_has_what_was_found_on_each_call(limit: int) -> None:
    journal = fill(Journal(is_audited=True), pings(6))
    rows: dict[int, list[str]] = {}
    change = 0

    def read() -> None:
        nonlocal change
        while True:
            changes = journal.since(change, limit)
            rows.update({row.number: [each.rule for each in row.findings] for row in changes.calls})
            change = changes.change
            if changes.is_last:
                return

    for applied in (
        [],
        [found(2), found(5, 2)],
        [found(2, 1, "withdrawn"), found(4, 3)],
        [found(5, 2, "confirmed"), found(4, 3, "withdrawn")],
    ):
        journal.apply(applied)
        read()
        assert rows == {row.number: [each.rule for each in row.findings] for row in journal.calls()}
    assert [number for number, rules in rows.items() if rules] == [5]
    assert journal.since(change).calls == []


def test_calls_that_come_again_do_not_take_the_place_of_new_ones() -> None:
    journal = fill(Journal(is_audited=True), pings(4))
    known = journal.change
    fill(journal, pings(3, "s2"))
    journal.apply([found(1), found(6, 2)])

    assert [row.number for row in journal.since(known, 2).calls] == [5, 6]
    assert [row.number for row in journal.since(known).calls] == [1, 5, 6, 7]


def test_a_call_comes_again_where_the_audit_does_not_find_what_it_showed() -> None:
    journal = fill(Journal(is_audited=True), [msgspec.structs.replace(each, findings=OWN) for each in pings(1)])
    before = journal.since(0)
    journal.apply([], audited=1)

    assert [len(row.findings) for row in before.calls] == [1]
    assert [(row.number, row.findings) for row in journal.since(before.change).calls] == [(1, [])]


def test_calls_that_left_memory_do_not_come_again() -> None:
    journal = fill(Journal(Limits(calls=3), is_audited=True), pings(3))
    journal.apply([found(1), found(3, 2)])
    known = journal.change
    journal.apply([found(1, 1, "withdrawn"), found(3, 2, "withdrawn")])
    fill(journal, pings(1, "s2"))

    assert [row.number for row in journal.since(known).calls] == [3, 4]
    journal.reset()
    assert journal.since(known).calls == []


@pytest.mark.parametrize(("sid", "calls"), [(None, 3), ("s1", 0), ("s9", 0)])
def test_what_is_left_out_is_a_change_and_is_told(sid: str | None, calls: int) -> None:
    journal, told = fill(Journal(is_audited=True), pings(1)), list[int]()
    before = journal.change
    journal.subscribe(lambda: told.append(journal.change))
    journal.leave_out(sid, calls)

    assert told == [before + 1]
    totals = journal.since(before).totals
    assert (totals.left_out_calls, totals.left_out_sessions) == (calls, 1 if sid else 0)


def test_the_latest_sessions_are_those_that_changed_last() -> None:
    journal = fill(Journal(), (each for sid in "abcd" for each in pings(2, sid)))
    fill(journal, pings(2, "a")[1:])

    assert [row.session for row in journal.sessions(RowFilter(limit=3), latest=True)] == ["c", "d", "a"]
    assert [row.session for row in journal.sessions(RowFilter(limit=3))] == ["a", "b", "c"]


# ---- For pages ----


def test_a_still_journal_is_not_kept_again_for_each_page() -> None:
    journal = fill(Journal(), pings(60))
    stream = ChangeStream(journal, "view")

    async def read(change: int) -> list[bytes]:
        return [line async for line in stream.lines(change, seconds=0)]

    async def read_all() -> list[list[bytes]]:
        return [await read(change) for change in range(60)]

    told = asyncio.run(read_all())

    assert [len(json.loads(lines[1])["calls"]) for lines in told] == [60 - change for change in range(60)]
    assert len(stream._lines) <= MOST_LINES


def test_a_page_begins_with_the_latest_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.live.app.MOST_ROWS", 3)
    stream = ChangeStream(fill(Journal(), (each for sid in "abcde" for each in pings(1, sid))), "view")

    line, _ = stream._snapshot(2)

    assert [row["session"] for row in json.loads(line)["sessions"]] == ["c", "d", "e"]


# ---- Without keeping calls waiting ----


class CountingLock:
    """A lock that counts the rows that are made while it is held."""

    def __init__(self, lock: Any) -> None:
        self._lock, self._depth = lock, 0
        self.made = self.most = 0

    def __enter__(self) -> object:
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self.made = 0
        return self

    def __exit__(self, *_: object) -> None:
        self.most = max(self.most, self.made)
        self._depth -= 1
        self._lock.release()

    def notify_all(self) -> None:
        """Wake nobody."""

    def count(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that counts its calls."""

        def counted(*given: Any) -> Any:
            self.made += 1
            return function(*given)

        return counted


@pytest.mark.parametrize("read", [lambda journal: journal.since(0), Journal.note_silence], ids=["since", "silence"])
def test_no_more_than_some_rows_are_made_while_calls_wait(
    read: Callable[[Journal], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = fill(Journal(is_audited=True), (each for number in range(30) for each in pings(3, f"s{number}")))
    journal.apply([found(number, number) for number in range(1, 91)])
    for module in (journal_module, journal_rows):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    lock = CountingLock(threading.RLock())
    monkeypatch.setattr(journal, "_lock", lock)
    for owner, name in (
        (journal._store, "finding_row"),
        (journal._store, "row_of"),
        (type(next(iter(journal._store.sessions.values()))), "is_silent"),
        (type(next(iter(journal._store.sessions.values()))), "row"),
    ):
        monkeypatch.setattr(owner, name, lock.count(getattr(owner, name)))
    read(journal)

    assert 0 < lock.most <= 7 + 7  # a row of a session asks for its silence


# ---- Counts ----


def test_a_key_with_types_that_were_not_counted_in_all_can_be_reset() -> None:
    others = [sent("s1", event(f"type{number}"), number) for number in range(MOST_TYPES)]
    journal = fill(fill(Journal(), others), [sent("s2", event("late")), sent("s2", event("type3"))], "a")
    journal.reset("a")

    counts = journal._store.counts
    assert journal.totals().calls == MOST_TYPES
    assert min(counts.types.values()) == 1
    assert len(counts.types) == MOST_TYPES
    assert counts.last["type3"] == 4


def test_the_sessions_of_a_key_are_counted_when_they_left_memory() -> None:
    journal = Journal(Limits(sessions=5))
    for number in range(9):
        fill(journal, pings(2, f"a{number}"), "a")
    fill(journal, pings(1, "b"), "b")

    assert (journal.totals("a").sessions, journal.totals().sessions) == (9, 10)
    journal.reset("a")
    assert (journal.totals("a").sessions, journal.totals().sessions) == (0, 1)


def test_a_key_that_comes_back_has_no_part_in_what_was_found_before() -> None:
    journal = fill(Journal(Limits(keys=1), is_audited=True), pings(1), "a")
    journal.apply([found(1)], audited=1)
    fill(fill(journal, pings(1, "s2"), "b"), pings(1, "s3"), "a")
    journal.apply([found(3, 2)])
    journal.apply([found(1, 1, "withdrawn")])

    assert journal.totals("a").findings.error == 1
    assert journal.totals().findings.error == 1
    journal.apply([found(3, 2, "withdrawn")])
    assert journal.totals("a").findings.error == journal.totals().findings.error == 0


# ---- Recordings ----


def test_what_is_known_of_recordings_is_bounded() -> None:
    sessions = [session(f"s{number}", [(1.0, 0.0, "sessionEnd", {})]) for number in range(50)]
    entries = [Entry(line, each, "run.jsonl") for line, each in enumerate((e for s in sessions for e in s), start=1)]
    journal = journal_of(entries, AuditSettings(), Limits(calls=10, sessions=4))

    assert journal._audit is not None
    assert sum(journal._audit.result(f"s{number}") is not None for number in range(50)) <= 8
    assert sum(journal._store.place_of(number) is not None for number in range(1, 101)) <= 20
    assert journal._store.place_of(100) == ("run.jsonl", 100)
