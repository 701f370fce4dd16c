"""A background writer: a thread that prepares and writes lines, and a backlog in memory.

A response is held until its exchange is written, so that every call that a player saw answered is in the recording even
if tapehead is killed. That wait is bounded: where the disk is slower than `TIMEOUT_SECONDS`, or refuses, responses go
out at once, and exchanges wait in memory, up to a limit, until the disk takes them. Those beyond the limit are lost.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from tapehead.errors import TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.recording.recorder_settings import Sync
from tapehead.recording.rotation import RotatingFile
from tapehead.recording.syncer import Syncer, os_error_of
from tapehead.recording.waits import BoundedWaits
from tapehead.text import count_of

TIMEOUT_SECONDS = 0.5
RETRY_SECONDS = 0.5
# The size of an item that others should not wait for, and the time that its own response waits.
LARGE_BYTES = 50_000
LARGE_TIMEOUT_SECONDS = 5.0
# The pause after an internal error, which may come again at once.
PAUSE_SECONDS = 0.05
# The time that the end of a run waits for a disk that does not respond, and for large items.
CLOSE_SECONDS = 10.0
LARGE_CLOSE_SECONDS = 90.0
# Lines that are written at once.
_MOST_LINES = 64
_MOST_JOBS = 256


# A line, or None for an item that cannot be stored; or slow work for another thread, whose result makes the line.
Line = bytes | None
Prepared = Line | Callable[[], Callable[[], Line]]


class _Job(NamedTuple):
    prepare: Callable[[], Prepared]
    size: int
    stored: "asyncio.Future[None]"
    is_slow: bool = False


class BackgroundWriter[T]:
    """A writer of items, one line each, in a thread of its own, in the order in which they come.

    Args:
        file: the recording.
        prepare: returns an item's line, in the writer's thread, or None for an item that cannot be stored. Where it
            would hold up others, it returns a function for another thread, whose result makes the line here.
        warn: called with one line about each problem, in any thread.
        internal_errors: records what else fails in the thread, which goes on.
        sync: when the disk has to confirm.
        backlog: the number of bytes that may wait in memory.
        sync_before: called before the disk confirms lines, to have it confirm what they depend on.

    Attributes:
        received: the number of items received.
        written: the number of items in the recording.
        unconfirmed: the number of those that the disk did not confirm.
        is_down: whether the disk did not take the latest lines.
    """

    def __init__(
        self,
        file: RotatingFile,
        prepare: Callable[[T], Prepared],
        warn: Callable[[str], None],
        internal_errors: InternalErrors,
        *,
        sync: Sync,
        backlog: int,
        sync_before: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = file
        self._sync_before = sync_before
        self.received = self.written = self.unconfirmed = 0
        # Each is changed by one thread only.
        self._left_out = self._unusable = 0
        self._prepare = prepare
        self._warn = warn
        self._internal_errors = internal_errors
        self._sync = sync
        self._backlog = backlog
        # Bytes that came in and that went out; each is changed by one thread only.
        self._bytes_in = self._bytes_out = 0
        self._dropped = 0
        self._to_confirm = 0
        self._is_late = self._is_large_late = self._is_full = self._has_lost_large = False
        self.is_down = False
        self._is_preparing = False
        self._retry_at = 0.0
        self._closing = False
        self._lines: deque[bytes] = deque()
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        # Jobs of this turn of the event loop: handed over one by one, each would have the threads change over twice.
        self._of_turn: list[_Job] = []
        self._turn: asyncio.AbstractEventLoop | None = None
        # Slow work, and how much of it has not come back.
        self._slow: queue.SimpleQueue[tuple[_Job, Callable[[], Callable[[], Line]]]] = queue.SimpleQueue()
        self._slow_jobs = 0
        self._waits = BoundedWaits(TIMEOUT_SECONDS, self._note_delay)
        self._syncer = Syncer(self._count_unconfirmed, sync_before)
        self._thread = threading.Thread(target=self._run, name="tapehead-writer", daemon=True)
        self._thread.start()
        threading.Thread(target=self._work_slowly, name="tapehead-large", daemon=True).start()

    @property
    def lost_so_far(self) -> int:
        """The number of items that did not fit into the backlog, gave no line, or were removed by another program."""
        return self._left_out + self._unusable + self._file.removed

    @property
    def waiting_bytes(self) -> int:
        """The size of what waits, in bytes."""
        return max(0, self._bytes_in - self._bytes_out)

    @property
    def lost(self) -> int:
        """The number of items that are not in the recording; exact once it is closed."""
        return self.received - self.written + self._file.removed

    def note_lost(self, count: int) -> None:
        """Count items that were to be stored and could not be handed over."""
        self.received += count
        self._left_out += count

    # ---- On the event loop ----

    def store(self, item: T, size: int) -> Awaitable[None] | None:
        """Have an item stored, and return what waits for that, for `TIMEOUT_SECONDS` at most; None if nothing does.

        Args:
            item: the item.
            size: its approximate size in memory, in bytes.
        """
        stored = self.put(item, size)
        if stored is None or self._is_late:
            return None
        return self._waits.end_in_time(stored) if size < LARGE_BYTES else self._wait_long(stored)

    async def _wait_long(self, stored: "asyncio.Future[None]") -> None:
        try:
            async with asyncio.timeout(LARGE_TIMEOUT_SECONDS):
                await stored
        except TimeoutError:
            self._note_delay()

    def _note_delay(self) -> None:
        """Say, once until it has caught up, why an item is not stored yet; with one that is large, others still are."""
        path, waits = self._file.path, "wait for it, and exchanges wait in memory until it has caught up"
        if self._slow_jobs and not (self._is_preparing or self._lines):
            if not self._is_large_late:
                self._is_large_late = True
                self._warn(f"'{path}': a large call takes long to check; responses of its session do not {waits}")
        elif not self._is_late:
            self._is_late = True
            cause = "calls come faster than they are checked" if self._is_preparing else "the disk is slow"
            self._warn(f"'{path}': {cause}; responses no longer {waits}")

    def _note_loss(self, size: int) -> None:
        """Say why an item is lost, once until it has caught up; of a disk that takes nothing, all is said."""
        path, most = self._file.path, f"{self._backlog:,} bytes may wait in memory"
        if size > self._backlog:
            if not self._has_lost_large:
                self._has_lost_large = True
                self._warn(f"'{path}': a call of {size:,} bytes is LOST, as {most}; traffic continues")
        elif not (self.is_down or self._is_full):
            self._is_full = True
            self._warn(f"'{path}': {most}, and further calls are LOST until it has caught up; traffic continues")

    def put(self, item: T, size: int) -> "asyncio.Future[None] | None":
        """Have an item stored; return a future that is done once it is, or None if the backlog is full."""
        self.received += 1
        if self._bytes_in - self._bytes_out + size > self._backlog:
            self._dropped += 1
            self._left_out += 1
            self._note_loss(size)
            return None
        self._bytes_in += size
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        self._of_turn.append(_Job(partial(self._prepare, item), size, stored))
        if self._turn is not loop:
            self._turn = loop
            loop.call_soon(self._hand_over)
        return stored

    def _hand_over(self) -> None:
        """Hand the jobs of a turn of the event loop over to the thread."""
        self._turn = None
        jobs, self._of_turn = self._of_turn, []
        if jobs:
            self._jobs.put(jobs)

    def close(self) -> None:
        """Write the backlog, as far as the disk takes it, and close the recording."""
        self._hand_over()  # of a loop that ended in the middle of a turn
        self._jobs.put(None)
        deadline, written = time.monotonic() + LARGE_CLOSE_SECONDS, -1
        while self._thread.is_alive() and time.monotonic() < deadline and (self._slow_jobs or written != self.written):
            written = self.written
            self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            try:
                self._sync_before()
                self._file.close()
            except Exception as error:  # noqa: BLE001 - the summary comes in any case
                self._internal_errors.record("closing the recording", error)

    # ---- In the thread ----

    def _run(self) -> None:
        """Store what comes until the end; whatever fails costs at most the items at hand."""
        while not self._closing or self._slow_jobs:
            jobs: list[_Job] = []
            for step in (self._take, self._prepare_all, self._flush, self._confirm):
                try:
                    step(jobs)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a bug, or no memory
                    self._internal_errors.record("writing the recording", error)
                    time.sleep(PAUSE_SECONDS)
            if jobs:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits
                    jobs[0].stored.get_loop().call_soon_threadsafe(finish_all, [job.stored for job in jobs])
            if not self._lines and self._jobs.empty():
                self._is_late = self._is_full = False
            self._is_large_late = self._is_large_late and self._slow_jobs > 0

    def _prepare_all(self, jobs: list[_Job]) -> None:
        self._is_preparing = True
        for job in jobs.copy():
            line: Prepared = None
            self._slow_jobs -= job.is_slow
            try:
                line = job.prepare()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it costs this item alone
                self._internal_errors.record("storing a call", error)
            if callable(line):
                self._slow_jobs += 1
                self._slow.put((job, line))
                jobs.remove(job)
                continue
            self._bytes_out += job.size - (len(line) if line else 0)
            if line:
                self._lines.append(line)
            else:
                self._unusable += 1
        self._is_preparing = False

    def _work_slowly(self) -> None:
        """Do the work that would hold up others, in a thread of its own, and hand its result to the writer's."""
        while True:
            job, work = self._slow.get()
            finish: Callable[[], Line] = lambda: None  # noqa: E731
            try:
                finish = work()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it costs this item alone
                self._internal_errors.record("storing a call", error)
            self._jobs.put([job._replace(prepare=finish, is_slow=True)])

    def _take(self, jobs: list[_Job]) -> None:
        """Take the jobs that wait; if there are none, wait for one, or until it is time to try the disk again."""
        with contextlib.suppress(queue.Empty):
            is_waiting = self._lines or self._to_confirm or self._closing
            turn, size = self._jobs.get(timeout=RETRY_SECONDS if is_waiting else None), 0
            while turn is not None:
                jobs += turn
                size += sum(job.size for job in turn)
                if len(jobs) >= _MOST_JOBS or size >= LARGE_BYTES:  # what is prepared is not written yet
                    return
                turn = self._jobs.get_nowait()
            self._closing = True

    def _flush(self, _jobs: object) -> None:
        """Write the lines that wait, unless the disk refused just now."""
        if self.is_down and time.monotonic() < self._retry_at and not self._closing:
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
            if not self.is_down:
                self.is_down, self._dropped = True, 0
                why = (
                    error if isinstance(error, TapeheadError) else f"cannot write '{self._file.path}': {reason(error)}"
                )
                self._warn(
                    f"{why}; traffic continues, but is not being recorded: exchanges wait in memory, "
                    f"up to {self._backlog:,} bytes, until the recording can be written again"
                )
        else:
            if self.is_down:
                self.is_down = False
                lost = f"; {count_of(self._dropped, 'exchange')} did not fit and LOST" if self._dropped else ""
                self._warn(f"'{self._file.path}' can be written again, and the exchanges in memory are in it{lost}")

    def _confirm(self, _jobs: object) -> None:
        """Have the disk confirm what was written, as often as `sync` asks for."""
        if not self._to_confirm or self._sync is Sync.NONE:
            self._to_confirm = 0
        elif self._sync is Sync.EACH:
            self._confirm_here(self._to_confirm)
            self._to_confirm = 0
        elif self._syncer.is_due:
            count, self._to_confirm = self._to_confirm, 0
            if not self._syncer.start(self._file.handle, count):  # no descriptor or no thread: it happens here
                self._confirm_here(count)

    def _confirm_here(self, count: int) -> None:
        self._sync_before()
        self._count_unconfirmed(count, os_error_of(self._file.sync))

    def _count_unconfirmed(self, count: int, error: OSError | None) -> None:
        if error is None:
            return
        if not self.unconfirmed:
            self._warn(f"{self._file.path}: the disk did not confirm what was written: {reason(error)}")
        self.unconfirmed += count


def reason(error: Exception) -> str:
    """Return what an error says: the system's text, or else its type and message."""
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def finish_all(stored: Sequence["asyncio.Future[None]"]) -> None:
    """Finish the futures of items that are stored; on the event loop."""
    for future in stored:
        if not future.done():
            future.set_result(None)
