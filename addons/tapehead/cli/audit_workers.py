"""The audit of recordings in several processes: one reads and assigns exchanges, workers evaluate the sessions."""

import contextlib
import marshal
import os
import pickle
import queue
import subprocess
import sys
import threading
from array import array
from collections.abc import Generator, Iterable, Iterator
from typing import IO, cast

from tapehead.auditor.divided_audit import Batch, NotDivisibleError, divide
from tapehead.cli.audit_worker import NOT_DIVISIBLE, pack_batch, read_frame, write_frame
from tapehead.errors import TapeheadError
from tapehead.protocol.exchange import Entry
from tapehead.reports.audit.result_rows import AuditSetup, NumberedRow, PartRows, ResultRow
from tapehead.server.restarts import describe_exit

# Exchanges that are sent at once: their bytes, and how many there are at most in all parts.
BATCH_BYTES, BATCH_EXCHANGES = 500_000, 2000
# Bytes of exchanges that are audited sooner than workers start.
LEAST_BYTES = 6_000_000
# Batches of a worker that wait while it is at work.
MOST_WAITING = 4
ENDING_SECONDS = 5
# A worker that takes nothing for so long may wait for nothing.
LONG_SECONDS = 1


def audit_in_processes(entries: Iterable[Entry], setup: AuditSetup) -> Generator[ResultRow]:
    """Yield the results of all sessions as `audit` does, from workers where that is worth their start.

    Raises:
        NotDivisibleError: one audit has to read all exchanges.
        TapeheadError: a worker died.
    """
    batches = divide(entries, setup.parts, BATCH_BYTES, BATCH_EXCHANGES)
    held, size = list[Batch](), 0
    for batch, length in batches:
        held.append(batch)
        size += length
        if size > LEAST_BYTES:
            break
    if size <= LEAST_BYTES:
        yield from _audit_here(held, setup)
        return
    with _workers(setup) as workers:
        for batch in _chained(held, batches):
            yield from workers.rows_after(batch)
        yield from workers.last_rows()


def _chained(held: list[Batch], batches: Iterable[tuple[Batch, int]]) -> Iterator[Batch]:
    """Yield the batches that are held, and forget them, then the others."""
    held.reverse()
    while held:
        yield held.pop()
    for batch, _ in batches:
        yield batch


def _audit_here(batches: Iterable[Batch], setup: AuditSetup) -> Iterator[ResultRow]:
    parts, order = [PartRows(setup) for _ in range(setup.parts)], _ResultOrder()
    for times, steps in batches:
        for part, own in zip(parts, steps, strict=True):
            yield from order.add(list(part.follow(array("d", times), own)))


class _ResultOrder:
    """Results put in the order of their numbers."""

    def __init__(self) -> None:
        self._waiting: dict[int, ResultRow | None] = {}
        self._next = 0

    def add(self, rows: Iterable[NumberedRow]) -> Iterator[ResultRow]:
        """Take some results; yield those that none comes before any more."""
        self._waiting.update((number, ResultRow(*row) if row else None) for number, row in rows)
        while self._next in self._waiting:
            row = self._waiting.pop(self._next)
            self._next += 1
            if row:
                yield row


class _Worker:
    """A worker process.

    Args:
        setup: what it audits by.
        answers: gets its answers, and None once it has ended.
    """

    def __init__(self, setup: AuditSetup, answers: "queue.SimpleQueue[tuple[_Worker, bytes | None]]") -> None:
        # The modules of this process, and none of the folder that it runs in.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tapehead.cli.audit_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # an interrupt from the terminal is for the command
        )
        self._answers = answers
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        self._waiting.put(pickle.dumps(setup))

    def send(self, content: bytes) -> bool:
        """Send a frame, once few others wait; return False if that takes long. A worker that died gets nothing."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(content, timeout=LONG_SECONDS)
            return True
        return False

    def _send(self) -> None:
        stream, is_dead = cast(IO[bytes], self._process.stdin), False
        while (content := self._waiting.get()) is not None:
            if not is_dead:
                try:
                    write_frame(stream, content)
                except OSError:  # the other thread finds that, too
                    is_dead = True
        with contextlib.suppress(OSError):
            stream.close()

    def _receive(self) -> None:
        with cast(IO[bytes], self._process.stdout) as stream:
            while (content := read_frame(stream)) is not None:
                self._answers.put((self, content))
        self._answers.put((self, None))

    def death(self) -> TapeheadError:
        """Return an error that says how the worker ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)
        return TapeheadError(
            f"a process of the audit {_end_of(self._process.returncode)}, so there is no report; audit again, with"
            " --jobs 1 if there was too little memory"
        )

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()


def _end_of(code: int | None) -> str:
    return "stopped answering" if code is None else f"died: {describe_exit(code)}"


class _Workers:
    """Worker processes, one for each part."""

    def __init__(self, setup: AuditSetup) -> None:
        self._answers: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()
        self._order = _ResultOrder()
        self._sent = self._answered = 0
        self._workers: list[_Worker] = []
        try:
            for _ in range(setup.parts):
                self._workers.append(_Worker(setup, self._answers))
        except BaseException:
            self.kill()
            raise

    def rows_after(self, batch: Batch) -> Iterator[ResultRow]:
        """Send each worker its steps, and yield the results that have come meanwhile, in order."""
        times, steps = batch
        for worker, own in zip(self._workers, steps, strict=True):
            content = pack_batch(times, own)
            while not worker.send(content):  # another one may have died
                yield from self._rows()
            self._sent += 1
        yield from self._rows()

    def last_rows(self) -> Iterator[ResultRow]:
        """Wait for the results that are left, and yield them."""
        while self._answered < self._sent:
            yield from self._take(*self._answers.get())

    def _rows(self) -> Iterator[ResultRow]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield from self._take(*self._answers.get_nowait())

    def _take(self, worker: _Worker, answer: bytes | None) -> Iterator[ResultRow]:
        if answer is None:
            raise worker.death()
        if answer == NOT_DIVISIBLE:
            raise NotDivisibleError
        self._answered += 1
        return self._order.add(marshal.loads(answer))  # noqa: S302 - from our own process

    def kill(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()


@contextlib.contextmanager
def _workers(setup: AuditSetup) -> Iterator[_Workers]:
    workers = _Workers(setup)
    try:
        yield workers
    finally:
        workers.kill()
