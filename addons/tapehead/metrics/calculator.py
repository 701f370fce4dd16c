"""The metrics of one session, from its events in the order of their timestamps.

The calculator takes one event at a time and keeps none; what it keeps grows only with the separate pieces of content
that were viewed, the ads and chapters, and the different ids of errors. A missing or senseless value counts for
nothing. Whether an event was allowed where it came is for the rules; the calculator does what the reference says the
back end does with it. The theory stands in `tapehead.metrics.catalog`.
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.playhead import MARKERS, PlayheadTracker, StallDetector
from tapehead.metrics.quality import LARGEST, Quality, number_of
from tapehead.metrics.timers import Clock, Interval, Segments, States, seconds
from tapehead.protocol.backend_limits import TIMEOUTS, Timeouts
from tapehead.protocol.events import Event, names_live
from tapehead.protocol.keys import (
    AD_BREAK_SECOND,
    AD_ID,
    AD_POSITION,
    CHAPTER_INDEX,
    MEDIA_DOWNLOADED,
    MEDIA_LENGTH,
    MEDIA_PASS_AUTH,
    MEDIA_RESUME,
)
from tapehead.protocol.session_machine import UNOPENED, UNSURE, advance
from tapehead.protocol.transitions import AdBreak, Life, Playback

_MINUTE_MS = 60_000
# A stream is estimated for every half hour of media.
STREAM_MS = 30 * _MINUTE_MS
_INTERRUPTED = (Playback.PAUSED, Playback.BUFFERING)


class MetricsCalculator:
    """Calculates the metrics of one session.

    Args:
        assume: what to assume where the reference leaves it open; the defaults, if None.
        timeouts: when the back end closes the session.

    Attributes:
        elapsed_ms: from the first event to the last one that counted, in milliseconds.
        closed: whether the session ended, so that nothing more counts.
    """

    def __init__(self, assume: Assumptions | None = None, timeouts: Timeouts = TIMEOUTS) -> None:
        self._assume = assume = assume or Assumptions()
        self._idle_ms = timeouts.idle_minutes * _MINUTE_MS
        self._stalled_ms = timeouts.stalled_minutes * _MINUTE_MS
        self._with_open = assume.open_at_end == "last-event"
        self._now: int | None = None
        self._moved_at = 0
        self._playhead: float | None = None
        self._session: Mapping[str, Any] | None = None
        self._state = UNOPENED
        self._begun = False
        # The machine's playback, but for what the assumptions make of ads, errors and the end of the content.
        self._playback = Playback.STARTING
        self._failed = False
        self._pod_second: float | None = None
        self._content_started = self._completed = False
        self._content = Clock()
        self._pauses, self._buffers = Interval(), Interval()
        self._states = States()
        self._ads, self._chapters = Segments(), Segments()
        self._viewing, self._stalls, self._quality = PlayheadTracker(assume), StallDetector(assume), Quality(assume)
        self.elapsed_ms = 0
        self.closed = False

    def add(self, event: Event) -> None:
        """Take the session's next event, in the order in which the back end takes them."""
        ts = event.ts if event.ts is not None and abs(event.ts) <= LARGEST else None
        playhead = number_of(event.playhead)
        rejected = event.status is not None and event.status >= 400 and self._assume.rejected == "ignored"
        if self.closed or rejected or self._has_expired(ts):
            return
        if not self._begun:
            self._begun = True
            self._state = UNOPENED if event.type == "sessionStart" else UNSURE
        in_ad = self._ads.open is not None
        self._pass_time(self._advance(ts), playhead)
        self._quality.report(event)
        if handle := _HANDLERS.get(event.type or ""):
            handle(self, event.params)
        self._state, _ = advance(self._state, event)
        self.closed = self._state.life is Life.ENDED
        if self._content_started and not in_ad and not self._ads.open:
            self._viewing.see(playhead)
        if playhead is not None and playhead != self._playhead:
            self._playhead, self._moved_at = playhead, self._now or 0

    # ---- The clock ----

    def _has_expired(self, ts: int | None) -> bool:
        if ts is None or self._now is None or self._assume.timeouts == "ignored":
            return False
        self.closed = ts - self._now > self._idle_ms or ts - self._moved_at > self._stalled_ms
        return self.closed

    def _advance(self, ts: int | None) -> int:
        """Set the clock to `ts`, and return the milliseconds since the last event, at least 0."""
        if ts is None:
            return 0
        if self._now is None:
            self._now = self._moved_at = ts
        elapsed_ms = max(ts - self._now, 0)
        self._now += elapsed_ms
        self.elapsed_ms += elapsed_ms
        return elapsed_ms

    def _pass_time(self, elapsed_ms: int, playhead: float | None) -> None:
        """Credit the time before an event to what went on in it; `playhead` is the event's."""
        ad = self._ads.open
        playing = self._playback is Playback.PLAYING and not self._failed
        starting = self._playback is Playback.STARTING and self._assume.ad_without_play == "counted"
        plays_ad = ad is not None and (playing or (starting and not self._failed))
        in_gap = self._state.in_break and self._assume.break_gap == "excluded"
        plays_content = playing and ad is None and not in_gap
        self._quality.pass_time(elapsed_ms, played=plays_ad or plays_content)
        for interval in (self._pauses, self._buffers, *self._states.intervals()):
            interval.pass_time(elapsed_ms)
        chapter = self._chapters.open
        if ad:
            self._stalls.end()
            if plays_ad:
                ad.ms += elapsed_ms
                if chapter and self._assume.chapter_ads == "counted":
                    chapter.ms += elapsed_ms
        elif plays_content:
            clocks = (self._content, chapter) if chapter else (self._content,)
            for clock in clocks:
                clock.ms += elapsed_ms
            self._viewing.play(playhead, elapsed_ms)
            self._note_rest(elapsed_ms, playhead, clocks)
        else:
            self._viewing.move(playhead)
            if self._assume.stall_paused == "counted" and self._playback in _INTERRUPTED:
                self._note_rest(elapsed_ms, playhead, ())
            else:
                self._stalls.end()

    def _note_rest(self, elapsed_ms: int, playhead: float | None, clocks: tuple[Clock, ...]) -> None:
        """Note whether the playhead stood still for a time that was credited to `clocks`."""
        if playhead is not None and playhead == self._playhead:
            self._stalls.freeze(elapsed_ms, clocks)
        else:
            self._stalls.end()

    # ---- The events ----

    def _start(self, params: Mapping[str, Any]) -> None:
        if self._session is None:
            self._session = params

    def _play(self, _params: Mapping[str, Any]) -> None:
        blocked = {"outside-ads": self._ads.open is not None, "outside-breaks": self._state.in_break, "anywhere": False}
        self._content_started |= not blocked[self._assume.content_play]
        self._settle(Playback.PLAYING)

    def _settle(self, playback: Playback) -> None:
        self._playback, self._failed = playback, False
        self._pauses.end()
        self._buffers.end()

    def _pause(self, _params: Mapping[str, Any]) -> None:
        self._playback, self._failed = Playback.PAUSED, False
        self._pauses.begin()
        self._buffers.end()

    def _buffer(self, _params: Mapping[str, Any]) -> None:
        self._playback, self._failed = Playback.BUFFERING, False
        self._buffers.begin()
        if self._assume.pause_until == "any-change":
            self._pauses.end()

    def _fail(self, _params: Mapping[str, Any]) -> None:
        self._failed = self._assume.error_span == "excluded"

    def _complete(self, _params: Mapping[str, Any]) -> None:
        self._completed = True
        if self._assume.after_complete == "stopped":
            self._settle(Playback.STARTING)

    def _begin_break(self, params: Mapping[str, Any]) -> None:
        self._pod_second = number_of(params.get(AD_BREAK_SECOND))

    def _begin_ad(self, params: Mapping[str, Any]) -> None:
        # Outside a break the back end ignores ads, and their time is content (reference: ad break start).
        if self._state.ad_break is AdBreak.CLOSED:
            return
        named, position = params.get(AD_ID), number_of(params.get(AD_POSITION))
        names = {"ad": named if isinstance(named, str) else None, "pod_second": self._pod_second}
        self._ads.begin(names | {"pod_position": position})
        if self._assume.ad_while_paused == "counted" and self._playback in _INTERRUPTED:
            self._settle(Playback.PLAYING)

    # ---- The result ----

    def result(self) -> dict[str, Any]:
        """Return the metrics as of now, ready for JSON: the keys of `metrics.catalog.METRICS`, in its order.

        Besides those of the session, `ads` and `chapters` list one object each, in the order of their starts, and
        `states` has one by name. A value that does not exist, such as an average of nothing, is None.
        """
        with_open = self._with_open
        return {
            **self._content_values(),
            **self._ads.values("ad", with_open=with_open),
            **self._chapters.values("chapter", with_open=with_open),
            "drops_before_start": int(not self._content_started),
            **self._quality.values(),
            "buffer_events": self._buffers.count,
            "buffer_impacted_streams": int(self._buffers.count > 0),
            "total_buffer_duration": seconds(self._buffers.total_ms(with_open=with_open)),
            "stall_events": self._stalls.count,
            "stall_impacted_streams": int(self._stalls.count > 0),
            "total_stalling_duration": seconds(self._stalls.time_ms),
            "ads": self._ads.rows("ad", with_open=with_open),
            "chapters": self._chapters.rows("chapter", with_open=with_open),
            "states": self._states.rows(with_open=with_open),
        }

    def _content_values(self) -> dict[str, Any]:
        session = self._session or {}
        length = number_of(session.get(MEDIA_LENGTH))
        audience = self._content.ms / 1000 / length if length else 0.0
        resumed = session.get(MEDIA_RESUME) is True
        authorized = session.get(MEDIA_PASS_AUTH)
        passed = self._viewing.passed(length)
        media_ms = self._content.ms + self._ads.total_ms(with_open=self._with_open)
        return {
            "media_starts": int(self._session is not None and not (resumed and self._assume.resume == "resumes-only")),
            "content_starts": int(self._content_started),
            "content_completes": int(self._completed),
            "content_resumes": int(resumed),
            "content_time_spent": seconds(self._content.ms),
            "media_time_spent": seconds(media_ms),
            "unique_time_played": round(self._viewing.unique_time(), 3),
            "average_minute_audience": round(audience, 4) if length and isfinite(audience) else None,
            **{f"progress_{percent}": int(percent in passed) for percent in MARKERS},
            "content_segment_views": int(self._content_started),
            "content_segment": self._viewing.segment(live=names_live(session)),
            "pause_events": self._pauses.count,
            "paused_impacted_streams": int(self._pauses.count > 0),
            "total_pause_duration": seconds(self._pauses.total_ms(with_open=self._with_open)),
            "estimated_streams": media_ms // STREAM_MS + 1,
            "authorized": int(isinstance(authorized, str) and authorized.lower() == "true"),
            "media_downloaded": "true" if session.get(MEDIA_DOWNLOADED) is True else None,
        }


_HANDLERS: dict[str, Callable[[MetricsCalculator, Mapping[str, Any]], None]] = {
    "sessionStart": MetricsCalculator._start,
    "play": MetricsCalculator._play,
    "pauseStart": MetricsCalculator._pause,
    "bufferStart": MetricsCalculator._buffer,
    "error": MetricsCalculator._fail,
    "sessionComplete": MetricsCalculator._complete,
    "adBreakStart": MetricsCalculator._begin_break,
    "adBreakComplete": lambda session, _: session._ads.end(completed=False),
    "adStart": MetricsCalculator._begin_ad,
    "adComplete": lambda session, _: session._ads.end(completed=True),
    "adSkip": lambda session, _: session._ads.end(completed=False),
    "chapterStart": lambda session, params: session._chapters.begin({"chapter": number_of(params.get(CHAPTER_INDEX))}),
    "chapterComplete": lambda session, _: session._chapters.end(completed=True),
    "chapterSkip": lambda session, _: session._chapters.end(completed=False),
    "stateStart": lambda session, params: session._states.begin(params),
    "stateEnd": lambda session, params: session._states.end(params),
    "statesUpdate": lambda session, params: session._states.update(params),
}


def calculate(
    events: Iterable[Event], assume: Assumptions | None = None, timeouts: Timeouts = TIMEOUTS
) -> dict[str, Any]:
    """Return the metrics of one session.

    Args:
        events: its events in the order in which the back end takes them.
        assume: as for `MetricsCalculator`.
        timeouts: as for `MetricsCalculator`.
    """
    calculator = MetricsCalculator(assume, timeouts)
    for event in events:
        calculator.add(event)
    return calculator.result()
