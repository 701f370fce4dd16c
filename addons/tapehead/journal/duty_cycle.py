"""The pace of background work: it must not take the interpreter away from a thread that answers calls."""

import time
from collections.abc import Callable

# Beyond this share of a core for everything else, background work takes the other share at most.
BUSY_LOAD, BUSY_SHARE = 0.7, 0.02
# So it does where the rest uses less, but keeps the thread waiting for this share of the time in which it could work:
# the thread itself, or other processes, take what the rest would use.
CONTENDED_LOAD, WAITING_SHARE = 0.25, 0.4
# The load is that of such a window; the thread pauses until none was busy for a while.
WINDOW_SECONDS, CALM_SECONDS = 0.1, 1.0
# The longest pause after one piece of work.
MOST_SECONDS = 2.0


class DutyCycle:
    """The pauses of a thread that works in the background, by the load of the process.

    Args:
        wall: returns the time, in seconds.
        process: returns the processor time of the process, in seconds.
        own: returns the processor time of the thread, which calls all methods, in seconds.

    Attributes:
        is_busy: whether the rest of the process has so much to do that the thread has to pause.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.perf_counter,
        process: Callable[[], float] = time.process_time,
        own: Callable[[], float] = time.thread_time,
    ) -> None:
        self._wall, self._process, self._own = wall, process, own
        self.is_busy = False
        self.start()

    def start(self) -> None:
        """Begin to measure, in the thread that works."""
        self._since, self._used, self._worked = self._wall(), self._process(), self._own()
        self._paid = self._worked
        self._idle = self._calm_at = 0.0

    def note_idle(self, seconds: float) -> None:
        """Take for how long the thread had nothing to do, or paused; the rest of the time, it worked or waited."""
        self._idle += seconds

    def pause(self) -> float:
        """Return the seconds for which the thread has to pause now, after some work."""
        now, own = self._wall(), self._own()
        passed = now - self._since
        if passed >= WINDOW_SECONDS:
            used, worked = self._process(), own - self._worked
            others, active = (used - self._used) - worked, passed - self._idle
            is_kept_waiting = active - worked > WAITING_SHARE * active
            if others > BUSY_LOAD * passed or (is_kept_waiting and others > CONTENDED_LOAD * passed):
                self.is_busy, self._calm_at = True, now + CALM_SECONDS
            elif now >= self._calm_at:
                self.is_busy = False
            self._since, self._used, self._worked, self._idle = now, used, own, 0.0
        work, self._paid = own - self._paid, own
        return min(work * (1 - BUSY_SHARE) / BUSY_SHARE, MOST_SECONDS) if self.is_busy else 0.0


class NoPauses(DutyCycle):
    """The pace of a thread that others wait for, so that it never pauses."""

    def pause(self) -> float:
        """Return 0."""
        return 0.0


def give_way() -> None:
    """Let another thread have the interpreter, if one wants it."""
    time.sleep(0)
