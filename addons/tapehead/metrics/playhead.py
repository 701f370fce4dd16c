"""What of the content was seen: unique time, progress markers, the segment, and where the playhead stood still.

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
        """The length of the union."""
        return sum(end - start for start, end in zip(self._starts, self._ends, strict=True))

    def __contains__(self, point: float) -> bool:
        index = bisect_left(self._ends, point)
        return index < len(self._starts) and self._starts[index] <= point


class PlayheadTracker:
    """What was seen of the content, from the playheads of one session.

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
            self._view(self._left, playhead, self._left_ms / 1000)
        self.move(playhead)

    def move(self, playhead: float | None) -> None:
        """Note that the playhead is at `playhead` after time in which no content played."""
        if playhead is not None:
            self._left, self._left_ms = playhead, 0

    def _view(self, start: float, end: float, elapsed: float) -> None:
        jumped = end - start > TOP_SPEED * elapsed + SLACK_S
        if not jumped or self._assume.unique_jump == "all":
            self._intervals.add(start, end)
        elif self._assume.unique_jump == "clock":
            self._intervals.add(start, start + elapsed)

    def unique_time(self) -> float:
        """Seconds of different content that were viewed."""
        return self._intervals.total()

    def passed(self, length: float | None) -> list[int]:
        """The progress markers, in percent, that content of `length` seconds has passed; none without a length."""
        if not length or length < 0 or self._first is None:
            return []
        return [percent for percent in MARKERS if self._reached(length * percent / 100)]

    def _reached(self, threshold: float) -> bool:
        if self._assume.marker_jump == "viewed":
            return threshold in self._intervals
        return self._highest >= threshold

    def segment(self, *, live: bool) -> str | None:
        """The range of playheads in steps of five minutes, such as `[0-5]`; None if there was none.

        Args:
            live: whether to count from the first playhead instead of from zero.
        """
        if self._first is None:
            return None
        origin = self._first if live else 0.0
        low = floor((self._lowest - origin) / SEGMENT_S)
        high = max(ceil((self._highest - origin) / SEGMENT_S), low + 1)
        return f"[{low * SEGMENT_S // 60}-{high * SEGMENT_S // 60}]"


class StallDetector:
    """Where the playhead of main content stood still over several events in a row.

    Theory. Three events with one playhead are two spans without movement in a row, so spans are counted. A stall is
    known only at its last span, when the earlier ones have been credited as played: they wait here, and are taken
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
        self._spans = 0
        self._since_ms = 0
        self._waiting.clear()

    def freeze(self, elapsed_ms: int, clocks: tuple[Clock, ...]) -> None:
        """Note a span in which the playhead stood still.

        Args:
            elapsed_ms: how long.
            clocks: what it was credited to, and is taken back from if it proves to be a stall.
        """
        if self._spans >= self._needed:
            self._take_back(elapsed_ms, clocks)
            return
        self._waiting.append((elapsed_ms, clocks))
        self._since_ms += elapsed_ms
        if self._since_ms < self._shortest_ms:
            return
        self._since_ms = 0
        self._spans += 1
        if self._spans == self._needed:
            self._begin()

    def _begin(self) -> None:
        self.count += 1
        if self._from_first:
            for elapsed_ms, clocks in self._waiting:
                self._take_back(elapsed_ms, clocks)
        self._waiting.clear()

    def _take_back(self, elapsed_ms: int, clocks: tuple[Clock, ...]) -> None:
        self.time_ms += elapsed_ms
        for clock in clocks:
            clock.ms -= elapsed_ms
