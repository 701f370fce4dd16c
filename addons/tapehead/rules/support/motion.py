"""The motion of a session's playhead while main content plays."""

from typing import NamedTuple

from tapehead.protocol.events import LIVE_LENGTH, Event
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Life, Playback

# The longest time after a resumed playback until the next event: a ping's interval, and a second.
_RESUMED_SECONDS = 11
# Rounded playheads of one position differ by so many seconds.
_SAME_POSITION = 1


class Stretch(NamedTuple):
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
    """

    def __init__(self, *, may_be_live: bool) -> None:
        self._may_be_live = may_be_live
        self._anchor: Event | None = None
        self._elapsed_ms = 0
        self._last_playhead: float | None = None
        self._resumed = False
        self.stretch: Stretch | None = None

    @property
    def goes_on(self) -> bool:
        """True if the next event may end a stretch."""
        return self._anchor is not None

    def add(self, step: Step, gap_ms: int | None) -> None:
        """Take the session's next step, `gap_ms` after the one before; None if it is passed over."""
        self.stretch = None
        if gap_ms is None:
            # A clock that was set back says nothing of the time that passed.
            self._anchor = self._anchor if step.event.ts is None else None
            return
        event, played = step.event, plays_content(step.before)
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
        if not plays_content(step.after) or event.type == "error":
            self._anchor = None
        elif playhead is not None and step.before.in_main_content:
            self._anchor, self._elapsed_ms = event, 0
            stood = self._last_playhead is not None and abs(playhead - self._last_playhead) <= _SAME_POSITION
            self._resumed = stood and (self._resumed or not played)
        self._last_playhead = self._last_playhead if playhead is None else playhead
