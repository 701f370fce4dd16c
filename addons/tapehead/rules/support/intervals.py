"""Intervals of a session: gaps between its events, and rests of the playhead."""

from collections.abc import Iterator
from typing import NamedTuple

from tapehead.protocol.session_machine import Step
from tapehead.rules.support.session_view import SessionView

MINUTE_MS = 60_000


HOUR_MS = 60 * MINUTE_MS


class Gap(NamedTuple):
    """The time from the event before to a step's event."""

    ms: int
    step: Step


def gaps(case: SessionView) -> Iterator[Gap]:
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


def rests(case: SessionView) -> Iterator[Rest]:
    """For each event, how long the playhead has stood still."""
    still_ms, playhead = 0, None
    for gap in gaps(case):
        moved = gap.step.event.playhead not in (None, playhead)
        playhead = gap.step.event.playhead if moved else playhead
        still_ms = 0 if moved else still_ms + gap.ms
        yield Rest(still_ms, gap.step)


def restarts(case: SessionView) -> bool:
    """Whether the session ended so that another one goes on with it: after its longest time, or the longest rest.

    Observed: the vendor's SDKs then send sessionEnd, and repeat what is open in a new session.
    """
    first = next((step.event.ts for step in case.steps if step.event.ts is not None), None)
    for rest in rests(case):
        if rest.step.event.type == "sessionEnd" and rest.step.event.ts is not None and first is not None:
            lasted_ms = rest.step.event.ts - first
            thresholds = case.thresholds
            return (
                lasted_ms >= thresholds.session_hours * HOUR_MS - MINUTE_MS
                or rest.ms >= (thresholds.stalled_minutes - 1) * MINUTE_MS
            )
    return False
