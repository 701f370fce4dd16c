"""The metrics of one session, from its events in the order of their timestamps.

The calculator takes one event at a time and keeps none; what it keeps grows only with the separate pieces of content
that were viewed, the ads and chapters, and the different ids of errors. A missing or senseless value counts for
nothing. Whether an event was allowed where it came is for the rules; the calculator does what the reference says the
back end does with it. The theory stands in `tapehead.metrics.catalog`.

Most events are pings while content plays on. All that they do is let time pass and the playhead move, so of a row of
them the last one is counted, with the time of all.
"""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from tapehead.metrics.ad_breaks import AdBreaks
from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.playhead import MARKERS, TOP_SPEED, DayClock, PlayheadTracker, StallDetector
from tapehead.metrics.quality import LARGEST, Quality, number_of
from tapehead.metrics.timers import Clock, Interval, Rest, Segments, States, seconds, sum_rows
from tapehead.protocol.backend_limits import STALLED_MINUTES, TIMEOUTS, Timeouts
from tapehead.protocol.events import Event, counts_day
from tapehead.protocol.keys import (
    CHAPTER_INDEX,
    MEDIA_DOWNLOADED,
    MEDIA_LENGTH,
    MEDIA_PASS_AUTH,
    MEDIA_RESUME,
)
from tapehead.protocol.routes import Call
from tapehead.protocol.session_machine import UNOPENED, UNSURE, advance
from tapehead.protocol.transitions import AdBreak, Life, Playback

_MINUTE_MS = 60_000
# A stream is estimated for every half hour of media.
STREAM_MS = 30 * _MINUTE_MS
# Content that goes on after a longer rest is resumed, by the definition of content resumes.
RESUME_MS = STALLED_MINUTES * _MINUTE_MS
_INTERRUPTED = (Playback.PAUSED, Playback.BUFFERING)


class MetricsCalculator:
    """A calculator of the metrics of one session.

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
        self._longest_ms = timeouts.session_hours * 60 * _MINUTE_MS
        self._with_open = assume.open_at_end == "last-event"
        self._now: int | None = None
        self._first = self._moved_at = 0
        self._playhead: float | None = None
        self._day: DayClock | None = None
        self._session: Mapping[str, Any] | None = None
        self._state = UNOPENED
        self._begun = self._downloaded = False
        # The machine's playback, but for what the assumptions make of ads, errors and the end of the content.
        self._playback = Playback.STARTING
        self._failed = False
        self._rest = Rest()
        self._content_started = self._completed = False
        self._content = Clock()
        self._pauses, self._buffers = Interval(), Interval()
        self._states = States()
        self._breaks, self._chapters = AdBreaks(assume), Segments()
        self._viewing, self._stalls, self._quality = PlayheadTracker(assume), StallDetector(assume), Quality(assume)
        # The last ping of the row in hand, with the playhead, and whether it is still to be counted.
        self._row: tuple[int, float] | None = None
        self._row_end: Event | None = None
        self.elapsed_ms = 0
        self.closed = False

    def add(self, event: Event) -> None:
        """Take the session's next event, in the order in which the back end takes them."""
        if self._row:
            if self._extend_row(event):
                return
            self._end_row()
        before = self._state
        self._add(event)
        if event.type == "ping" and self._state is before:
            self._begin_row(event)

    def _add(self, event: Event) -> None:
        ts = event.ts if event.ts is not None and abs(event.ts) <= LARGEST else None
        playhead = number_of(event.playhead)
        rejected = event.status is not None and event.status >= 400 and self._assume.rejected == "ignored"
        if rejected or self._state.life is Life.ENDED:
            return
        if self._day and playhead is not None:
            playhead = self._day.unwrap(playhead, (self._now or 0) if ts is None else ts)
        self._rest.note(event, playhead, stalls=self._stalls.is_stalled)
        if not (self.closed or self._has_expired(ts)):
            self._count(event, ts, playhead)

    def _count(self, event: Event, ts: int | None, playhead: float | None) -> None:
        if not self._begun:
            self._begun = True
            self._state = UNOPENED if event.type == "sessionStart" else UNSURE
            self._downloaded = event.in_array or event.call is Call.DOWNLOADED
        in_ad = self._breaks.ads.open is not None
        self._breaks.note(event, playhead)
        self._pass_time(self._advance(ts), playhead)
        self._quality.report(event)
        if handle := _HANDLERS.get(event.type or ""):
            handle(self, event.params)
        self._state, _ = advance(self._state, event)
        self.closed = self._state.life is Life.ENDED
        if self._content_started and not in_ad and not self._breaks.ads.open:
            self._viewing.see(playhead)
        if playhead is not None and playhead != self._playhead:
            self._playhead, self._moved_at = playhead, self._now or 0

    # ---- Rows of pings ----

    def _begin_row(self, event: Event) -> None:
        """Begin a row with a ping that was counted, if content plays on at a playhead that moves."""
        if (
            self._playback is Playback.PLAYING
            and self._content_started
            and self._state.in_main_content
            and self._breaks.ads.open is None
            and self._day is None
            and not (self._failed or self.closed or self._stalls.is_stalled)
            and event.ts is not None
            and event.ts == self._moved_at == self._now
            and event.playhead is not None
            and event.playhead == self._playhead
            and self._viewing.is_at(event.playhead)
        ):
            self._row = event.ts, event.playhead

    def _extend_row(self, event: Event) -> bool:
        """Take the next event if it is a ping of the row; return whether it is."""
        if self._row is None or event.type != "ping" or event.params or event.quality or not event.saved:
            return False
        (last_ts, last_playhead), ts, playhead = self._row, event.ts, event.playhead
        if ts is None or playhead is None or (event.status is not None and event.status >= 400):
            return False
        ms = ts - last_ts
        if not (0 < ms <= self._idle_ms and ms <= self._stalled_ms and ts - self._first <= self._longest_ms):
            return False
        if not (0 < playhead - last_playhead <= TOP_SPEED * ms / 1000 and max(ts, playhead) <= LARGEST):
            return False
        self._row, self._row_end = (ts, playhead), event
        return True

    def _end_row(self) -> None:
        """End the row in hand: count its last ping, as far as that is to be done."""
        event, self._row, self._row_end = self._row_end, None, None
        if event:
            playhead = number_of(event.playhead)
            self._rest.note(event, playhead, stalls=False)
            self._count(event, event.ts, playhead)

    # ---- The clock ----

    def _has_expired(self, ts: int | None) -> bool:
        if ts is None or self._now is None or self._assume.timeouts == "ignored":
            return False
        rest_ms, age_ms = ts - self._moved_at, ts - self._first
        self.closed = ts - self._now > self._idle_ms or rest_ms > self._stalled_ms or age_ms > self._longest_ms
        return self.closed

    def _advance(self, ts: int | None) -> int:
        """Set the clock to `ts`, and return the milliseconds since the last event, at least 0."""
        if ts is None:
            return 0
        is_early = self._assume.before_start == "counted" and self._session is not None and not self.elapsed_ms
        if self._now is None or (is_early and ts < self._now):
            self._now = self._first = self._moved_at = ts
        elapsed_ms = max(ts - self._now, 0)
        self._now += elapsed_ms
        self.elapsed_ms += elapsed_ms
        return elapsed_ms

    def _pass_time(self, elapsed_ms: int, playhead: float | None) -> None:
        """Credit the time before an event to what went on in it; `playhead` is the event's."""
        ad, in_break = self._breaks.ads.open, self._state.in_break
        playback = None if self._failed else self._playback
        playing = playback is Playback.PLAYING
        starting = playback is Playback.STARTING and self._assume.ad_without_play == "counted"
        # Outside a break the back end ignores ads, and their time is content (reference: ad break start).
        is_stray = ad is None and self._state.in_ad
        in_gap = in_break and self._assume.break_gap == "excluded" and not self._breaks.is_ignored
        for interval in (self._pauses, self._buffers, *self._states.intervals()):
            interval.pass_time(elapsed_ms)
        if self._assume.bitrate_weight == "active":
            _credit(elapsed_ms, self._quality.weights)
        weights = self._quality.weights if self._assume.bitrate_weight == "played" else ()
        chapters = (self._chapters.open,) if self._chapters.open else ()
        if ad:
            self._stalls.end()
            if playing or starting:
                in_chapter = chapters if self._assume.chapter_ads == "counted" else ()
                _credit(elapsed_ms, (ad, *weights, *in_chapter))
                for chapter in () if in_chapter else chapters:
                    ad.within[chapter] = ad.within.get(chapter, 0) + elapsed_ms
        elif (playing or (starting and is_stray)) and not in_gap:
            clocks = (self._content, *chapters, *weights)
            _credit(elapsed_ms, clocks)
            self._viewing.play(playhead, elapsed_ms)
            if is_stray or (in_break and self._breaks.pass_gap(elapsed_ms, clocks)):
                self._stalls.end()
            else:
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
            self._day = DayClock() if counts_day(params) else None

    def _play(self, _params: Mapping[str, Any]) -> None:
        in_ad, in_break = self._breaks.ads.open is not None, self._state.in_break
        blocked = {"outside-ads": in_ad, "outside-breaks": in_break, "anywhere": False}
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

    def _begin_ad(self, params: Mapping[str, Any]) -> None:
        # Outside a break the back end ignores ads, and their time is content (reference: ad break start).
        if self._state.ad_break in (AdBreak.CLOSED, AdBreak.MISSING):
            return
        self._breaks.begin_ad(params)
        if self._assume.ad_while_paused == "counted" and self._playback in _INTERRUPTED:
            self._settle(Playback.PLAYING)

    # ---- The result ----

    def result(self) -> dict[str, Any]:
        """Return the metrics as of now, ready for JSON: the keys of `metrics.catalog.METRICS`, in its order.

        Besides those of the session, `ads` and `chapters` list one object each, in the order of their starts, and
        `states` has one by name. A value that does not exist, such as an average of nothing, is None.
        """
        self._end_row()
        with_open = self._with_open
        ads = self._breaks.ads.rows("ad", with_open=with_open, more_ms=lambda _ad: 0)
        chapters = self._chapters.rows("chapter", with_open=with_open, more_ms=self._breaks.chapter_ms)
        return {
            **self._content_values(),
            **sum_rows("ad", ads),
            **sum_rows("chapter", chapters),
            "drops_before_start": int(not self._content_started),
            **self._quality.values(),
            "buffer_events": self._buffers.count,
            "buffer_impacted_streams": int(self._buffers.count > 0),
            "total_buffer_duration": seconds(self._buffers.total_ms(with_open=with_open)),
            "stall_events": self._stalls.count,
            "stall_impacted_streams": int(self._stalls.count > 0),
            "total_stalling_duration": seconds(self._stalls.time_ms),
            "ads": ads,
            "chapters": chapters,
            "states": self._states.rows(with_open=with_open),
        }

    def _content_values(self) -> dict[str, Any]:
        session = self._session or {}
        length = number_of(session.get(MEDIA_LENGTH))
        content_ms = self._content.ms + self._breaks.content_ms()
        media_ms = content_ms + self._breaks.ads.total_ms(with_open=self._with_open)
        audience = content_ms / 1000 / length if length else 0.0
        resumed = session.get(MEDIA_RESUME) is True
        authorized = session.get(MEDIA_PASS_AUTH)
        passed = self._viewing.passed(length)
        downloaded = self._downloaded or session.get(MEDIA_DOWNLOADED) is True
        return {
            "media_starts": int(self._session is not None and not (resumed and self._assume.resume == "resumes-only")),
            "content_starts": int(self._content_started),
            "content_completes": int(self._completed),
            "content_resumes": int(resumed or self._rest.longest_ms > RESUME_MS),
            "content_time_spent": seconds(content_ms),
            "media_time_spent": seconds(media_ms),
            "unique_time_played": round(self._viewing.unique_time(), 3),
            "average_minute_audience": float(f"{audience:.9g}") if length and isfinite(audience) else None,
            **{f"progress_{percent}": int(percent in passed) for percent in MARKERS},
            "content_segment_views": int(self._content_started),
            "content_segment": self._viewing.segment(relative=counts_day(session)),
            "pause_events": self._pauses.count,
            "paused_impacted_streams": int(self._pauses.count > 0),
            "total_pause_duration": seconds(self._pauses.total_ms(with_open=self._with_open)),
            "estimated_streams": media_ms // STREAM_MS + 1,
            "authorized": int(isinstance(authorized, str) and authorized.lower() == "true"),
            "media_downloaded": "true" if downloaded else None,
            "seconds_since_last_call": self._seconds_since_last_call(),
        }

    def _seconds_since_last_call(self) -> float | None:
        """Return the time from the last event to the end of the session, by its timeouts unless it came to an end."""
        if self._completed or self._downloaded or self._state.life is Life.ENDED:
            return 0.0
        if self._now is None or self._assume.timeouts == "ignored":
            return None
        ends_at = self._now + self._idle_ms, self._moved_at + self._stalled_ms, self._first + self._longest_ms
        return max(round((min(ends_at) - self._now) / 1000, 3), 0.0)


_HANDLERS: dict[str, Callable[[MetricsCalculator, Mapping[str, Any]], None]] = {
    "sessionStart": MetricsCalculator._start,
    "play": MetricsCalculator._play,
    "pauseStart": MetricsCalculator._pause,
    "bufferStart": MetricsCalculator._buffer,
    "error": MetricsCalculator._fail,
    "sessionComplete": MetricsCalculator._complete,
    "adBreakStart": lambda session, params: session._breaks.begin(params),
    "adBreakComplete": lambda session, _: session._breaks.end(),
    "adStart": MetricsCalculator._begin_ad,
    "adComplete": lambda session, _: session._breaks.end_ad(completed=True),
    "adSkip": lambda session, _: session._breaks.end_ad(completed=False),
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


def _credit(elapsed_ms: int, clocks: Iterable[Clock]) -> None:
    for clock in clocks:
        clock.ms += elapsed_ms
