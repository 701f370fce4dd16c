"""The ad breaks of a session and their ads.

Theory. The back end counts an ad only between the two bookends of its break (reference: ad break start). Whether the
closing one comes is known only later: until then the ads of a break are counted, unless content goes on in it. Of ads
that turn out not to count, the time is main content. Where no ad is open, content plays in a break, too, but for gaps
of up to 250 ms, in which players go from one ad to the next (reference: track ads).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.quality import number_of
from tapehead.metrics.timers import Clock, Segment, Segments
from tapehead.protocol.events import Event
from tapehead.protocol.keys import AD_BREAK_INDEX, AD_BREAK_SECOND, AD_ID, AD_POSITION
from tapehead.text import format_number

# The longest time between ads that still belongs to their break.
GAP_MS = 250
# By how much the playhead of content that rests may differ, since players round it.
SLACK_S = 1
_BOOKENDS = ("adBreakStart", "adStart", "adBreakComplete")


class AdBreaks:
    """The breaks of one session.

    Args:
        assume: what to do with a break that is not closed.

    Attributes:
        ads: the ads, in their order; those of breaks that were left open are marked as ignored.
        is_ignored: whether the ads of the break in hand do not count, since content goes on in it.
    """

    def __init__(self, assume: Assumptions) -> None:
        self._ignores_open = assume.open_break == "ignored"
        self._names: dict[str, Any] = {"pod": None, "pod_second": None}
        self._is_open = False
        self._in_break: list[Segment] = []
        self._playhead: float | None = None
        self._rests_at: float | None = None
        self._gap_ms = 0
        self._gap: list[tuple[int, Iterable[Clock]]] = []
        self.ads = Segments()
        self.is_ignored = False

    def begin(self, params: Mapping[str, Any]) -> None:
        """Begin a break; one that is open is left so, and its ads count unless content went on in it."""
        if self._is_open and self._has_moved:
            self._mark(ignored=self._ignores_open)
        self._forget(is_open=True)
        index, second = number_of(params.get(AD_BREAK_INDEX)), number_of(params.get(AD_BREAK_SECOND))
        known = index is not None and second is not None
        pod = f"{format_number(index or 0)}_{format_number(second or 0)}" if known else None
        self._names = {"pod": pod, "pod_second": second}
        self._rests_at = self._playhead

    def end(self) -> None:
        """End the break in hand, with the ad that is open in it."""
        self._close_gap()
        self.ads.end(completed=False)
        self._mark(ignored=False)
        self._forget(is_open=False)

    def begin_ad(self, params: Mapping[str, Any]) -> None:
        """Begin an ad of the break in hand."""
        self._close_gap()
        named, position = params.get(AD_ID), number_of(params.get(AD_POSITION))
        self.ads.begin({"ad": named if isinstance(named, str) else None, **self._names, "pod_position": position})
        if self._is_open and self.ads.open:
            self._in_break.append(self.ads.open)
            self._mark(ignored=self.is_ignored)

    def end_ad(self, *, completed: bool) -> None:
        """End the ad that is open, if any."""
        if self.ads.open:
            self._gap_ms, self._rests_at = 0, self._playhead
        self.ads.end(completed=completed)

    def note(self, event: Event, playhead: float | None) -> None:
        """Note whether an event, which is about to be taken, shows that content goes on in the break in hand."""
        self._playhead = playhead
        if not self._is_open or self.ads.open or event.type in _BOOKENDS:
            return
        if self._rests_at is None:
            self._rests_at = playhead
        if event.type == "play" or self._has_moved:
            self.is_ignored = self._ignores_open
            self._mark(ignored=self.is_ignored)

    @property
    def _has_moved(self) -> bool:
        """True if the playhead is beyond where it rested when the break began, or its last ad ended."""
        return self._playhead is not None and self._rests_at is not None and self._playhead > self._rests_at + SLACK_S

    def pass_gap(self, elapsed_ms: int, clocks: Iterable[Clock]) -> bool:
        """Note time in a break without an ad, credited to `clocks`; return whether it may belong to the break."""
        self._gap_ms += elapsed_ms
        if self._gap_ms > GAP_MS:
            self._gap.clear()
            return False
        self._gap.append((elapsed_ms, clocks))
        return True

    def content_ms(self) -> int:
        """Return the time of the ads that do not count, which is main content."""
        return sum(ad.ms for ad in self.ads.all if ad.is_ignored)

    def chapter_ms(self, chapter: Segment) -> int:
        """Return the time of such ads in a chapter."""
        return sum(ad.within.get(chapter, 0) for ad in self.ads.all if ad.is_ignored)

    def _mark(self, *, ignored: bool) -> None:
        for ad in self._in_break:
            ad.is_ignored = ignored

    def _forget(self, *, is_open: bool) -> None:
        self._is_open, self.is_ignored = is_open, False
        self._in_break = []
        self._gap_ms = 0
        self._gap.clear()

    def _close_gap(self) -> None:
        """Take the time since the last ad back from what it was credited to, if it was short."""
        for elapsed_ms, clocks in self._gap:
            for clock in clocks:
                clock.ms -= elapsed_ms
        self._gap.clear()
