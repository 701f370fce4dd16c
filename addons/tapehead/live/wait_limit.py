"""A limit of waits: clients that wait at the same time."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# The connections that are left are for pages and other queries.
MOST_WAITS = 32


class WaitLimit:
    """The waits that are open, of which there are a limited number, and which the end of the command ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def count(self) -> int:
        """The number of open waits."""
        return len(self._tasks)

    @property
    def is_full(self) -> bool:
        """True if no further client may wait."""
        return len(self._tasks) >= MOST_WAITS

    @contextmanager
    def task[T](self, waiting: Coroutine[Any, Any, T]) -> Iterator[asyncio.Task[T]]:
        """Yield a task that waits, and is cancelled at the end of the block or of the command."""
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(waiting)
        with self._lock:
            self._tasks.add(task)
            if self._is_closed:
                task.cancel()
        try:
            yield task
        finally:
            self._tasks.discard(task)
            task.cancel()

    def close(self) -> None:
        """End all waits; called in another thread."""
        with self._lock:
            self._is_closed = True
        if self._loop:
            with suppress(RuntimeError):  # the loop is closed, so nobody waits
                self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in list(self._tasks)])
