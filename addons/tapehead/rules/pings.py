"""Rules on pings: too few, and too many."""

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.transitions import Life
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.timeouts import expired_gap
from tapehead.text import format_number

_TIMES_IN_A_ROW = 3


PING_GAP = Rule(
    id="ping-gap",
    severity=Severity.WARNING,
    when="No event came for more than 12 seconds of ts while the session was open (downloaded: 60 seconds).",
    why="Durations are as fine as the pings; a viewer who leaves in the gap counts only up to the last event.",
    fix="Send a ping every 10 seconds, in pauses and buffers too.",
    bad="play at 0 s, ping at 30 s",
    good="play at 0 s, ping at 10 s, 20 s and 30 s",
    source="Reference: sending pings. Observed: SDK 3.1.0 begins its 10 seconds anew at every event",
    contradictions="In ads one page wants 10 seconds, others 1 second: both are fine.",
    options=("ping-gap-seconds", "downloaded-ping-gap-seconds"),
)


@step_check(PING_GAP, row_pings=RowPings.LAST)
def check_gaps(session: SessionView, report: Report) -> StepCheck:
    """Report each row of gaps that are too long, until the session ends or expires."""
    thresholds = session.thresholds
    limit = thresholds.downloaded_ping_gap_seconds if session.downloaded else thresholds.ping_gap_seconds
    row: list[tuple[int, Event]] = []
    session.pending.append(lambda: [_gap_hit(row, limit)] if row else [])
    while step := (yield):
        gap_ms = session.intervals.gap_ms
        if gap_ms is None:
            continue
        if expired_gap(session, step):
            break
        if gap_ms > limit * 1000 and step.before.life is Life.OPEN:
            row.append((gap_ms, step.event))
        elif row:
            report(_gap_hit(row, limit))
            row = []
    if row:
        report(_gap_hit(row, limit))
        row = []


def silence_hit(session: SessionView) -> RuleHit | None:
    """Return the hit at the last event of a session that has been silent for too long by another clock.

    Nothing is expected of one that is over, or came all at once.
    """
    last, limit = session.steps[-1], session.thresholds.ping_gap_seconds
    if session.downloaded or last.after.life is not Life.OPEN:
        return None
    message = f"{name_of(last.event)}: no event has come for more than {format_number(limit)} s since"
    return PING_GAP.hit(last.event, f"{message}; expected a ping every 10 s", keys.TS_PATH)


def _gap_hit(row: list[tuple[int, Event]], limit: float) -> RuleHit:
    (gap_ms, event), more = row[0], ""
    if len(row) > 1:
        longest = max(gap_ms for gap_ms, _ in row) / 1000
        more = f", the first of {len(row)} such gaps in a row, the longest {longest:.1f} s"
    message = f"{name_of(event)}: {gap_ms / 1000:.1f} s of ts without an event before it{more}"
    return PING_GAP.hit(event, f"{message}; expected {format_number(limit)} s at most", keys.TS_PATH)


PING_FLOOD = Rule(
    id="ping-flood",
    severity=Severity.WARNING,
    when="Pings came less than 0.9 seconds apart, or three times in a row less than 9 seconds apart in main content.",
    why="Each ping is a request that the contract counts, and adds nothing to the numbers.",
    fix="Ping every 10 seconds in main content, every second at most in ads; stop the old timer before a new one.",
    bad="ping at 10.0 s, 10.2 s, 20.0 s, 20.2 s (two timers)",
    good="ping at 10 s, 20 s, 30 s",
    source="Reference: sending pings",
    contradictions="In ads one page wants 10 seconds, others 1 second: both are fine.",
    options=("ping-flood-seconds", "main-ping-seconds"),
)


@step_check(PING_FLOOD, row_pings=RowPings.LAST)
def check_flood(session: SessionView, report: Report) -> StepCheck:
    """Report each row of pings that come too fast."""
    thresholds = session.thresholds
    earlier: Event | None = None
    # Whether a break or an ad began or ended since the ping before, the pings too fast in a row, and whether the row
    # is reported already.
    left_content, quick, flooding = False, 0, False
    while step := (yield):
        event = step.event
        if event.type != "ping":
            left_content = left_content or step.before.in_main_content != step.after.in_main_content
            continue
        if step.before.life is Life.ENDED:
            continue
        if earlier and earlier.ts is not None and event.ts is not None:
            ms = event.ts - earlier.ts
            main = not left_content and step.before.is_surely_in_main_content
            quick = quick + 1 if main and 0 <= ms < thresholds.main_ping_seconds * 1000 else 0
            hasty = 0 <= ms < thresholds.ping_flood_seconds * 1000
            if not flooding and (hasty or quick >= _TIMES_IN_A_ROW):
                wanted = thresholds.ping_flood_seconds if hasty else thresholds.main_ping_seconds
                times = "" if hasty else f", {quick} times in a row in main content"
                message = f"ping: {ms / 1000:.1f} s after the ping before it{times}"
                message += f"; expected {format_number(wanted)} s at least"
                report(PING_FLOOD.hit(event, message, keys.TS_PATH))
            flooding = hasty or (quick > 0 and (flooding or quick >= _TIMES_IN_A_ROW))
        earlier, left_content = event, False
