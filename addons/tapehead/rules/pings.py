"""Rules on pings: too few, and too many."""

from collections.abc import Iterator
from itertools import pairwise

from tapehead.protocol.transitions import Life
from tapehead.rules.support.intervals import Gap, gaps
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of
from tapehead.rules.timeouts import is_idle

_TIMES_IN_A_ROW = 3


def check_pings(case: SessionView) -> Iterator[RuleHit]:
    """ping-gap: each row of gaps that are too long, until the session ends or expires."""
    thresholds = case.thresholds
    limit = thresholds.downloaded_ping_gap_seconds if case.downloaded else thresholds.ping_gap_seconds
    row: list[Gap] = []
    for gap in gaps(case):
        if is_idle(case, gap):
            break
        if gap.ms > limit * 1000 and gap.step.before.life is Life.OPEN:
            row.append(gap)
        elif row:
            yield _missed(row, limit)
            row = []
    if row:
        yield _missed(row, limit)


def _missed(row: list[Gap], limit: float) -> RuleHit:
    event, more = row[0].step.event, ""
    if len(row) > 1:
        more = f", the first of {len(row)} such gaps in a row, the longest {max(gap.ms for gap in row) / 1000:.1f} s"
    message = f"{name_of(event)}: {row[0].ms / 1000:.1f} s of ts without an event before it{more}"
    return RuleHit("ping-gap", event, f"{message}; expected {limit:g} s at most", "playerTime.ts")


def check_flood(case: SessionView) -> Iterator[RuleHit]:
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
            yield RuleHit("ping-flood", later.event, message, "playerTime.ts")
        flooding = hasty or (quick > 0 and (flooding or quick >= _TIMES_IN_A_ROW))


def _ads_between(case: SessionView) -> dict[int, int]:
    """For each event, how often a break or an ad began or ended before it."""
    count, counted = 0, {}
    for step in case.steps:
        count += step.before.in_main_content != step.after.in_main_content
        counted[step.event.index] = count
    return counted


CHECKS = (check_pings, check_flood)
