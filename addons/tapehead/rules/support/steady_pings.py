"""Rows of steady pings, of which most checks need to be sent only the first and the last.

Most events are pings while main content plays on, each a ping's interval after the one before, with a playhead that
keeps up with the clock. No rule on the order of events fails at one of them, and what checks remember of such a row is
its last ping: a check that says so (`skips_rows`) is sent the ping that a row begins with, and the last one as soon as
another event comes.
"""

from tapehead.protocol.events import LIVE_LENGTH, TEN_YEARS_MS, Event
from tapehead.protocol.session_machine import Step
from tapehead.rules.support.intervals import HOUR_MS, MINUTE_MS
from tapehead.rules.support.session_view import SessionView

# Less than what lets `two_players` believe that a playhead goes on, since a row as a whole has to go on, too.
_AHEAD_SECONDS = 1
_LEAST_SECONDS = 2
# A shorter way may be a playhead that was rounded, see `motion`.
_LEAST_MOVED = 1
# A playhead moves faster than this in a jump.
_MOST_RATE = 2


class SteadyPings:
    """The row of steady pings that a session's current step belongs to, if any.

    Args:
        session: the session, up to whose latest steps but those of a row intervals and motion go.
    """

    __slots__ = (
        "_count",
        "_fast",
        "_first",
        "_last",
        "_latest_ts",
        "_least_ms",
        "_most_ms",
        "_most_playhead",
        "_previous",
        "_session",
        "_slow",
    )

    def __init__(self, session: SessionView) -> None:
        limits = session.thresholds
        gap_seconds = limits.downloaded_ping_gap_seconds if session.downloaded else limits.ping_gap_seconds
        self._session = session
        self._least_ms = max(limits.main_ping_seconds, limits.ping_flood_seconds, _LEAST_SECONDS) * 1000
        self._most_ms = min(gap_seconds * 1000, limits.idle_minutes * MINUTE_MS)
        if min(limits.playhead_slack_seconds, limits.jump_seconds, limits.stalled_minutes) < 0:
            self._most_ms = 0.0
        self._most_playhead = min(session.length or LIVE_LENGTH, LIVE_LENGTH - 1)
        self._slow, self._fast = (1 + limits.slow_rate) / 2, min((1 + limits.fast_rate) / 2, _MOST_RATE)
        self._latest_ts = 0.0
        # The ping that the row began with, those before its last one and itself, and how many came after the first.
        self._first: Event | None = None
        self._previous: Event | None = None
        self._last: Step | None = None
        self._count = 0

    def begin(self, step: Step) -> None:
        """Begin a row with a step that was sent to all checks, if it is such a ping."""
        event, session = step.event, self._session
        intervals, motion = session.intervals, session.motion
        self._first = self._last = None
        if (
            event.type != "ping"
            or step.after is not step.before
            or step.violations
            or event.ts is None
            or event.playhead is None
            or event.playhead < 0
            or intervals.first_ts is None
            or not intervals.gap_ms
            or intervals.gap_ms > self._most_ms
            or intervals.rest_ms
            or not motion.plays_on
            # Of one ts there are other events, of which the rule on equal ones has still to be sent the end.
            or session.steps[-2].event.ts in (None, event.ts)
        ):
            return
        self._first, self._last, self._count = event, step, 0
        self._latest_ts = intervals.first_ts + session.thresholds.session_hours * HOUR_MS

    def add(self, step: Step) -> bool:
        """Take the session's next step if it belongs to the row; return whether it does."""
        first, last = self._first, self._last
        if first is None or last is None or step.after is not last.after or step.violations:
            return False
        event, before = step.event, last.event
        ts, playhead = event.ts, event.playhead
        if event.type != "ping" or ts is None or playhead is None or before.ts is None or before.playhead is None:
            return False
        ms, moved = ts - before.ts, playhead - before.playhead
        if not (self._least_ms <= ms <= self._most_ms and moved > _LEAST_MOVED and playhead <= self._most_playhead):
            return False
        seconds = ms / 1000
        if not (self._slow <= moved / seconds <= self._fast and moved <= seconds + _AHEAD_SECONDS):
            return False
        row_ms, row_moved = ts - (first.ts or 0), playhead - (first.playhead or 0)
        if ts > self._latest_ts or row_moved > row_ms / 1000 + _AHEAD_SECONDS or event.arrived_ms < 2 * TEN_YEARS_MS:
            return False
        if not self._session.minute.add_steady(seconds, moved):
            return False
        self._previous, self._last = before, step
        self._count += 1
        return True

    def end(self) -> Step | None:
        """End the row, and bring intervals and motion up to its last step; return that, unless it is the first."""
        last, previous, count = self._last, self._previous, self._count
        self._first = self._last = self._previous = None
        self._count = 0
        if not (count and last and previous):
            return None
        intervals, motion = self._session.intervals, self._session.motion
        intervals.skip_to(previous, count - 1)
        motion.skip_to(previous, count - 1)
        intervals.add(last)
        motion.add(last, intervals.gap_ms)
        return last
