"""Rules on timestamps: their order, and their distance from arrival and from each other."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import permutations
from math import inf

from tapehead.protocol import keys
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import Call
from tapehead.protocol.session_machine import Step, advance
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import (
    EventCheck,
    Report,
    RowPings,
    StepCheck,
    arrival_check,
    event_check,
    report_all,
    step_check,
)
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.values import CLOCK_SKEW
from tapehead.text import format_number

_PATH = keys.TS_PATH
_MOST_NAMED = 10
# Events of one moment whose orders are tried: six have 720.
_MOST_PERMUTED = 6
_MOST_MOMENTS = 100


@arrival_check(CLOCK_SKEW)
def check_skew(session: SessionView, report: Report) -> EventCheck:
    """Report the first of each row of events whose clock is off; the ts of an array tell nothing of clocks."""
    limit, skewed, latest = session.thresholds.clock_skew_seconds, False, -inf
    if session.downloaded:
        return
    while event := (yield):
        if event.ts is None:
            continue
        off = abs(event.ts - event.arrived_ms) / 1000
        before, skewed = skewed, limit < off <= TEN_YEARS_MS / 1000
        goes_back, latest = event.ts < latest - limit * 1000, max(latest, event.ts)
        # A ts that goes back that far is out of order, or before the sessionStart, which has a finding of its own.
        if skewed and not before and not goes_back:
            side = "before" if event.ts < event.arrived_ms else "after"
            message = f"{name_of(event)}: {_PATH} is {event.ts}, {off:.0f} s {side} its arrival"
            report(CLOCK_SKEW.hit(event, f"{message}; expected {format_number(limit)} s at most", _PATH))


TIMESTAMP_ORDER = Rule(
    id="timestamp-order",
    severity=Severity.ERROR,
    when="ts goes back against arrival, not counting calls in flight together; up to one second it is a warning.",
    why=(
        "The back end sorts what comes within 5 seconds or 10 events, and may fail beyond one second: "
        "events then count in the wrong state."
    ),
    fix="Send events one after the other; take ts from a clock that never goes back.",
    bad="ping ts 20000, then pauseStart ts 17000",
    good="pauseStart ts 17000, then ping ts 20000",
    source="Reference: controlling the order of events",
    contradictions=(
        "The same page promises 5 seconds or 10 events, and warns of delays over one second. Calls of which each came "
        "before the other was answered have no order of arrival: the vendor's SDK sends what it queued in one burst."
    ),
    options=("order-seconds",),
)


@event_check(TIMESTAMP_ORDER)
def check_order(session: SessionView, report: Report) -> EventCheck:
    """Report ts that go back against arrival; what follows without going back further is not reported again.

    Calls that were in flight together have no order of arrival.
    """
    warning_ms = session.thresholds.order_seconds * 1000
    # The ts of calls that may still be in flight, by the time of their answers, and the latest of the others.
    in_flight: list[tuple[float, int]] = []
    latest = previous = None
    while event := (yield):
        ts = event.ts
        if ts is None or event.type == "sessionStart":
            continue
        while in_flight and (event.in_array or in_flight[0][0] <= event.arrived_ms):
            answered_ts = heappop(in_flight)[1]
            latest = answered_ts if latest is None else max(latest, answered_ts)
        if latest is not None and previous is not None and ts < previous and ts < latest:
            severity = Severity.WARNING if latest - ts <= warning_ms else Severity.ERROR
            message = (
                f"{name_of(event)}: {_PATH} is {ts}, {latest - ts} ms before that of an event that came earlier; "
                "expected a later one"
            )
            report(TIMESTAMP_ORDER.hit(event, message, _PATH, severity))
        previous = ts
        heappush(in_flight, (event.answered_ms, ts))


EVENT_BEFORE_START = Rule(
    id="event-before-start",
    severity=Severity.WARNING,
    when="An event's ts lies before the ts of its session's sessionStart.",
    why=(
        "The back end takes the sessionStart at once and sorts only what follows; the session begins there: what an ad "
        "or content played before it is missing in time spent."
    ),
    fix="Stamp the sessionStart first, then what waits for the session id; stamp each event when it happens.",
    bad="sessionStart ts 5000, play ts 4200",
    good="sessionStart ts 5000, play ts 5200",
    source="Reference: queueing events; controlling the order of events. Observed in players in the field",
)


@arrival_check(EVENT_BEFORE_START)
def check_start(session: SessionView, report: Report) -> EventCheck:
    """Report the first event with a ts before the sessionStart's, and how many there are.

    What comes so late that it is out of order has a finding of its own, and so has a sessionStart from a clock that
    runs ahead of the others.
    """
    start = session.start
    if start is None or start.ts is None:
        return
    skew_ms = session.thresholds.clock_skew_seconds * 1000
    early: list[Event] = []
    answered_ms = inf
    session.pending.append(lambda: _early_hits(early, start.ts or 0))
    yield
    while event := (yield):
        if event.arrived_ms >= answered_ms and not early and event.call is Call.EVENT:
            return  # and so do all that follow
        if event.ts is None or event.arrived_ms >= answered_ms:
            continue
        if event.ts >= start.ts:
            answered_ms = min(answered_ms, event.answered_ms)
        elif start.ts - start.arrived_ms <= skew_ms or event.ts - event.arrived_ms > skew_ms:
            early.append(event)
    report_all(_early_hits(early, start.ts), report)


def _early_hits(early: list[Event], started_ts: int) -> Iterator[RuleHit]:
    """Yield the hit at the first of the events before the sessionStart, with their number."""
    if early:
        first = early[0]
        more = f" ({len(early)} such events)" if len(early) > 1 else ""
        lost_ms = started_ts - min(event.ts for event in early if event.ts is not None)
        message = (
            f"{name_of(first)}: {_PATH} is {first.ts}, before the sessionStart's {started_ts}{more}; expected a later "
            f"one; {lost_ms / 1000:.1f} s are not in the metrics (--assume before-start=counted counts them)"
        )
        yield EVENT_BEFORE_START.hit(first, message, _PATH)


EQUAL_TIMESTAMPS = Rule(
    id="equal-timestamps",
    severity=Severity.WARNING,
    when="Events of a session have one ts: an information once a session, a warning where their order changes it.",
    why=(
        "The order of events with one ts is undefined. Where only one order is allowed, as for adComplete, "
        "adBreakComplete and play, nothing is lost; of pauseStart and play, either may come out as the last."
    ),
    fix="Stamp each event at least one millisecond after the one before.",
    bad="pauseStart ts 9000, play ts 9000",
    good="pauseStart ts 9000, play ts 9001",
    source="Reference: controlling the order of events",
    contradictions=(
        "The vendor's SDKs and the documented timelines give one ts to events of one moment. So it is an information "
        "where the order is not in doubt."
    ),
)


@step_check(EQUAL_TIMESTAMPS, row_pings=RowPings.LAST)
def check_equal(session: SessionView, report: Report) -> StepCheck:
    """Report the moments whose order is undecided, or else how many moments events share."""
    together: list[Step] = []
    moments: list[list[Step]] = []
    warned = False

    session.pending.append(lambda: [] if warned else _moment_hits(moments))
    while True:
        step = yield
        if step and step.event.ts is None:
            continue
        if step and together and step.event.ts == together[0].event.ts:
            together.append(step)
            continue
        if len(together) > 1:
            if _is_undecided(together):
                warned = True
                report(_equal_hit(together, "; either may count as the last", Severity.WARNING))
            elif len(moments) < _MOST_MOMENTS:
                moments.append(together)
        if step is None:
            break
        together = [step]
    report_all([] if warned else _moment_hits(moments), report)


def _moment_hits(moments: list[list[Step]]) -> Iterator[RuleHit]:
    """Yield the hit of the moments whose order is not in doubt."""
    if moments:
        more = "" if len(moments) == 1 else f", the first of {len(moments)} such moments"
        more = f"{more} or more" if len(moments) == _MOST_MOMENTS else more
        yield _equal_hit(moments[0], more, Severity.INFO)


def _is_undecided(steps: list[Step]) -> bool:
    """Return whether events of one moment leave the session in different states, each in an order that is allowed."""
    ends = set()
    for order in permutations(steps[:_MOST_PERMUTED]):
        state, allowed = steps[0].before, True
        for step in order:
            state, violations = advance(state, step.event)
            allowed = allowed and not violations
        if allowed:
            ends.add(state)
    return len(ends) > 1


def _equal_hit(steps: list[Step], more: str, severity: Severity) -> RuleHit:
    events = [step.event for step in steps]
    unnamed = f" and {len(events) - _MOST_NAMED:,} more" if len(events) > _MOST_NAMED else ""
    names = ", ".join(map(name_of, events[:_MOST_NAMED])) + unnamed
    message = f"{name_of(events[1])}: {names} have the same {_PATH} {events[0].ts}{more}"
    return EQUAL_TIMESTAMPS.hit(events[1], f"{message}; expected them 1 ms apart at least", _PATH, severity)
