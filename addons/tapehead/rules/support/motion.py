"""The motion of a session's playhead while main content plays."""

import msgspec

from tapehead.protocol.events import LIVE_LENGTH, Event
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback
from tapehead.rules.support.thresholds import Thresholds

# The longest time after a resumed playback until the next event: a ping's interval, and a second.
_RESUMED_SECONDS = 11
# Rounded playheads of one position differ by so many seconds.
_SAME_POSITION = 1
MINUTE_S = 60


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """The time between two events of main content that played all the while.

    Attributes:
        earlier: the event that it begins with.
        seconds: how long it took by the clock.
        moved: by how many seconds the playhead moved.
        resumed: whether playback began or went on with `earlier`, a moment ago, and the playhead there is still the one
            from before. Observed: the vendor's SDKs send 0 until the app has named a position, and on some devices read
            it once a second, so that the event after a seek still has the old one.
    """

    earlier: Event
    seconds: float
    moved: float
    resumed: bool = False

    @property
    def rate(self) -> float:
        """The seconds of content in a second of the clock."""
        return self.moved / self.seconds if self.seconds else 0.0


def plays_content(state: State) -> bool:
    """Return whether main content plays in `state`."""
    return state.playback is Playback.PLAYING and state.life is Life.OPEN and state.is_surely_in_main_content


class Motion:
    """The motion of the playhead up to a session's current step.

    A stretch never reaches over a pause, a buffer, an ad or an error: what the playhead did there says nothing.

    Args:
        may_be_live: whether playheads may be seconds of the day, which begin anew at midnight.

    Attributes:
        stretch: the stretch that the current event ends; None where there is none.
        played: whether main content played up to the current event.
        places: how many events of main content said where the playhead was, and when.
    """

    def __init__(self, *, may_be_live: bool) -> None:
        self._may_be_live = may_be_live
        self._anchor: Event | None = None
        self._elapsed_ms = 0
        self._last_playhead: float | None = None
        self._resumed = False
        self.stretch: Stretch | None = None
        self.played = False
        self.places = 0

    @property
    def goes_on(self) -> bool:
        """True if the next event may end a stretch."""
        return self._anchor is not None

    @property
    def plays_on(self) -> bool:
        """True if main content played up to the current event and plays on, from a playhead that is no old one."""
        return self.played and self._anchor is not None and not self._resumed

    def skip_to(self, event: Event, count: int) -> None:
        """Take the steps of a row of pings while content plays on, up to the one of `event`; see `Intervals`."""
        if count:
            self._anchor, self._elapsed_ms, self._last_playhead = event, 0, event.playhead
            self.places += count

    def add(self, step: Step, gap_ms: int | None) -> None:
        """Take the session's next step, `gap_ms` after the one before; None if it is passed over."""
        self.stretch = None
        self.played = played = plays_content(step.before)
        if step.event.playhead is not None and step.event.ts is not None and step.before.in_main_content:
            self.places += 1
        if gap_ms is None:
            # A clock that was set back says nothing of the time that passed.
            self._anchor = self._anchor if step.event.ts is None else None
            return
        event = step.event
        if not played:
            self._anchor = None
        self._elapsed_ms += gap_ms
        playhead = event.playhead
        if self._anchor and self._anchor.playhead is not None and playhead is not None:
            moved = playhead - self._anchor.playhead
            if self._may_be_live and abs(moved) > LIVE_LENGTH / 2:
                moved += LIVE_LENGTH if moved < 0 else -LIVE_LENGTH
            seconds = self._elapsed_ms / 1000
            self.stretch = Stretch(self._anchor, seconds, moved, self._resumed and seconds <= _RESUMED_SECONDS)
        plays_on = played if step.after is step.before else plays_content(step.after)
        if not plays_on or event.type == "error":
            self._anchor = None
        elif playhead is not None and step.before.in_main_content:
            self._anchor, self._elapsed_ms = event, 0
            stood = self._last_playhead is not None and abs(playhead - self._last_playhead) <= _SAME_POSITION
            self._resumed = stood and (self._resumed or not played)
        self._last_playhead = self._last_playhead if playhead is None else playhead


class Minute:
    """The minute of play in hand, for the rule on the playhead's speed.

    Args:
        limits: the limits in use.

    Attributes:
        seconds, moved: how long it is by the clock, and how far the playhead moved.
        slow, fast: the seconds of it in which the playhead was nearer to a speed that is wrong than to the clock's.
    """

    __slots__ = ("_fast_rate", "_slow_rate", "fast", "moved", "seconds", "slow")

    def __init__(self, limits: Thresholds) -> None:
        self._slow_rate, self._fast_rate = (1 + limits.slow_rate) / 2, (1 + limits.fast_rate) / 2
        self.seconds = self.moved = self.slow = self.fast = 0.0

    def begin(self) -> None:
        """Begin another minute."""
        self.seconds = self.moved = self.slow = self.fast = 0.0

    def add(self, stretch: Stretch) -> bool:
        """Take the next stretch; return whether the minute is over."""
        self.seconds += stretch.seconds
        self.moved += stretch.moved
        self.slow += stretch.seconds if stretch.rate < self._slow_rate else 0
        self.fast += stretch.seconds if stretch.rate > self._fast_rate else 0
        return self.seconds >= MINUTE_S

    def add_steady(self, seconds: float, moved: float) -> bool:
        """Take a stretch at about the clock's speed unless it ends a minute that is to be looked at; return whether."""
        together = self.seconds + seconds
        if together < MINUTE_S:
            self.seconds = together
            self.moved += moved
        elif self.slow or self.fast:
            return False
        else:
            self.begin()
        return True
