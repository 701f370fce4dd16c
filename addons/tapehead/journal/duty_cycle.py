"""The pace of background work: it must not take the interpreter away from a thread that answers calls."""

import time
from collections.abc import Callable

# Beyond this share of a core for everything else, background work takes the other share at most.
BUSY_LOAD, BUSY_SHARE = 0.7, 0.08
WINDOW_SECONDS = 0.1
# The longest pause after one piece of work.
MOST_SECONDS = 2.0


class DutyCycle:
    """The pauses of a thread that works in the background, by the load of the process.

    Args:
        wall: returns the time, in seconds.
        process: returns the processor time of the process, in seconds.
        own: returns the processor time of the thread, which calls all methods, in seconds.

    Attributes:
        is_busy: whether the rest of the process uses more than `BUSY_LOAD` of a core.
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

    def pause(self) -> float:
        """Return the seconds for which the thread has to pause now, after some work."""
        now, own = self._wall(), self._own()
        if now - self._since >= WINDOW_SECONDS:
            used = self._process()
            others = (used - self._used) - (own - self._worked)
            self.is_busy = others > BUSY_LOAD * (now - self._since)
            self._since, self._used, self._worked = now, used, own
        work, self._paid = own - self._paid, own
        return min(work * (1 - BUSY_SHARE) / BUSY_SHARE, MOST_SECONDS) if self.is_busy else 0.0


def give_way() -> None:
    """Let another thread have the interpreter, if one wants it."""
    time.sleep(0)
