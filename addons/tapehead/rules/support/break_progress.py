"""The progress of an ad break: whether its ad is still within its length, and whether content went on in it."""

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.session_machine import Step
from tapehead.rules.support.thresholds import Thresholds


class BreakProgress:
    """The events of a session since its last adBreakStart or adStart.

    Args:
        thresholds: the limits in use.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._slack = thresholds.playhead_slack_seconds
        # The vendor's SDKs may open a break up to 10 seconds before its first ad.
        self._lead = thresholds.ping_gap_seconds
        self._length_slack = thresholds.ad_duration_seconds
        self._start: Event | None = None
        self._ad: Event | None = None
        self._play: Event | None = None
        self._last_ts: int | None = None
        # How long the last ad played, pauses and buffers left out, and how long the break has been open before an ad.
        self._played_ms = self._open_ms = 0
        self._is_held = self._is_in_ad = self._has_moved = False

    def add(self, step: Step) -> None:
        """Take the session's next step."""
        event, in_ad = step.event, step.before.in_ad
        elapsed_ms = max(0, event.ts - self._last_ts) if event.ts is not None and self._last_ts is not None else 0
        self._last_ts = self._last_ts if event.ts is None else event.ts
        self._open_ms += elapsed_ms
        self._played_ms += elapsed_ms if in_ad and not self._is_held else 0
        if event.type in ("adBreakStart", "adStart"):
            self._start, self._ad, self._play = event, event if event.type == "adStart" else None, None
            self._played_ms = self._open_ms = 0
            self._is_held = self._has_moved = False
        elif event.type in ("pauseStart", "bufferStart"):
            self._is_held = True
        elif event.type == "play":
            self._is_held = False
            self._play = self._play if in_ad else event
        self._has_moved = self._has_moved or self._moves(event, in_ad=in_ad)
        self._is_in_ad = in_ad if event.type == "sessionEnd" else step.after.in_ad

    def _moves(self, event: Event, *, in_ad: bool) -> bool:
        """Return whether an event shows that content goes on: its playhead moved where no ad can play any more."""
        start = self._start
        if start is None or start.playhead is None or event.playhead is None:
            return False
        slack = self._slack if self._ad else self._lead
        return event.playhead > start.playhead + slack and not (in_ad and self._is_within_length)

    @property
    def _is_within_length(self) -> bool:
        """True while the last ad has played no longer than it is; true, too, if its length is unknown."""
        length = self._ad.number(keys.AD_LENGTH) if self._ad else None
        return length is None or self._played_ms / 1000 <= length + self._length_slack

    def grade(self) -> Severity:
        """Return the grade of a session that ends here and leaves the break, or its ad, open."""
        plays_ms = self._last_ts - self._play.ts if self._play and self._play.ts and self._last_ts else 0
        if self._has_moved or plays_ms > self._slack * 1000:
            return Severity.ERROR
        waits = self._ad is None and self._open_ms <= self._lead * 1000
        leaves = self._is_within_length if self._is_in_ad else waits
        return Severity.INFO if leaves else Severity.WARNING
