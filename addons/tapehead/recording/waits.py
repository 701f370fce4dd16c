"""Waits of one bound for futures, with one timer for all of them: a timer for each call costs more than its wait."""

import asyncio
from collections import deque
from collections.abc import Callable


class BoundedWaits:
    """Waits that end with their future, or when they have taken too long.

    Args:
        seconds: the longest time that one waits.
        on_late: called on the event loop for each one that ends without its future.
    """

    def __init__(self, seconds: float, on_late: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_late = on_late
        # In the order of their deadlines; those that are done meanwhile stay until the timer comes to them.
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end_in_time(self, future: "asyncio.Future[None]") -> "asyncio.Future[None]":
        """Return a future that is to be waited for, and is done in time in any case."""
        loop = future.get_loop()
        if self._loop is not loop:  # the first one, or all were done
            self._waiting.clear()
            self._loop = loop
            loop.call_later(self._seconds, self._end_late, loop)
        self._waiting.append((loop.time() + self._seconds, future))
        return future

    def _end_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the waits that have taken too long, and come again when the next one would have."""
        if self._loop is not loop:
            return
        now, waiting = loop.time(), self._waiting
        while waiting and (waiting[0][1].done() or waiting[0][0] <= now):
            _, future = waiting.popleft()
            if not future.done():
                try:
                    self._on_late()  # first, so that it is said before an answer goes out that is not recorded yet
                finally:
                    future.set_result(None)
        if waiting:
            loop.call_at(waiting[0][0], self._end_late, loop)
        else:
            self._loop = None
