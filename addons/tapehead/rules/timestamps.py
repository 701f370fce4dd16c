"""Timestamps: their order, the spans between them, and what the back end's timeouts make of those."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.protocol.exchange import Severity
from tapehead.rules.support.event_order import late_events
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of

_MOST_NAMED = 10


def check_order(case: SessionView) -> Iterator[RuleHit]:
    """timestamp-order: ts going back against arrival."""
    limit = case.thresholds.order_seconds
    for event, behind_ms in late_events(case.once):
        severity = Severity.WARNING if behind_ms <= limit * 1000 else Severity.ERROR
        message = (
            f"{name_of(event)}: playerTime.ts is {event.ts}, {behind_ms} ms before that of an event that came earlier; "
            "expected a later one"
        )
        yield RuleHit("timestamp-order", event, message, "playerTime.ts", severity)


def check_skew(case: SessionView) -> Iterator[RuleHit]:
    """clock-skew: one finding for each row of events whose clock is off; an array tells nothing of clocks."""
    limit, skewed = case.thresholds.clock_skew_seconds, False
    for event in () if case.downloaded else case.arrived:
        if event.ts is None:
            continue
        off = abs(event.ts - event.arrived_ms) / 1000
        before, skewed = skewed, limit < off <= TEN_YEARS_MS / 1000
        if skewed and not before:
            side = "before" if event.ts < event.arrived_ms else "after"
            message = f"{name_of(event)}: playerTime.ts is {event.ts}, {off:.0f} s {side} its arrival"
            yield RuleHit("clock-skew", event, f"{message}; expected {limit:g} s at most", "playerTime.ts")


def check_start(case: SessionView) -> Iterator[RuleHit]:
    """event-before-start: a ts before the sessionStart's; one finding, however many were queued."""
    start = case.start
    if start is None or start.ts is None:
        return
    early = [event for event in case.once if event.ts is not None and event.ts < start.ts]
    if early:
        first, more = early[0], f" ({len(early)} such events)" if len(early) > 1 else ""
        message = f"{name_of(first)}: playerTime.ts is {first.ts}, before the sessionStart's {start.ts}{more}"
        yield RuleHit("event-before-start", first, f"{message}; expected a later one", "playerTime.ts")


def check_equal(case: SessionView) -> Iterator[RuleHit]:
    """equal-timestamps: one finding for each moment that several events share."""
    timed = [step.event for step in case.steps if step.event.ts is not None]
    for ts, together in groupby(timed, key=lambda event: event.ts):
        first, *others = together
        if others:
            names = _names((first, *others))
            message = (
                f"{name_of(others[0])}: {names} have the same playerTime.ts {ts}; expected them 1 ms apart at least"
            )
            yield RuleHit("equal-timestamps", others[0], message, "playerTime.ts")


def _names(events: Sequence[Event]) -> str:
    more = f" and {len(events) - _MOST_NAMED:,} more" if len(events) > _MOST_NAMED else ""
    return ", ".join(map(name_of, events[:_MOST_NAMED])) + more


CHECKS = (check_skew, check_order, check_start, check_equal)
