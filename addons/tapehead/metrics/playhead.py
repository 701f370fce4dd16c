"""The content that was viewed: unique time, progress markers, the segment, and where the playhead stood still.

Playheads are seconds into the content; durations are milliseconds of the session's clock. Everything here looks at
main content only: the playhead of an ad says nothing of it.
"""

from bisect import bisect_left, bisect_right
from math import ceil, floor

from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.timers import Clock

MARKERS = (10, 25, 50, 75, 95)
SEGMENT_S = 300
# A playhead may run at double speed, and by a second more, since players round it to whole seconds.
TOP_SPEED = 2
SLACK_S = 1
BURST_MS = 1000
DAY_S = 86_400
# How far viewers can seek in a live stream.
LIVE_WINDOW_S = 2 * 3600


class DayClock:
    """Playheads that are seconds of the day, counted on over midnight.

    A step of a playhead that is a day off the clock went over midnight. Seeks in a live stream move it off the clock,
    too, but by far less.
    """

    def __init__(self) -> None:
        self._days_s = 0
        self._last: float | None = None
        self._last_ms = 0

    def unwrap(self, playhead: float, now_ms: int) -> float:
        """Return a playhead at `now_ms`, in seconds since the first day's midnight."""
        if self._last is not None:
            expected = self._last + (now_ms - self._last_ms) / 1000
            for days_s in (self._days_s + DAY_S, self._days_s - DAY_S):
                if abs(playhead + days_s - expected) <= LIVE_WINDOW_S:
                    self._days_s = days_s
        self._last, self._last_ms = playhead + self._days_s, now_ms
        return self._last


class Intervals:
    """A union of intervals of numbers, as it grows. Memory goes by the number of separate pieces."""

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []

    def add(self, start: float, end: float) -> None:
        """Include everything from `start` to `end`; nothing if `end` is not beyond `start`."""
        if end <= start:
            return
        first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def total(self) -> float:
        """Return the length of the union."""
        return sum((end - start for start, end in zip(self._starts, self._ends, strict=True)), 0.0)

    def __contains__(self, point: float) -> bool:
        index = bisect_left(self._ends, point)
        return index < len(self._starts) and self._starts[index] <= point


class PlayheadTracker:
    """The content that was viewed in one session, from its playheads.

    Args:
        assume: what to do where the playhead jumps.
    """

    def __init__(self, assume: Assumptions) -> None:
        self._assume = assume
        self._intervals = Intervals()
        self._left: float | None = None
        self._left_ms = 0
        self._first: float | None = None
        self._lowest = 0.0
        self._highest = 0.0

    def see(self, playhead: float | None) -> None:
        """Note the playhead of an event of main content, playing or not."""
        if playhead is None:
            return
        if self._first is None:
            self._first = self._lowest = self._highest = playhead
        self._lowest = min(self._lowest, playhead)
        self._highest = max(self._highest, playhead)

    def play(self, playhead: float | None, elapsed_ms: int) -> None:
        """Note that content played for `elapsed_ms` up to an event at `playhead` (None: it does not say)."""
        self._left_ms += elapsed_ms
        if playhead is None:
            return
        if self._left is not None:
            elapsed = self._left_ms / 1000
            jumped = playhead - self._left > TOP_SPEED * elapsed + SLACK_S
            if not jumped or self._assume.unique_jump == "all":
                self._intervals.add(self._left, playhead)
            elif self._assume.unique_jump == "clock":
                self._intervals.add(self._left, self._left + elapsed)
        self.move(playhead)

    def move(self, playhead: float | None) -> None:
        """Note that the playhead is at `playhead` after time in which no content played."""
        if playhead is not None:
            self._left, self._left_ms = playhead, 0

    def is_at(self, playhead: float) -> bool:
        """Return whether the last event was at a playhead."""
        return self._left == playhead and not self._left_ms

    def unique_time(self) -> float:
        """Return how many seconds of different content were viewed."""
        return self._intervals.total()

    def passed(self, length: float | None) -> list[int]:
        """Return the progress markers, in percent, that content of `length` seconds passed; none without a length."""
        if not length or length < 0 or self._first is None:
            return []
        marks = {percent: length * percent / 100 for percent in MARKERS}
        if self._assume.marker_jump == "viewed":
            return [percent for percent, at in marks.items() if at in self._intervals]
        return [percent for percent, at in marks.items() if self._highest >= at]

    def segment(self, *, relative: bool) -> str | None:
        """Return the range of playheads in steps of five minutes, such as `[0-5]`; None if there was none.

        Args:
            relative: whether to count from the lowest playhead instead of from zero.
        """
        if self._first is None:
            return None
        origin = self._lowest if relative else 0.0
        low = floor((self._lowest - origin) / SEGMENT_S)
        high = max(ceil((self._highest - origin) / SEGMENT_S), low + 1)
        return f"[{low * SEGMENT_S // 60}-{high * SEGMENT_S // 60}]"


class StallDetector:
    """The stalls of a session: main content whose playhead stood still over several events in a row.

    Theory. Three events with one playhead are two rests in a row, so rests are counted. A stall is
    known only at its last rest, when the earlier ones have been credited as played: they wait here, and are taken
    back from the clocks that were credited, so that no time counts twice.

    Args:
        assume: how many events make a stall, and from where it lasts.

    Attributes:
        count: how many stalls there were.
        time_ms: how long they lasted.
    """

    def __init__(self, assume: Assumptions) -> None:
        self._needed = 2 if assume.stall_after == "3-playheads" else 3
        self._shortest_ms = BURST_MS if assume.stall_bursts == "ignored" else 0
        self._from_first = assume.stall_from == "first-event"
        self.count = 0
        self.time_ms = 0
        self._waiting: list[tuple[int, tuple[Clock, ...]]] = []
        self.end()

    def end(self) -> None:
        """Note that the playhead moved, or that something else than content played."""
        self._rests = 0
        self._since_ms = 0
        self._waiting.clear()

    @property
    def is_stalled(self) -> bool:
        """True in a stall."""
        return self._rests >= self._needed

    def freeze(self, elapsed_ms: int, clocks: tuple[Clock, ...]) -> None:
        """Note a rest of the playhead.

        Args:
            elapsed_ms: how long.
            clocks: what it was credited to, and is taken back from if it proves to be a stall.
        """
        if self._rests >= self._needed:
            self._take_back(elapsed_ms, clocks)
            return
        self._waiting.append((elapsed_ms, clocks))
        self._since_ms += elapsed_ms
        if self._since_ms < self._shortest_ms:
            return
        self._since_ms = 0
        self._rests += 1
        if self._rests < self._needed:
            return
        self.count += 1
        if self._from_first:
            for waited_ms, credited in self._waiting:
                self._take_back(waited_ms, credited)
        self._waiting.clear()

    def _take_back(self, elapsed_ms: int, clocks: tuple[Clock, ...]) -> None:
        self.time_ms += elapsed_ms
        for clock in clocks:
            clock.ms -= elapsed_ms
