"""The journal: rows of calls, sessions and findings, in bounded memory, with waits that do not poll."""

import asyncio
import threading
from collections.abc import Callable, Iterable

import msgspec
import pytest

from support.exchanges import AD, BREAK, Step, event, exchange, opened, request, response, sent, session, start
from tapehead.auditor.results import EventRef, SessionFinding
from tapehead.errors import UsageError
from tapehead.journal.conditions import parse_condition
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.stored_rows import Limits, NewFinding
from tapehead.protocol.exchange import Answered, Exchange, Finding, Severity, encode

PLAY: list[Step] = [(1.0, 0.0, "play", {}), (11.0, 10.0, "ping", {})]
SILENCE = 31.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def keyed(exchanges: Iterable[Exchange], key: str) -> list[Exchange]:
    return [msgspec.structs.replace(each, answered=Answered("simulated", "", key)) for each in exchanges]


def fill(journal: Journal, exchanges: Iterable[Exchange]) -> Journal:
    for each in exchanges:
        journal.add(each, encode(each))
    return journal


def found(call: int, rule: str = "ad-outside-break", severity: Severity = Severity.ERROR) -> SessionFinding:
    place = EventRef(call - 1, "adStart", 1.0, 5)
    return SessionFinding(rule=rule, severity=severity, message="m", path="p", event=place, line=call, recording="")


def test_calls_are_numbered_and_have_their_event() -> None:
    journal = fill(Journal(), session("s1", PLAY))

    rows = journal.calls()

    assert [(row.number, row.type, row.index, row.playhead, row.status) for row in rows] == [
        (1, "sessionStart", 0, 0, 201),
        (2, "play", 1, 0.0, 204),
        (3, "ping", 2, 10.0, 204),
    ]
    assert journal.calls(RowFilter(type="ping", after=1, limit=1)) == rows[2:]
    assert journal.calls(RowFilter(session="s2")) == []


def test_a_call_has_what_was_sent_and_answered() -> None:
    journal = fill(Journal(), [sent("s1", event("play", 1, 2), answered=None)])

    row = journal.call(1)

    shown = msgspec.json.decode(msgspec.json.encode(row))
    assert shown["request"]["body"]["eventType"] == "play"
    assert (shown["response"], shown["error"]) == (None, "the connection was reset")
    assert "request" not in msgspec.to_builtins(journal.calls()[0])
    assert journal.call(2) is None


def steps(*types: str) -> list[Exchange]:
    params = {"adBreakStart": BREAK, "adStart": AD}
    return [opened("s1", start()), *(sent("s1", event(each, 1, 1, params.get(each)), 1) for each in types)]


@pytest.mark.parametrize(
    ("types", "state", "outcome"),
    [
        ([], "starting", None),
        (["play"], "playing", None),
        (["play", "pauseStart"], "paused", None),
        (["bufferStart"], "buffering", None),
        (["adBreakStart"], "in an ad break", None),
        (["adBreakStart", "adStart"], "in an ad", None),
        (["adStart"], "in an ad", None),
        (["adBreakStart", "adStart", "adComplete", "adBreakComplete", "play"], "playing", None),
        (["play", "sessionComplete"], "completed", "completed"),
        (["play", "sessionEnd"], "ended", "ended"),
    ],
)
def test_a_session_has_its_state_in_plain_words(types: list[str], state: str, outcome: str | None) -> None:
    journal = fill(Journal(), steps(*types))

    (row,) = journal.sessions()

    assert (row.session, row.content, row.player) == ("s1", "First clip", "sample-player")
    assert (row.state, row.outcome, row.events) == (state, outcome, 1 + len(types))


def refused_start(status: int | None) -> Exchange:

    return exchange(request(start()), response(status) if status else None)


@pytest.mark.parametrize(
    ("status", "state"), [(400, "start refused"), (500, "start refused"), (None, "start unanswered")]
)
def test_a_start_that_opened_no_session_has_a_row_of_its_own(status: int | None, state: str) -> None:
    journal = fill(Journal(), [refused_start(status), refused_start(status)])

    rows = journal.sessions()

    assert [(row.session, row.number, row.state, row.refused) for row in rows] == [
        (None, 1, state, 1),
        (None, 2, state, 1),
    ]


def test_an_unknown_session_says_so() -> None:
    journal = fill(Journal(), [sent("s9", event("ping"), answered=404)])

    assert [row.state for row in journal.sessions()] == ["unknown session"]


def test_a_player_that_falls_silent_is_told_as_a_change() -> None:
    clock = Clock()
    journal = fill(Journal(clock=clock), steps("play"))
    journal.note_silence()
    before = journal.change

    clock.now += SILENCE
    journal.note_silence()
    journal.note_silence()

    changes = journal.since(before)
    assert [row.state for row in changes.sessions] == ["silent"]
    assert changes.change == before + 1


def test_one_id_for_several_sessions_is_several_rows() -> None:
    journal = fill(Journal(), [*session("s1", PLAY), *session("s1", PLAY)])

    assert [(row.number, row.events) for row in journal.sessions()] == [(1, 3), (2, 3)]


def test_events_without_a_key_belong_to_the_key_of_their_session() -> None:
    first, *rest = session("s1", PLAY)
    journal = fill(Journal(), [*keyed([first], "a"), *rest, *keyed(session("s2", PLAY), "b"), *session("s3", PLAY)])

    assert [row.session for row in journal.sessions(RowFilter(key="a"))] == ["s1"]
    assert [row.number for row in journal.calls(RowFilter(key="a"))] == [1, 2, 3]
    assert (journal.totals("a").calls, journal.totals("b").sessions, journal.totals().calls) == (3, 1, 9)
    assert journal.totals("unknown").calls == 0


def test_a_miss_is_counted_with_its_reason() -> None:
    first, *_ = session("s1", [])
    journal = fill(Journal(), [msgspec.structs.replace(first, answered=Answered("miss", "miss: not recorded"))])

    assert journal.totals().misses == 1
    assert msgspec.to_builtins(journal.calls()[0].answered) == {"outcome": "miss", "reason": "miss: not recorded"}


# ---- Findings ----


def test_without_an_audit_findings_are_those_of_calls() -> None:
    own = Finding("wrong-type", Severity.WARNING, "params", "a text")
    journal = fill(Journal(), [msgspec.structs.replace(opened("s1", start()), findings=[own])])

    (row,) = journal.findings()

    assert (row.rule, row.state, row.call, row.session) == ("wrong-type", "confirmed", 1, "s1")
    assert row.event is not None
    assert row.event.type == "sessionStart"
    assert journal.totals().findings.warning == 1


def test_a_finding_of_the_audit_is_one_row_that_changes() -> None:
    journal = fill(Journal(is_audited=True), steps("adStart"))
    before = journal.change
    journal.apply([NewFinding(7, "provisional", "s1", found(2))], audited=2)

    (row,) = journal.findings()
    assert (row.state, row.call, row.rule) == ("provisional", 2, "ad-outside-break")
    assert [each.rule for each in journal.calls()[1].findings] == ["ad-outside-break"]
    assert journal.session("s1") is not None
    assert [each.number for each in journal.since(before).findings] == [row.number]

    journal.apply([NewFinding(7, "confirmed", "s1", found(2))])
    assert [(each.number, each.state) for each in journal.findings()] == [(row.number, "confirmed")]
    assert journal.totals().findings.error == 1

    before = journal.change
    journal.apply([NewFinding(7, "withdrawn", "s1", found(2))])
    assert journal.findings() == []
    assert [each.state for each in journal.findings(RowFilter(state="withdrawn"))] == ["withdrawn"]
    assert [each.state for each in journal.since(before).findings] == ["withdrawn"]
    assert journal.totals().findings.error == 0
    assert journal.calls()[1].findings == []


def test_a_call_shows_its_own_findings_until_it_is_audited() -> None:
    own = Finding("wrong-type", Severity.WARNING, "params", "a text")
    journal = fill(Journal(is_audited=True), [msgspec.structs.replace(opened("s1", start()), findings=[own])])

    assert [each.rule for each in journal.calls()[0].findings] == ["wrong-type"]
    journal.apply([], audited=1)
    assert journal.calls()[0].findings == []


def test_a_session_that_is_left_out_says_so_and_is_named() -> None:
    journal = fill(Journal(is_audited=True), steps("play"))
    journal.leave_out("s1", 3)
    journal.leave_out("s1")

    totals = journal.totals()
    assert (totals.left_out_calls, totals.left_out_sessions, totals.left_out) == (4, 1, ["s1"])
    assert [row.audited for row in journal.sessions()] == [False]


# ---- Room ----


def many(count: int, ended: int = 0) -> list[Exchange]:
    """Sessions of three calls, the last of them ended."""
    ending: list[Step] = [(20.0, 20.0, "sessionEnd", {})]
    return [
        each for n in range(count) for each in session(f"s{n}", PLAY[:1] + (ending if n >= count - ended else PLAY[1:]))
    ]


def test_the_calls_of_ended_sessions_go_first_and_counts_stay() -> None:
    journal = fill(Journal(Limits(calls=10)), [*session("long", []), *many(3, ended=2), *many(1)])

    left = [row.session for row in journal.calls()]
    assert left[0] == "long"
    assert "s1" not in left
    totals = journal.totals()
    assert (totals.calls, totals.gone, len(left)) == (13, 3, 10)
    assert [row.events for row in journal.sessions()][:3] == [1, 3, 3]


def test_calls_are_bounded_by_their_bytes() -> None:
    journal = fill(Journal(Limits(size=20_000)), many(50))

    assert 5 < len(journal.calls()) < 20
    assert journal.calls()[-1].number == 150


def test_sessions_findings_and_keys_are_bounded() -> None:
    limits = Limits(sessions=5, findings=4, keys=3)
    own = [Finding("wrong-type", Severity.WARNING, "params", "a text")]
    exchanges = [msgspec.structs.replace(each, findings=own) for each in many(10)]
    journal = fill(Journal(limits), [each for n, one in enumerate(exchanges) for each in keyed([one], f"k{n % 7}")])

    assert len(journal.sessions()) == 5
    assert len(journal.findings()) == 4
    assert journal.totals("k0").calls + journal.totals("k1").calls <= 10
    assert journal.totals().findings.warning == 30


def test_changes_come_in_parts_and_each_once() -> None:
    journal = fill(Journal(), many(20))
    change, seen, parts = 0, list[int](), 0
    while not (part := journal.since(change, limit=7)).is_last or part.calls:
        seen += [row.number for row in part.calls]
        change, parts = part.change, parts + 1

    assert seen == list(range(1, 61))
    assert parts == 9
    assert journal.since(change).sessions == []
    assert journal.since(change + 1_000, limit=1).calls[0].number == 1


# ---- Waiting ----


def test_a_wait_ends_with_the_event_that_it_waits_for() -> None:
    journal = fill(Journal(), steps("play"))
    held: list[bool] = []
    waiting = threading.Thread(
        target=lambda: held.append(journal.wait(parse_condition("sessionComplete", session="s1"), 30))
    )
    waiting.start()
    fill(journal, [sent("s2", event("sessionComplete")), sent("s1", event("sessionComplete"))])
    waiting.join(30)

    assert held == [True]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event:play", True),
        ("play", True),
        ("event:my-own", False),
        ("calls:2", True),
        ("calls:3", False),
        ("findings:0", True),
        ("findings:1", False),
        ("quiet:0", True),
        ("quiet:60", False),
    ],
)
def test_a_condition_holds_or_does_not(text: str, holds: bool) -> None:
    journal = fill(Journal(), steps("play"))

    assert journal.wait(parse_condition(text), 0) is holds
    assert asyncio.run(journal.wait_async(parse_condition(text), 0)) is holds


@pytest.mark.parametrize(
    "text", ["", "sessionComplet", "event:", "quiet:x", "calls", "calls:1.5", "findings:-1", "calls:1e9"]
)
def test_a_condition_that_there_is_not_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match=r"^unknown condition '.*expected event:TYPE"):
        parse_condition(text)


def test_quiet_waits_as_long_as_calls_come() -> None:
    clock = Clock()
    journal = fill(Journal(clock=clock), steps("play"))
    clock.now += 3

    assert journal.wait(parse_condition("quiet:3"), 0)
    fill(journal, [sent("s1", event("ping"))])
    assert not journal.wait(parse_condition("quiet:3"), 0)
    assert not journal.wait(parse_condition("quiet", key="none"), 0)


def test_quiet_ends_by_itself() -> None:
    journal = fill(Journal(), steps("play"))

    assert journal.wait(parse_condition("quiet:0.05"), 30)
    assert asyncio.run(journal.wait_async(parse_condition("quiet:0.05"), 30))


def test_a_wait_on_a_loop_ends_with_a_call_of_another_thread() -> None:
    journal = Journal()

    async def wait() -> bool:
        waiting = asyncio.create_task(journal.wait_async(parse_condition("calls:2"), 30))
        await asyncio.to_thread(fill, journal, steps("play"))
        return await waiting

    assert asyncio.run(wait())


@pytest.mark.parametrize("wait", [Journal.wait, lambda *given: asyncio.run(Journal.wait_async(*given))])
def test_the_end_of_the_journal_ends_waits(wait: Callable[..., bool]) -> None:
    journal = Journal()
    journal.close()

    assert not wait(journal, parse_condition("play"), 30)


def test_a_subscriber_is_told_until_it_ends_that() -> None:
    journal, told = Journal(), list[int]()
    unsubscribe = journal.subscribe(lambda: told.append(journal.change))
    fill(journal, steps())
    unsubscribe()
    fill(journal, steps())

    assert told == [1]


# ---- Reset ----


def test_a_reset_removes_all_and_numbers_go_on() -> None:
    journal = fill(Journal(), keyed(session("s1", PLAY), "a"))
    before = journal.change
    journal.reset()

    assert (journal.calls(), journal.sessions(), journal.findings()) == ([], [], [])
    assert (journal.totals().calls, journal.totals().resets, journal.totals("a").calls) == (0, 1, 0)
    assert journal.since(before).totals.resets == 1
    assert [row.number for row in fill(journal, session("s2", [])).calls()] == [4]
    assert [row.number for row in journal.since(before).calls] == [4]


def test_a_reset_of_a_key_leaves_the_others() -> None:
    own = [Finding("wrong-type", Severity.WARNING, "params", "a text")]
    bad = [msgspec.structs.replace(each, findings=own) for each in session("s1", PLAY)]
    journal = fill(Journal(), [*keyed(bad, "a"), *keyed(session("s2", PLAY), "b")])
    journal.reset("a")

    assert [row.session for row in journal.sessions()] == ["s2"]
    assert [row.session for row in journal.calls()] == ["s2"] * 3
    assert journal.findings() == []
    totals = journal.totals()
    assert (totals.calls, totals.sessions, totals.findings.warning, totals.gone) == (3, 1, 0, 0)
    assert journal.exchanges("s1") == []
    assert [number for number, _ in journal.exchanges("s2")] == [4, 5, 6]
