"""Rules on timestamps: their order, and their distance from arrival and from each other."""

from tapehead.protocol import keys
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import (
    EventCheck,
    Report,
    StepCheck,
    arrival_check,
    end_check,
    event_check,
    step_check,
)
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import format_number

_PATH = keys.TS_PATH
_MOST_NAMED = 10


CLOCK_SKEW = Rule(
    id="clock-skew",
    severity=Severity.WARNING,
    when="ts is more than 60 seconds from its arrival.",
    why="Sessions land at the wrong time, and a clock that is corrected in mid-session distorts its durations.",
    fix="Take ts from a clock that is in step with UTC, or from the server's time plus a monotonic clock.",
    bad="ts 10:05:00, arrival 10:00:00",
    good="ts 10:00:00.2, arrival 10:00:00.3",
    source="Reference: sessions request",
    options=("clock-skew-seconds",),
)


@arrival_check(CLOCK_SKEW)
def check_skew(session: SessionView, report: Report) -> EventCheck:
    """Report the first of each row of events whose clock is off; the ts of an array tell nothing of clocks."""
    limit, skewed = session.thresholds.clock_skew_seconds, False
    if session.downloaded:
        return
    while event := (yield):
        if event.ts is None:
            continue
        off = abs(event.ts - event.arrived_ms) / 1000
        before, skewed = skewed, limit < off <= TEN_YEARS_MS / 1000
        if skewed and not before:
            side = "before" if event.ts < event.arrived_ms else "after"
            message = f"{name_of(event)}: {_PATH} is {event.ts}, {off:.0f} s {side} its arrival"
            report(CLOCK_SKEW.hit(event, f"{message}; expected {format_number(limit)} s at most", _PATH))


TIMESTAMP_ORDER = Rule(
    id="timestamp-order",
    severity=Severity.ERROR,
    when="ts goes back against arrival; up to one second it is a warning.",
    why=(
        "The back end sorts what comes within 5 seconds or 10 events, and may fail beyond one second: "
        "events then count in the wrong state."
    ),
    fix="Send events one after the other; take ts from a clock that never goes back.",
    bad="ping ts 20000, then pauseStart ts 17000",
    good="pauseStart ts 17000, then ping ts 20000",
    source="Reference: controlling the order of events",
    contradictions="The same page promises 5 seconds or 10 events, and warns of delays over one second.",
    options=("order-seconds",),
)


@event_check(TIMESTAMP_ORDER)
def check_order(session: SessionView, report: Report) -> EventCheck:
    """Report ts that go back against arrival; what follows without going back further is not reported again."""
    warning_ms = session.thresholds.order_seconds * 1000
    latest = previous = None
    while event := (yield):
        ts = event.ts
        if ts is None or event.type == "sessionStart":
            continue
        if latest is not None and previous is not None and ts < previous:
            severity = Severity.WARNING if latest - ts <= warning_ms else Severity.ERROR
            message = (
                f"{name_of(event)}: {_PATH} is {ts}, {latest - ts} ms before that of an event that came earlier; "
                "expected a later one"
            )
            report(TIMESTAMP_ORDER.hit(event, message, _PATH, severity))
        previous = ts
        latest = ts if latest is None else max(latest, ts)


EVENT_BEFORE_START = Rule(
    id="event-before-start",
    severity=Severity.WARNING,
    when="An event's ts lies before the ts of its session's sessionStart.",
    why="The session begins with its sessionStart: what an ad or content played before it is missing in time spent.",
    fix="Stamp the sessionStart first, then what waits for the session id; stamp each event when it happens.",
    bad="sessionStart ts 5000, play ts 4200",
    good="sessionStart ts 5000, play ts 5200",
    source="Reference: queueing events; controlling the order of events. Observed in players in the field",
)


@end_check(EVENT_BEFORE_START)
def check_start(session: SessionView, report: Report) -> None:
    """Report the first event with a ts before the sessionStart's, and how many there are."""
    if session.start is None or session.start.ts is None:
        return
    started = session.start.ts
    early = [step.event for step in session.steps if step.event.ts is not None and step.event.ts < started]
    if early:
        first = min(early, key=lambda event: event.index)
        more = f" ({len(early)} such events)" if len(early) > 1 else ""
        lost_ms = started - min(event.ts for event in early if event.ts is not None)
        message = (
            f"{name_of(first)}: {_PATH} is {first.ts}, before the sessionStart's {started}{more}; expected a later "
            f"one; {lost_ms / 1000:.1f} s are not in the metrics (--assume before-start=counted counts them)"
        )
        report(EVENT_BEFORE_START.hit(first, message, _PATH))


EQUAL_TIMESTAMPS = Rule(
    id="equal-timestamps",
    severity=Severity.WARNING,
    when="Two events of a session have one ts.",
    why="Their order is undefined: an ad may start before its break, or a break close after the play that follows.",
    fix="Stamp each event at least one millisecond after the one before.",
    bad="adComplete ts 9000, adBreakComplete ts 9000, play ts 9000",
    good="adComplete ts 9000, adBreakComplete ts 9001, play ts 9002",
    source="Reference: controlling the order of events",
    contradictions=(
        "SDK 3.1.0 and the documented timelines give one ts to events of one moment. So this is a warning."
    ),
)


@step_check(EQUAL_TIMESTAMPS)
def check_equal(_session: SessionView, report: Report) -> StepCheck:
    """Report each moment that several events share."""
    together: list[Event] = []
    while step := (yield):
        event = step.event
        if event.ts is None:
            continue
        if together and event.ts == together[0].ts:
            together.append(event)
        else:
            if len(together) > 1:
                report(_equal_hit(together))
            together = [event]
    if len(together) > 1:
        report(_equal_hit(together))


def _equal_hit(events: list[Event]) -> RuleHit:
    more = f" and {len(events) - _MOST_NAMED:,} more" if len(events) > _MOST_NAMED else ""
    names = ", ".join(map(name_of, events[:_MOST_NAMED])) + more
    message = f"{name_of(events[1])}: {names} have the same {_PATH} {events[0].ts}; expected them 1 ms apart at least"
    return EQUAL_TIMESTAMPS.hit(events[1], message, _PATH)
