"""Restarts of child processes that end: when the next one starts, and how the last one ended, in words."""

import signal
import time

# The pause before another process takes the place of one that ended. It doubles, up to the last, while they end soon.
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 30.0
YOUNG_SECONDS = 60.0


class RestartPauses:
    """The pauses before each of several processes, of which one follows the other.

    Attributes:
        was_young: whether the latest process that ended had not run for long.
    """

    def __init__(self) -> None:
        self.was_young = False
        self._next = FIRST_PAUSE_SECONDS
        self._started = time.monotonic()

    def note_start(self) -> None:
        """Take note that a process starts."""
        self._started = time.monotonic()

    def after_end(self) -> float:
        """Return the pause after the process that has just ended, in seconds."""
        self.was_young = time.monotonic() - self._started < YOUNG_SECONDS
        pause = self._next if self.was_young else FIRST_PAUSE_SECONDS
        self._next = min(2 * pause, LAST_PAUSE_SECONDS)
        return pause


def describe_exit(code: int | None) -> str:
    """Return how a process ended, in words, given its code; that of a signal is negative, None is unknown."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
