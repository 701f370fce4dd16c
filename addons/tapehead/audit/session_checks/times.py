"""Timestamps: their order, the spans between them, and what the back end's timeouts make of those."""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from tapehead.audit.case import Case, Found, name_of
from tapehead.audit.order import late_events
from tapehead.checks import TEN_YEARS_MS
from tapehead.event import Event
from tapehead.exchange import Severity
from tapehead.session import Life, Step

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_TIMES_IN_A_ROW = 3
_MOST_NAMED = 10


def check_order(case: Case) -> Iterator[Found]:
    """timestamp-order: ts going back against arrival."""
    limit = case.thresholds.order_seconds
    for event, behind_ms in late_events(case.once):
        severity = Severity.WARNING if behind_ms <= limit * 1000 else Severity.ERROR
        message = (
            f"{name_of(event)}: playerTime.ts is {event.ts}, {behind_ms} ms before that of an event that came earlier; "
            "expected a later one"
        )
        yield Found("timestamp-order", event, message, "playerTime.ts", severity)


def check_skew(case: Case) -> Iterator[Found]:
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
            yield Found("clock-skew", event, f"{message}; expected {limit:g} s at most", "playerTime.ts")


def check_start(case: Case) -> Iterator[Found]:
    """event-before-start: a ts before the sessionStart's; one finding, however many were queued."""
    start = case.start
    if start is None or start.ts is None:
        return
    early = [event for event in case.once if event.ts is not None and event.ts < start.ts]
    if early:
        first, more = early[0], f" ({len(early)} such events)" if len(early) > 1 else ""
        message = f"{name_of(first)}: playerTime.ts is {first.ts}, before the sessionStart's {start.ts}{more}"
        yield Found("event-before-start", first, f"{message}; expected a later one", "playerTime.ts")


def check_equal(case: Case) -> Iterator[Found]:
    """equal-timestamps: one finding for each moment that several events share."""
    timed = [step.event for step in case.steps if step.event.ts is not None]
    for ts, together in groupby(timed, key=lambda event: event.ts):
        first, *others = together
        if others:
            names = _names((first, *others))
            message = (
                f"{name_of(others[0])}: {names} have the same playerTime.ts {ts}; expected them 1 ms apart at least"
            )
            yield Found("equal-timestamps", others[0], message, "playerTime.ts")


def _names(events: Sequence[Event]) -> str:
    more = f" and {len(events) - _MOST_NAMED:,} more" if len(events) > _MOST_NAMED else ""
    return ", ".join(map(name_of, events[:_MOST_NAMED])) + more


class Gap(NamedTuple):
    """The time from the event before to a step's event."""

    ms: int
    step: Step


def gaps(case: Case) -> Iterator[Gap]:
    """The spans between events; one that lies back alone is passed over, a clock that was set back is followed."""
    last = behind = None
    for step in case.steps:
        ts = step.event.ts
        if ts is None:
            continue
        if last is None or ts >= last:
            yield Gap(ts - (ts if last is None else last), step)
            last, behind = ts, None
        elif behind is None:
            behind = ts
        else:
            yield Gap(max(0, ts - behind), step)
            last, behind = ts, None


class Rest(NamedTuple):
    """How long the playhead had not moved when a step's event came."""

    ms: int
    step: Step


def rests(case: Case) -> Iterator[Rest]:
    """For each event, how long the playhead has stood still."""
    still_ms, playhead = 0, None
    for gap in gaps(case):
        moved = gap.step.event.playhead not in (None, playhead)
        playhead = gap.step.event.playhead if moved else playhead
        still_ms = 0 if moved else still_ms + gap.ms
        yield Rest(still_ms, gap.step)


def restarts(case: Case) -> bool:
    """Whether the session ended so that another one goes on with it: after its longest time, or the longest rest.

    Observed: the vendor's SDKs then send sessionEnd, and repeat what is open in a new session.
    """
    first = next((step.event.ts for step in case.steps if step.event.ts is not None), None)
    for rest in rests(case):
        if rest.step.event.type == "sessionEnd" and rest.step.event.ts is not None and first is not None:
            lasted_ms = rest.step.event.ts - first
            thresholds = case.thresholds
            return (
                lasted_ms >= thresholds.session_hours * _HOUR_MS - _MINUTE_MS
                or rest.ms >= (thresholds.stalled_minutes - 1) * _MINUTE_MS
            )
    return False


def check_idle(case: Case) -> Iterator[Found]:
    """expired-idle: the first gap that the back end's timeout falls into."""
    limit = case.thresholds.idle_minutes
    for gap in gaps(case):
        if _is_idle(case, gap):
            message = (
                f"{name_of(gap.step.event)}: {gap.ms / _MINUTE_MS:.1f} minutes of ts after the event before it; "
                f"expected {limit:g} at most: the session had expired"
            )
            yield Found("expired-idle", gap.step.event, message, "playerTime.ts")
            return


def _is_idle(case: Case, gap: Gap) -> bool:
    life, too_long = gap.step.before.life, gap.ms > case.thresholds.idle_minutes * _MINUTE_MS
    # Content that is over may rest: a sessionEnd long after it loses nothing.
    rests = life is Life.COMPLETED and gap.step.event.type == "sessionEnd"
    return too_long and life is not Life.ENDED and not rests


def check_pings(case: Case) -> Iterator[Found]:
    """ping-gap: each row of gaps that are too long, until the session ends or expires."""
    thresholds = case.thresholds
    limit = thresholds.downloaded_ping_gap_seconds if case.downloaded else thresholds.ping_gap_seconds
    row: list[Gap] = []
    for gap in gaps(case):
        if _is_idle(case, gap):
            break
        if gap.ms > limit * 1000 and gap.step.before.life is Life.OPEN:
            row.append(gap)
        elif row:
            yield _missed(row, limit)
            row = []
    if row:
        yield _missed(row, limit)


def _missed(row: list[Gap], limit: float) -> Found:
    event, more = row[0].step.event, ""
    if len(row) > 1:
        more = f", the first of {len(row)} such gaps in a row, the longest {max(gap.ms for gap in row) / 1000:.1f} s"
    message = f"{name_of(event)}: {row[0].ms / 1000:.1f} s of ts without an event before it{more}"
    return Found("ping-gap", event, f"{message}; expected {limit:g} s at most", "playerTime.ts")


def check_flood(case: Case) -> Iterator[Found]:
    """ping-flood: each row of pings that come too fast."""
    thresholds, flooding, quick = case.thresholds, False, 0
    pings = [step for step in case.steps if step.event.type == "ping" and step.before.life is not Life.ENDED]
    between = _ads_between(case)
    for earlier, later in pairwise(pings):
        if earlier.event.ts is None or later.event.ts is None:
            continue
        ms = later.event.ts - earlier.event.ts
        main = between[earlier.event.index] == between[later.event.index] and later.before.in_main_content
        quick = quick + 1 if main and 0 <= ms < thresholds.main_ping_seconds * 1000 else 0
        hasty = 0 <= ms < thresholds.ping_flood_seconds * 1000
        if not flooding and (hasty or quick >= _TIMES_IN_A_ROW):
            wanted = thresholds.ping_flood_seconds if hasty else thresholds.main_ping_seconds
            times = "" if hasty else f", {quick} times in a row in main content"
            message = f"ping: {ms / 1000:.1f} s after the ping before it{times}; expected {wanted:g} s at least"
            yield Found("ping-flood", later.event, message, "playerTime.ts")
        flooding = hasty or (quick > 0 and (flooding or quick >= _TIMES_IN_A_ROW))


def _ads_between(case: Case) -> dict[int, int]:
    """For each event, how often a break or an ad began or ended before it."""
    count, counted = 0, {}
    for step in case.steps:
        count += step.before.in_main_content != step.after.in_main_content
        counted[step.event.index] = count
    return counted


def check_length(case: Case) -> Iterator[Found]:
    """session-too-long: the first event beyond 24 hours; the sessionEnd of an SDK that restarts then is in time."""
    hours = case.thresholds.session_hours
    first = next((step.event.ts for step in case.steps if step.event.ts is not None), None)
    for step in case.steps:
        ts = step.event.ts
        if first is None or ts is None or step.before.life is Life.ENDED:
            continue
        allowed = hours * _HOUR_MS + (_MINUTE_MS if step.event.type == "sessionEnd" else 0)
        if ts - first > allowed:
            message = f"{name_of(step.event)}: {(ts - first) / _HOUR_MS:.1f} hours after the first event"
            yield Found("session-too-long", step.event, f"{message}; expected {hours:g} at most", "playerTime.ts")
            return


CHECKS = (check_skew, check_order, check_start, check_equal, check_idle, check_pings, check_flood, check_length)
