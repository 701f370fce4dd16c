"""Storing what players sent without making them wait: a thread that prepares and writes, and a backlog in memory.

An answer is held until its exchange is written, so that what a player was answered is in the recording even if tapehead
is killed. That wait has an end: where the disk is slower than `PATIENCE_SECONDS`, or refuses, answers go out at once,
and exchanges wait in memory, up to a bound, until the disk takes them. What does not fit any more is counted as lost.
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

PATIENCE_SECONDS = 0.5
RETRY_SECONDS = 0.5
SYNC_SECONDS = 1.0
# How long the end of a run waits for a disk that does not answer.
CLOSE_SECONDS = 10.0
# Lines that are written at once.
_MOST_LINES = 64
_MOST_TAKEN = 256


class _Job[T](NamedTuple):
    item: T
    size: int
    stored: "asyncio.Future[None]"


class BackgroundWriter[T]:
    """Stores items, one line each, in the order in which they come.

    Args:
        rolling: the recording.
        prepare: makes an item's line, in the writer's thread; None for an item that cannot be stored.
        warn: prints a line, in any thread.
        sync: when the disk has to confirm.
        backlog: how many bytes may wait in memory.

    Attributes:
        taken: how many items came.
        written: how many are in the recording.
        unsure: how many of them the disk did not confirm.
    """

    def __init__(
        self,
        rolling: RotatingFile,
        prepare: Callable[[T], bytes | None],
        warn: Callable[[str], None],
        *,
        sync: Sync,
        backlog: int,
    ) -> None:
        self.rolling = rolling
        self.taken = self.written = self.unsure = 0
        self._prepare = prepare
        self._warn = warn
        self._sync = sync
        self._most = backlog
        # Bytes that came and bytes that went; each is written by one thread only.
        self._came = self._went = 0
        self._dropped = 0
        self._unconfirmed = 0
        self._late = False
        self._down = False
        self._retry_at = 0.0
        self._closing = False
        self._lines: deque[bytes] = deque()
        self._jobs: queue.SimpleQueue[_Job[T] | None] = queue.SimpleQueue()
        self._syncer = _Syncer(self._doubt)
        self._thread = threading.Thread(target=self._run, name="tapehead-writer", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """How many items are not in the recording; exact once it is closed."""
        return self.taken - self.written + self.rolling.removed

    # ---- On the event loop ----

    async def store(self, item: T, size: int) -> None:
        """Have an item stored, and wait for that, though not for long.

        Args:
            item: what to store.
            size: about how many bytes it holds in memory until then.
        """
        stored = self.put(item, size)
        if stored is None or self._late:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await stored
        except TimeoutError:
            self._be_late()

    def put(self, item: T, size: int) -> "asyncio.Future[None] | None":
        """Have an item stored; what is done once it is, or None if there is no room for it."""
        self.taken += 1
        if self._came - self._went + size > self._most:
            self._dropped += 1
            return None
        self._came += size
        stored = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(item, size, stored))
        return stored

    def _be_late(self) -> None:
        if not self._late:
            self._late = True
            self._warn(
                f"{self.rolling.path}: the disk is slow; answers wait for it no longer, and exchanges wait in memory, "
                f"until it has caught up"
            )

    def close(self) -> None:
        """Write what waits, as far as the disk takes it, and close the recording."""
        self._jobs.put(None)
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self.rolling.close()

    # ---- In the thread ----

    def _run(self) -> None:
        while not self._closing:
            jobs = self._take()
            self._prepare_all(jobs)
            self._flush()
            self._confirm()
            _release([job.stored for job in jobs])
            if not self._lines and self._jobs.empty():
                self._late = False

    def _take(self) -> list[_Job[T]]:
        """The jobs that wait; if there are none, wait for one, or until it is time to look after the disk again."""
        jobs: list[_Job[T]] = []
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=RETRY_SECONDS if self._lines or self._unconfirmed else None)
            while job is not None:
                jobs.append(job)
                if len(jobs) == _MOST_TAKEN:
                    return jobs
                job = self._jobs.get_nowait()
            self._closing = True
        return jobs

    def _prepare_all(self, jobs: Sequence[_Job[T]]) -> None:
        for job in jobs:
            line = self._prepare(job.item)
            self._went += job.size - (len(line) if line else 0)
            if line:
                self._lines.append(line)

    def _flush(self) -> None:
        """Write the lines that wait, unless the disk refused just now."""
        if self._down and time.monotonic() < self._retry_at and not self._closing:
            return
        try:
            while self._lines:
                self._write(list(islice(self._lines, _MOST_LINES)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the lines wait and it is tried again
            self._fail(error)
        else:
            self._recover()

    def _write(self, lines: Sequence[bytes]) -> None:
        self.rolling.append(lines)
        for line in lines:
            self._went += len(line)
            self._lines.popleft()
        self.written += len(lines)
        self._unconfirmed += len(lines)

    def _fail(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if not self._down:
            self._down, self._dropped = True, 0
            why = error if isinstance(error, TapeheadError) else f"cannot write {self.rolling.path}: {_reason(error)}"
            self._warn(
                f"{why}; THE TRAFFIC GOES ON, and its exchanges wait in memory, up to {self._most:,} bytes of them, "
                "until the recording can be written again"
            )

    def _recover(self) -> None:
        if self._down:
            self._down = False
            lost = f"; {count_of(self._dropped, 'exchange')} found no room and LOST" if self._dropped else ""
            self._warn(f"{self.rolling.path} can be written again, and what waited in memory is in it{lost}")

    def _confirm(self) -> None:
        """Have the disk confirm what was written, as often as was said."""
        if not self._unconfirmed or self._sync is Sync.NONE:
            self._unconfirmed = 0
        elif self._sync is Sync.EACH:
            self._doubt(self._unconfirmed, _catch(self.rolling.sync))
            self._unconfirmed = 0
        elif self._syncer.is_due and (handle := self.rolling.handle()) is not None:
            self._syncer.sync(handle, self._unconfirmed)
            self._unconfirmed = 0

    def _doubt(self, count: int, error: OSError | None) -> None:
        """Count what the disk did not confirm."""
        if error is None:
            return
        if not self.unsure:
            self._warn(f"{self.rolling.path}: the disk did not confirm what was written: {_reason(error)}")
        self.unsure += count


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def _catch(deed: Callable[[], None]) -> OSError | None:
    try:
        deed()
    except OSError as error:
        return error
    return None


def _release(stored: Sequence["asyncio.Future[None]"]) -> None:
    """Tell those who wait, each on the event loop."""
    if stored:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            stored[0].get_loop().call_soon_threadsafe(_finish, stored)


def _finish(stored: Sequence["asyncio.Future[None]"]) -> None:
    for future in stored:
        if not future.done():
            future.set_result(None)


class _Syncer:
    """Has the disk confirm what was written, once a second at most, in a thread that stalls no writing.

    Args:
        tell: called at the end with how many lines that was about, and what the disk said if it refused.
    """

    def __init__(self, tell: Callable[[int, OSError | None], None]) -> None:
        self._tell = tell
        self._last = 0.0
        self._running = False

    @property
    def is_due(self) -> bool:
        """Whether the last time is a second ago, and over."""
        return not self._running and time.monotonic() - self._last >= SYNC_SECONDS

    def sync(self, handle: int, count: int) -> None:
        """Begin; the descriptor is closed at the end."""
        self._running, self._last = True, time.monotonic()
        threading.Thread(target=self._sync, args=(handle, count), name="tapehead-sync", daemon=True).start()

    def _sync(self, handle: int, count: int) -> None:
        self._tell(count, _catch(lambda: os.fdatasync(handle)))
        os.close(handle)
        self._running = False
