"""Intervals of a session: the gaps between its events, and the rests of its playhead."""

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.rules.support.thresholds import Thresholds

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Intervals:
    """The times of a session up to its current step, in milliseconds of ts.

    Of an event without a ts that can be right, it is taken to be as far from its arrival as that of the event before.

    One event whose ts lies back is passed over; a clock that was set back, so that the next one lies back, too, is
    followed.

    Attributes:
        first_ts: the first ts of the session; None as long as there was none.
        gap_ms: the time from the event before to the current one; None where the current one is passed over.
        elapsed_ms: the sum of these times.
        rest_ms: how long the playhead had not moved when the last event that was not passed over came.
        restarts: whether the session ended so that another one goes on with it, after its longest time or the longest
            rest; None before its sessionEnd. Observed: the vendor's SDKs then send sessionEnd, and repeat what is
            open in a new session.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._longest_ms = thresholds.session_hours * HOUR_MS - MINUTE_MS
        self._longest_rest_ms = (thresholds.stalled_minutes - 1) * MINUTE_MS
        self._number = 0
        self._first_arrived_ms = 0.0
        self._last: int | None = None
        self._behind: int | None = None
        self._playhead: float | None = None
        self.first_ts: int | None = None
        self.gap_ms: int | None = None
        self.elapsed_ms = self.rest_ms = 0
        self._delay_ms: float | None = None
        self.restarts: bool | None = None

    def add(self, step: Step) -> None:
        """Take the session's next step."""
        ts, playhead = step.event.ts, step.event.playhead
        self.gap_ms = None
        if ts is not None:
            self._delay_ms = step.event.arrived_ms - ts
        elif step.event.in_array or self._delay_ms is None:
            return
        else:
            ts = round(step.event.arrived_ms - self._delay_ms)
        if self.first_ts is None or self._last is None:
            self.first_ts = self._last = ts
            self._first_arrived_ms = step.event.arrived_ms
        if ts >= self._last:
            self.gap_ms = ts - self._last
            if self._number == 1 and not step.event.in_array:
                # A first ts that lies far before its arrival, where the next one does not, is wrong.
                arrivals_ms = round(step.event.arrived_ms - self._first_arrived_ms)
                is_wrong = self.gap_ms - arrivals_ms > MINUTE_MS >= step.event.arrived_ms - ts
                self.gap_ms = arrivals_ms if is_wrong else self.gap_ms
        elif self._behind is None:
            self._behind = ts
            return
        else:
            self.gap_ms = max(0, ts - self._behind)
        self.elapsed_ms += self.gap_ms
        self._last, self._behind = ts, None
        self._number += 1
        if playhead is not None and playhead != self._playhead:
            self._playhead, self.rest_ms = playhead, 0
        else:
            self.rest_ms += self.gap_ms
        if self.restarts is None and step.event.type == "sessionEnd":
            self.restarts = ts - self.first_ts >= self._longest_ms or self.rest_ms >= self._longest_rest_ms

    def skip_to(self, event: Event, count: int) -> None:
        """Take the steps of a row of pings whose playhead moves, as `steady_pings` has them, up to the one of `event`.

        Args:
            event: the event of the last one.
            count: how many they are.
        """
        if count and event.ts is not None and self._last is not None:
            self.elapsed_ms += event.ts - self._last
            self._last, self._playhead = event.ts, event.playhead
            self._number += count
