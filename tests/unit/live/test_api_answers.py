"""Answers of the HTTP API: what was left out of the audit, the latest calls, and conditions by their pattern."""

import asyncio
import json
import re
import threading
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from starlette.datastructures import QueryParams
from starlette.responses import Response

from support.exchanges import event, opened, sent, start
from support.processes import TIMEOUT_SECONDS
from tapehead.auditor.live_audit import LiveAudit
from tapehead.errors import UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_thread import AuditThread
from tapehead.journal.backlog import Backlog
from tapehead.journal.conditions import UNTIL_PATTERN, parse_condition
from tapehead.journal.journal import Journal
from tapehead.journal.run_metrics import RunMetrics
from tapehead.live.api_model import FILTERS, Api, ApiError, ApiRequest, Query
from tapehead.live.api_queries import list_events, list_metrics, list_sessions
from tapehead.live.api_sessions import show_session, show_timeline
from tapehead.live.api_wait import check_audited, hold
from tapehead.live.wait_limit import WaitLimit
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Answered, Exchange, encode


def fill(journal: Journal, exchanges: Iterable[Exchange]) -> Journal:
    for each in exchanges:
        journal.add(each, encode(each))
    return journal


def session(sid: str, calls: int = 3) -> list[Exchange]:
    return [opened(sid, start()), *(sent(sid, event("ping", number, number), number) for number in range(1, calls))]


def fail(error: Exception) -> None:
    raise error


def metrics_of(journal: Journal) -> RunMetrics:
    return RunMetrics(journal, "serve", InternalErrors())


def answer(handler: Any, journal: Journal, sid: str = "", **query: str) -> Any:
    api = Api(journal, None, "serve", WaitLimit(), on_error=fail, metrics=metrics_of(journal))
    asked = ApiRequest(Query(QueryParams(query), FILTERS), {"sid": sid})
    response: Response = handler(api, asked)
    return json.loads(bytes(response.body))


@pytest.mark.parametrize(
    ("left_out", "until", "session_id", "key", "can_be_told"),
    [
        ([], "findings:0", None, None, True),
        ([("s1", 3)], "findings:0", None, None, False),
        ([("s1", 3)], "findings:0", "s1", None, False),
        ([("s1", 3)], "findings:0", "s2", None, True),
        ([("s1", 3)], "findings:0", None, "other", True),
        ([("s1", 3)], "findings:1", None, None, True),
        # What is in no journal, as where nothing is recorded.
        ([("gone", 3)], "findings:0", None, None, False),
        ([("gone", 3)], "findings:0", None, "other", False),
        ([("gone", 3)], "findings:0", "s2", None, True),
        ([(None, 3, 3)], "findings:0", None, None, False),
        ([(None, 3, 3)], "findings:0", None, "other", False),
    ],
)
def test_no_findings_is_not_told_where_calls_were_left_out(
    left_out: list[tuple[Any, ...]], until: str, session_id: str | None, key: str | None, can_be_told: bool
) -> None:
    journal = fill(Journal(is_audited=True), [*session("s1"), *session("s2")])
    for each in left_out:
        journal.leave_out(*each)
    condition = parse_condition(until, session_id, key)

    if can_be_told:
        check_audited(journal, condition)
    else:
        with pytest.raises(ApiError, match="sessions were left out of the audit under load"):
            check_audited(journal, condition)


def test_no_findings_is_told_again_after_a_reset_of_the_key_whose_sessions_were_left_out() -> None:
    backlog = Backlog(most_calls=1)
    journal = Journal()
    thread = AuditThread(journal, LiveAudit, InternalErrors(), backlog=backlog)
    journal.attach(thread)
    # Two calls wait, one more than there is room for, until the thread starts.
    fill(journal, [msgspec.structs.replace(each, answered=Answered("hit", key="a")) for each in session("s1")])
    thread.start()
    assert journal.settle(30)
    with pytest.raises(ApiError, match="left out"):
        check_audited(journal, parse_condition("findings:0", key="a"))

    assert journal.totals().left_out_calls
    journal.reset("a")
    check_audited(journal, parse_condition("findings:0", key="a"))
    check_audited(journal, parse_condition("findings:0"))
    assert (journal.totals().left_out_calls, journal.totals().left_out_sessions) == (0, 0)
    thread.close()


def test_a_call_without_a_session_that_was_left_out_may_be_of_any_key_until_all_is_reset() -> None:
    journal = Journal()
    thread = AuditThread(journal, LiveAudit, InternalErrors(), backlog=Backlog(most_calls=0))
    journal.attach(thread)
    fill(journal, [msgspec.structs.replace(opened("s1", start()), session=None)])
    thread.start()
    assert journal.settle(30)
    journal.reset("a")
    with pytest.raises(ApiError, match="left out"):
        check_audited(journal, parse_condition("findings:0", key="a"))

    journal.reset()
    check_audited(journal, parse_condition("findings:0", key="a"))
    thread.close()


class HangingAudit(AuditThread):
    """An audit that settles when it is told to."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal, LiveAudit, InternalErrors())
        self.may_settle = threading.Event()

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until that may be."""
        return self.may_settle.wait(TIMEOUT_SECONDS)


def test_waits_that_are_many_keep_nothing_else_waiting() -> None:
    journal = fill(Journal(), session("s1"))
    audit = HangingAudit(journal)
    journal.attach(audit)
    api = Api(journal, None, "serve", WaitLimit(), on_error=fail, metrics=metrics_of(journal))
    asked = ApiRequest(Query(QueryParams({"settle": "no"}), FILTERS), {})

    async def run() -> list[bool]:
        waits = [asyncio.ensure_future(hold(journal, parse_condition("findings:0"), 30)) for _ in range(40)]
        await asyncio.sleep(0)
        status = await asyncio.wait_for(asyncio.to_thread(list_sessions, api, asked), TIMEOUT_SECONDS)
        assert status.status_code == 200
        assert not audit.may_settle.is_set()
        assert not any(each.done() for each in waits)
        audit.may_settle.set()
        return await asyncio.gather(*waits)

    assert asyncio.run(run()) == [True] * 40


def test_the_latest_calls_come_with_their_messages() -> None:
    journal = fill(Journal(), session("s1", 5))

    told = answer(list_events, journal, latest="1", bodies="1", limit="2")

    assert [row["number"] for row in told["events"]] == [4, 5]
    assert told["events"][1]["request"]["body"]["eventType"] == "ping"
    assert "request" not in answer(list_events, journal, latest="1", limit="2")["events"][0]


def test_the_latest_calls_fit_in_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.live.api_queries.MOST_BYTES", 10)
    journal = fill(Journal(), session("s1", 5))

    told = answer(list_events, journal, latest="1", bodies="1", limit="3")

    assert ([row["number"] for row in told["events"]], told["next"]) == ([3], 3)


def test_the_latest_sessions_are_those_that_changed_last() -> None:
    journal = fill(Journal(), [*session("a"), *session("b"), *session("c"), *session("a")[1:]])

    told = answer(list_sessions, journal, latest="1", limit="2")

    assert ([row["session"] for row in told["sessions"]], told["next"]) == (["c", "a"], None)


def test_a_session_that_was_left_out_has_no_metrics() -> None:
    journal = fill(Journal(is_audited=True), [*session("s1"), *session("s2")])
    journal.leave_out("s1", 3)

    metrics = {row["session"]: len(row["metrics"]) for row in answer(list_metrics, journal)["sessions"]}
    assert metrics["s1"] == 0
    assert metrics["s2"] > 0
    for sid, has_metrics in (("s1", False), ("s2", True)):
        assert bool(answer(show_session, journal, sid)["metrics"]) is has_metrics
        assert bool(answer(show_timeline, journal, sid)["metrics"]) is has_metrics


def test_without_an_audit_metrics_are_there() -> None:
    journal = fill(Journal(), session("s1"))

    assert answer(list_metrics, journal)["sessions"][0]["metrics"]


VALID = [
    *sorted(EVENT_TYPES),
    *("play", "event:ad_start", "event:my event", "event:ä\n", "quiet", "quiet:1000", "quiet:2.5", "calls:3"),
    *("calls:3.0", "findings:0", "findings:999999999"),
]
INVALID = [
    "",
    "sessionComplet",
    "event:",
    "event",
    "quiet:",
    "quiet:x",
    "calls",
    "calls:1.5",
    "findings:-1",
    "calls:1e9",
]


@pytest.mark.parametrize("text", [*VALID, *INVALID])
def test_the_pattern_of_conditions_takes_what_the_server_takes(text: str) -> None:
    assert bool(re.search(UNTIL_PATTERN, text)) is (text in VALID)
    if text in VALID:
        parse_condition(text)
    else:
        with pytest.raises(UsageError):
            parse_condition(text)
