"""Waiting for a condition over HTTP, without polling: a test gets its answer when the condition holds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tapehead.errors import UsageError
from tapehead.journal.conditions import UNTIL_PATTERN, Condition, parse_condition
from tapehead.journal.journal import SETTLE_SECONDS, Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.rows import CallRow, FindingRow, SessionRow, Totals
from tapehead.live.api_filters import check_type, session_id
from tapehead.live.api_model import (
    BAD_REQUEST,
    CONFLICT,
    MOST_NUMBER,
    NOT_IN_TIME,
    UNAVAILABLE,
    Api,
    ApiError,
    ApiRequest,
    Filter,
    Query,
    as_json,
    number_from,
    one_of,
    seconds_up_to,
)
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Severity
from tapehead.text import count_of, format_number, nearest, shorten

DEFAULT_SECONDS, MOST_SECONDS = 30.0, 300.0
# The latest rows that say what is there instead.
MOST_SHOWN = 20


class Fulfilled(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that holds.

    Attributes:
        until: the condition.
        event: the event or call that it waited for; None if it is none, or is not in memory any more.
        finding: the finding that it waited for; None if it is none.
        session: the session that was named, or that the event belongs to; None if there is none.
        totals: the counts.
    """

    until: str
    event: CallRow | None
    finding: FindingRow | None
    session: SessionRow | None
    totals: Totals


class NotInTime(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that did not hold in time: why, in one sentence, and what is there instead, the latest last."""

    error: str
    until: str
    sessions: list[SessionRow]
    events: list[CallRow]
    findings: list[FindingRow]
    totals: Totals


FILTERS = {
    "until": Filter(
        "An event type alone or as event:TYPE, quiet or quiet:SECONDS, calls:COUNT, or findings:COUNT.",
        {
            "type": "string",
            "pattern": UNTIL_PATTERN,
            "examples": ["sessionComplete", "event:adStart", "quiet:2", "calls:5", "findings:0"],
        },
    ),
    "timeout": Filter(
        f"The longest time to wait, in seconds; {format_number(DEFAULT_SECONDS)} if left out.",
        *seconds_up_to(MOST_SECONDS),
    ),
    "after": Filter("Events and calls with this number or a lower one do not count.", *number_from(0, MOST_NUMBER - 1)),
    "severity": Filter(
        "With findings:COUNT: findings of this severity or a worse one count; `error` if left out.",
        *one_of(*Severity),
    ),
}


async def wait(api: Api, request: ApiRequest, leaving: Callable[[], Awaitable[None]]) -> Response:
    """Answer when a condition holds, or the time is over."""
    query = request.query
    timeout = 0.0 if api.is_stored else query.seconds("timeout", DEFAULT_SECONDS)
    condition = await run_in_threadpool(condition_of, api.journal, query)
    await run_in_threadpool(check_audited, api.journal, condition)
    if api.waits.is_full and await hold(api.journal, condition, 0):
        return await run_in_threadpool(fulfilled, api.journal, query, condition)
    if api.waits.is_full:
        raise ApiError(UNAVAILABLE, f"{count_of(api.waits.count, 'client')} wait already; try again later")
    with api.waits.task(hold(api.journal, condition, timeout)) as waiting:
        left = asyncio.ensure_future(leaving())
        try:
            await asyncio.wait({waiting, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
        holds = waiting.done() and not waiting.cancelled() and waiting.result()
        if waiting.cancelled() or (not holds and api.journal.is_closed):
            raise ApiError(UNAVAILABLE, f"'{api.command}' is stopping; start it again")
    await run_in_threadpool(check_audited, api.journal, condition)
    if holds:
        return await run_in_threadpool(fulfilled, api.journal, query, condition)
    failed = "does not hold in the recordings" if api.is_stored else f"did not hold within {format_number(timeout)} s"
    return await run_in_threadpool(not_in_time, api.journal, query, condition, failed)


async def hold(journal: Journal, condition: Condition, timeout: float) -> bool:
    """Wait until a condition holds, and return whether it does; that there are no findings, only of audited calls."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while await journal.wait_async(condition, max(0.0, deadline - loop.time())):
        if not condition.is_of_absence:
            return True
        remaining_seconds = max(0.0, deadline - loop.time())
        is_settled = await journal.settle_async(min(remaining_seconds, SETTLE_SECONDS))
        if is_settled and await journal.wait_async(condition, 0):
            return True
        if not remaining_seconds or journal.is_closed or not journal.is_audited:
            return False
    return False


def condition_of(journal: Journal, query: Query) -> Condition:
    """Return the condition that a query names.

    Raises:
        ApiError: it names none.
    """
    until, sid = query.get("until"), query.get("session")
    if sid:
        with suppress(ApiError):  # one that a reset removed may go on
            query.replace("session", session_id(journal, sid))
    if until is None:
        raise ApiError(BAD_REQUEST, "missing 'until': the condition to wait for, such as until=sessionComplete")
    try:
        condition = parse_condition(until, query.get("session"), query.get("key"))
    except UsageError as error:
        raise ApiError(BAD_REQUEST, str(error)) from error
    named = condition.event_type
    if named and named not in EVENT_TYPES and nearest(named, EVENT_TYPES):  # others may come
        check_type(journal, named)
    if "severity" in query and condition.kind != "findings":
        raise ApiError(BAD_REQUEST, "'severity' goes with findings:COUNT only")
    if "after" in query and condition.kind not in ("event", "calls"):
        raise ApiError(BAD_REQUEST, "'after' goes with event:TYPE and calls:COUNT only")
    if condition.kind == "findings":
        return msgspec.structs.replace(condition, severity=Severity(query.get("severity") or Severity.ERROR))
    if "after" in query:
        journal.settle()
        return journal.after(condition, query.number("after", 0))
    return condition


def check_audited(journal: Journal, condition: Condition) -> None:
    """Check that it can be told whether there are no findings.

    Raises:
        ApiError: not all calls are audited.
    """
    if condition.kind != "findings" or condition.count:
        return
    if not journal.is_audited:
        raise ApiError(CONFLICT, "the audit is off (--no-audit) or has failed, so 'findings:0' cannot be told")
    left_out = [row for row in journal.sessions(RowFilter(session=condition.session)) if not row.audited]
    # Where nothing is recorded, what was left out is not in the journal, and may belong to any key.
    has_others = journal.totals().left_out_sessions > len(left_out) or journal.left_out_without_session
    if any(condition.key in (None, row.key) for row in left_out) or (has_others and not condition.session):
        raise ApiError(CONFLICT, "sessions were left out of the audit under load, so 'findings:0' cannot be told")


def fulfilled(journal: Journal, query: Query, condition: Condition) -> Response:
    """Return the answer for a condition that holds."""
    scope = RowFilter(key=condition.key, session=condition.session, preflights=False)
    event = finding = None
    if condition.kind == "event":
        rows = msgspec.structs.replace(scope, type=condition.event_type, after=query.number("after", 0), limit=1)
        event = next(iter(journal.calls(rows)), None)
    elif condition.kind == "calls":
        count = int(str(query.get("until")).partition(":")[2])
        rows = msgspec.structs.replace(scope, after=query.number("after", 0), limit=max(count, 1))
        chosen = journal.calls(rows)
        event = chosen[count - 1] if 0 < count <= len(chosen) else None
    elif condition.count:
        found = [row for row in journal.findings(scope) if condition.takes_severity(row.severity)]
        finding = found[condition.count - 1] if condition.count <= len(found) else None
    sid = condition.session or (event and event.session) or (finding and finding.session)
    return as_json(
        Fulfilled(
            until=str(query.get("until")),
            event=event,
            finding=finding,
            session=journal.session(sid) if sid else None,
            totals=journal.totals(condition.key),
        )
    )


def not_in_time(journal: Journal, query: Query, condition: Condition, failed: str) -> Response:
    """Return the answer for a condition that did not hold in time, which `failed` says in a few words."""
    scope = RowFilter(key=condition.key, session=condition.session, preflights=False)
    events = journal.calls(msgspec.structs.replace(scope, limit=MOST_SHOWN), latest=True)
    sessions, found = journal.sessions(scope), journal.findings(scope)
    until = str(query.get("until"))
    named = "".join(f" of the {name} '{value}'" for name in ("session", "key") if (value := query.get(name)))
    error = f"'{shorten(until)}' {failed}; {what_came(sessions, events)}{named}"
    blocking = [row for row in found if condition.takes_severity(row.severity)] if condition.is_of_absence else []
    if blocking:
        error += f"; the first of {count_of(len(blocking), 'finding')} is '{blocking[0].rule}': {blocking[0].message}"
    return as_json(
        NotInTime(
            error=error,
            until=until,
            sessions=sessions[-MOST_SHOWN:],
            events=events,
            findings=found[-MOST_SHOWN:],
            totals=journal.totals(condition.key),
        ),
        NOT_IN_TIME,
    )


def what_came(sessions: list[SessionRow], events: list[CallRow]) -> str:
    """Return in a few words what came instead."""
    if not events:
        return "no call came"
    last = events[-1]
    where = "" if last.playhead is None else f" at {format_number(last.playhead)} s"
    states = ", ".join(dict.fromkeys(session.state for session in sessions[-MOST_SHOWN:])) or "no state"
    return f"the latest call is '{last.type}'{where} in {count_of(len(sessions), 'session')} ({states})"
