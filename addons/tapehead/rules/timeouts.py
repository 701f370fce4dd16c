"""Timeouts of the back end: silence, content that does not move, sessions that are too long."""

from collections.abc import Iterator

from tapehead.protocol.transitions import Life
from tapehead.rules.support.intervals import HOUR_MS, MINUTE_MS, Gap, gaps, rests
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of

_PLAYHEAD = "playerTime.playhead"


def check_stalled(case: SessionView) -> Iterator[RuleHit]:
    """expired-stalled: the first event after the timeout without movement; the sessionEnd that ends it is in time."""
    thresholds = case.thresholds
    limit = thresholds.stalled_minutes
    idle_ms = thresholds.idle_minutes * MINUTE_MS
    for gap, rest in zip(gaps(case), rests(case), strict=True):
        event = rest.step.event
        if rest.step.before.life is Life.ENDED or gap.ms > idle_ms:
            return
        if rest.ms > limit * MINUTE_MS and event.type != "sessionEnd":
            message = f"{name_of(event)}: {_PLAYHEAD} has not moved for {rest.ms / MINUTE_MS:.1f} minutes"
            yield RuleHit(
                "expired-stalled", event, f"{message}; expected {limit:g} at most: the session had expired", _PLAYHEAD
            )
            return


def check_idle(case: SessionView) -> Iterator[RuleHit]:
    """expired-idle: the first gap that the back end's timeout falls into."""
    limit = case.thresholds.idle_minutes
    for gap in gaps(case):
        if is_idle(case, gap):
            message = (
                f"{name_of(gap.step.event)}: {gap.ms / MINUTE_MS:.1f} minutes of ts after the event before it; "
                f"expected {limit:g} at most: the session had expired"
            )
            yield RuleHit("expired-idle", gap.step.event, message, "playerTime.ts")
            return


def is_idle(case: SessionView, gap: Gap) -> bool:
    """Return whether the back end closed the session within `gap`."""
    life, too_long = gap.step.before.life, gap.ms > case.thresholds.idle_minutes * MINUTE_MS
    # Content that is over may rest: a sessionEnd long after it loses nothing.
    rests = life is Life.COMPLETED and gap.step.event.type == "sessionEnd"
    return too_long and life is not Life.ENDED and not rests


def check_length(case: SessionView) -> Iterator[RuleHit]:
    """session-too-long: the first event beyond 24 hours; the sessionEnd of an SDK that restarts then is in time."""
    hours = case.thresholds.session_hours
    first = next((step.event.ts for step in case.steps if step.event.ts is not None), None)
    for step in case.steps:
        ts = step.event.ts
        if first is None or ts is None or step.before.life is Life.ENDED:
            continue
        allowed = hours * HOUR_MS + (MINUTE_MS if step.event.type == "sessionEnd" else 0)
        if ts - first > allowed:
            message = f"{name_of(step.event)}: {(ts - first) / HOUR_MS:.1f} hours after the first event"
            yield RuleHit("session-too-long", step.event, f"{message}; expected {hours:g} at most", "playerTime.ts")
            return


CHECKS = (check_idle, check_length, check_stalled)
