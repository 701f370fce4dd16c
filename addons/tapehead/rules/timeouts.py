"""Rules on timeouts of the back end: silence, content that does not move, sessions that are too long."""

from tapehead.protocol import keys
from tapehead.protocol.exchange import Severity
from tapehead.protocol.session_machine import Step
from tapehead.protocol.transitions import Life
from tapehead.rules.support.intervals import HOUR_MS, MINUTE_MS
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, RowPings, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.text import format_number

SESSION_TOO_LONG = Rule(
    id="session-too-long",
    severity=Severity.WARNING,
    when="More than 24 hours lie between the first and the last event.",
    why="After 24 hours the API wants a new session: what comes later in this one is not counted.",
    fix="Send sessionEnd after 24 hours, and a new sessionStart with media.resume true.",
    bad="sessionStart at 08:00, ping at 08:10 of the next day",
    good="sessionEnd at 08:00 of the next day, then sessionStart with media.resume true",
    source="Observed: the vendor's SDKs restart a session every 24 hours",
    options=("session-hours",),
)


@step_check(SESSION_TOO_LONG, row_pings=RowPings.LAST)
def check_length(session: SessionView, report: Report) -> StepCheck:
    """Report the first event beyond 24 hours; the sessionEnd of an SDK that restarts then is in time."""
    hours = session.thresholds.session_hours
    while step := (yield):
        ts, first = step.event.ts, session.intervals.first_ts
        if first is None or ts is None or ts - first <= hours * HOUR_MS or step.before.life is Life.ENDED:
            continue
        if step.event.type != "sessionEnd" or ts - first > hours * HOUR_MS + MINUTE_MS:
            message = f"{name_of(step.event)}: {(ts - first) / HOUR_MS:.1f} hours after the first event"
            report(
                SESSION_TOO_LONG.hit(step.event, f"{message}; expected {format_number(hours)} at most", keys.TS_PATH)
            )
            return


EXPIRED_IDLE = Rule(
    id="expired-idle",
    severity=Severity.ERROR,
    when="More than 10 minutes of ts lie between two events. A sessionEnd that comes so late is an information.",
    why="The back end closed the session in between: the second event is lost, and so is all that follows.",
    fix="Ping every 10 seconds, in pauses too; after 10 idle minutes open a new session.",
    bad="pauseStart at 100 s, play at 800 s",
    good="pauseStart at 100 s, a ping every 10 s, play at 800 s",
    source="Reference: timeout conditions",
    contradictions="The page on sessions in the background speaks of 30 minutes.",
    options=("idle-minutes",),
)


@step_check(EXPIRED_IDLE, row_pings=RowPings.LAST)
def check_idle(session: SessionView, report: Report) -> StepCheck:
    """Report the first gap that the back end's timeout falls into."""
    limit = session.thresholds.idle_minutes
    while step := (yield):
        if gap_ms := expired_gap(session, step):
            message = (
                f"{name_of(step.event)}: {gap_ms / MINUTE_MS:.1f} minutes of ts after the event before it; "
                f"expected {format_number(limit)} at most: the session had expired"
            )
            severity = Severity.INFO if step.event.type == "sessionEnd" else None
            report(EXPIRED_IDLE.hit(step.event, message, keys.TS_PATH, severity))
            return


def expired_gap(session: SessionView, step: Step) -> int:
    """Return the gap before `step` in milliseconds if the back end closed the session within it, else 0."""
    gap_ms, life = session.intervals.gap_ms or 0, step.before.life
    if gap_ms <= session.thresholds.idle_minutes * MINUTE_MS or life is Life.ENDED:
        return 0
    # Content that is over may rest: a sessionEnd long after it loses nothing.
    return 0 if life is Life.COMPLETED and step.event.type == "sessionEnd" else gap_ms


EXPIRED_STALLED = Rule(
    id="expired-stalled",
    severity=Severity.ERROR,
    when="The playhead has not moved for more than 30 minutes, and events go on.",
    why="The back end closed the session: what follows is lost.",
    fix="After 30 minutes without movement send sessionEnd; open a new session when playback goes on.",
    bad="pauseStart, pings for 31 minutes, play",
    good="pauseStart, pings for 30 minutes, sessionEnd, then sessionStart with media.resume true",
    source="Reference: timeout conditions",
    options=("stalled-minutes",),
)


@step_check(EXPIRED_STALLED, row_pings=RowPings.LAST)
def check_stalled(session: SessionView, report: Report) -> StepCheck:
    """Report the first event after the timeout without movement; the sessionEnd that ends it is in time."""
    limit, path = session.thresholds.stalled_minutes, keys.PLAYHEAD_PATH
    idle_ms = session.thresholds.idle_minutes * MINUTE_MS
    while step := (yield):
        gap_ms, rest_ms = session.intervals.gap_ms, session.intervals.rest_ms
        if gap_ms is None:
            continue
        if step.before.life is Life.ENDED or gap_ms > idle_ms:
            return
        if rest_ms > limit * MINUTE_MS and step.event.type != "sessionEnd":
            message = f"{name_of(step.event)}: {path} has not moved for {rest_ms / MINUTE_MS:.1f} minutes"
            message += f"; expected {format_number(limit)} at most: the session had expired"
            report(EXPIRED_STALLED.hit(step.event, message, path))
            return
