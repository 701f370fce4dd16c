"""A background writer: a thread that prepares and writes lines, and a backlog in memory.

A response is held until its exchange is written, so that every call that a player saw answered is in the recording even
if tapehead is killed. That wait is bounded: where the disk is slower than `TIMEOUT_SECONDS`, or refuses, responses go
out at once, and exchanges wait in memory, up to a limit, until the disk takes them. Those beyond the limit are lost.
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from tapehead.errors import TapeheadError
from tapehead.recording.recorder_settings import Sync
from tapehead.recording.rotation import RotatingFile
from tapehead.text import count_of

TIMEOUT_SECONDS = 0.5
RETRY_SECONDS = 0.5
SYNC_SECONDS = 1.0
# The time that the end of a run waits for a disk that does not respond.
CLOSE_SECONDS = 10.0
# Lines that are written at once.
_MOST_LINES = 64
_MOST_JOBS = 256


class _Job[T](NamedTuple):
    item: T
    size: int
    stored: "asyncio.Future[None]"


class BackgroundWriter[T]:
    """Store items, one line each, in the order in which they come.

    Args:
        file: the recording.
        prepare: returns an item's line, in the writer's thread; None for an item that cannot be stored.
        warn: called with one line about each problem, in any thread.
        sync: when the disk has to confirm.
        backlog: the number of bytes that may wait in memory.

    Attributes:
        received: the number of items received.
        written: the number of items in the recording.
        unconfirmed: the number of those that the disk did not confirm.
    """

    def __init__(
        self,
        file: RotatingFile,
        prepare: Callable[[T], bytes | None],
        warn: Callable[[str], None],
        *,
        sync: Sync,
        backlog: int,
    ) -> None:
        self._file = file
        self.received = self.written = self.unconfirmed = 0
        self._prepare = prepare
        self._warn = warn
        self._sync = sync
        self._backlog = backlog
        # Bytes that came in and that went out; each is changed by one thread only.
        self._bytes_in = self._bytes_out = 0
        self._dropped = 0
        self._to_confirm = 0
        self._is_late = False
        self._is_down = False
        self._retry_at = 0.0
        self._closing = False
        self._lines: deque[bytes] = deque()
        self._jobs: queue.SimpleQueue[_Job[T] | None] = queue.SimpleQueue()
        self._syncer = Syncer(self._count_unconfirmed)
        self._thread = threading.Thread(target=self._run, name="tapehead-writer", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """The number of items that are not in the recording; exact once it is closed."""
        return self.received - self.written + self._file.removed

    # ---- On the event loop ----

    async def store(self, item: T, size: int) -> None:
        """Have an item stored, and wait for that, for `TIMEOUT_SECONDS` at most.

        Args:
            item: the item.
            size: its approximate size in memory, in bytes.
        """
        stored = self.put(item, size)
        if stored is None or self._is_late:
            return
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await stored
        except TimeoutError:
            if not self._is_late:
                self._is_late = True
                self._warn(
                    f"{self._file.path}: the disk is slow; responses no longer wait for it, and exchanges wait in "
                    f"memory until it has caught up"
                )

    def put(self, item: T, size: int) -> "asyncio.Future[None] | None":
        """Have an item stored; return a future that is done once it is, or None if the backlog is full."""
        self.received += 1
        if self._bytes_in - self._bytes_out + size > self._backlog:
            self._dropped += 1
            return None
        self._bytes_in += size
        stored = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(item, size, stored))
        return stored

    def close(self) -> None:
        """Write the backlog, as far as the disk takes it, and close the recording."""
        self._jobs.put(None)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._file.close()

    # ---- In the thread ----

    def _run(self) -> None:
        while not self._closing:
            jobs = self._take()
            for job in jobs:
                line = self._prepare(job.item)
                self._bytes_out += job.size - (len(line) if line else 0)
                if line:
                    self._lines.append(line)
            self._flush()
            self._confirm()
            if jobs:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits
                    jobs[0].stored.get_loop().call_soon_threadsafe(finish_all, [job.stored for job in jobs])
            if not self._lines and self._jobs.empty():
                self._is_late = False

    def _take(self) -> list[_Job[T]]:
        """Return the jobs that wait; if there are none, wait for one, or until it is time to try the disk again."""
        jobs: list[_Job[T]] = []
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=RETRY_SECONDS if self._lines or self._to_confirm else None)
            while job is not None:
                jobs.append(job)
                if len(jobs) == _MOST_JOBS:
                    return jobs
                job = self._jobs.get_nowait()
            self._closing = True
        return jobs

    def _flush(self) -> None:
        """Write the lines that wait, unless the disk refused just now."""
        if self._is_down and time.monotonic() < self._retry_at and not self._closing:
            return
        try:
            while self._lines:
                lines = list(islice(self._lines, _MOST_LINES))
                self._file.append(lines)
                for line in lines:
                    self._bytes_out += len(line)
                    self._lines.popleft()
                self.written += len(lines)
                self._to_confirm += len(lines)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lines wait and are tried again
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not self._is_down:
                self._is_down, self._dropped = True, 0
                why = error if isinstance(error, TapeheadError) else f"cannot write {self._file.path}: {reason(error)}"
                self._warn(
                    f"{why}; traffic continues, but is not being recorded: exchanges wait in memory, "
                    f"up to {self._backlog:,} bytes, until the recording can be written again"
                )
        else:
            if self._is_down:
                self._is_down = False
                lost = f"; {count_of(self._dropped, 'exchange')} did not fit and LOST" if self._dropped else ""
                self._warn(f"{self._file.path} can be written again, and the exchanges in memory are in it{lost}")

    def _confirm(self) -> None:
        """Have the disk confirm what was written, as often as `sync` asks for."""
        if not self._to_confirm or self._sync is Sync.NONE:
            self._to_confirm = 0
        elif self._sync is Sync.EACH:
            self._count_unconfirmed(self._to_confirm, os_error_of(self._file.sync))
            self._to_confirm = 0
        elif self._syncer.is_due and (handle := self._file.handle()) is not None:
            self._syncer.sync(handle, self._to_confirm)
            self._to_confirm = 0

    def _count_unconfirmed(self, count: int, error: OSError | None) -> None:
        if error is None:
            return
        if not self.unconfirmed:
            self._warn(f"{self._file.path}: the disk did not confirm what was written: {reason(error)}")
        self.unconfirmed += count


def reason(error: Exception) -> str:
    """Return what an error says: the system's text, or else its type and message."""
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def os_error_of(action: Callable[[], None]) -> OSError | None:
    """Run an action; return the OSError that it raises, if any."""
    try:
        action()
    except OSError as error:
        return error
    return None


def finish_all(stored: Sequence["asyncio.Future[None]"]) -> None:
    """Finish the futures of items that are stored; on the event loop."""
    for future in stored:
        if not future.done():
            future.set_result(None)


class Syncer:
    """Have the disk confirm what was written, once a second at most, in a thread that delays no writing.

    Args:
        on_done: called with the number of lines that were to be confirmed, and the disk's error if it refused.
    """

    def __init__(self, on_done: Callable[[int, OSError | None], None]) -> None:
        self._on_done = on_done
        self._last = 0.0
        self._running = False

    @property
    def is_due(self) -> bool:
        """True if the last sync began a second ago or more, and is done."""
        return not self._running and time.monotonic() - self._last >= SYNC_SECONDS

    def sync(self, handle: int, count: int) -> None:
        """Begin to sync a descriptor, which is closed at the end."""
        self._running, self._last = True, time.monotonic()
        threading.Thread(target=self._sync, args=(handle, count), name="tapehead-sync", daemon=True).start()

    def _sync(self, handle: int, count: int) -> None:
        self._on_done(count, os_error_of(lambda: os.fdatasync(handle)))
        os.close(handle)
        self._running = False
