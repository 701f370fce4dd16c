"""Worker processes: started together, started again where one dies, stopped by a signal, and their results."""

import functools
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any, Concatenate, NamedTuple, Self

from tapehead.errors import StartupError, TapeheadError, thread_shortage
from tapehead.server.listening import STOP_SIGNALS
from tapehead.server.restarts import RestartPauses, describe_exit
from tapehead.server.shared_lock import SharedLock
from tapehead.text import format_number

SPAWN = multiprocessing.get_context("spawn")
# Time for workers to return after a signal, and to end once they have returned.
TIMEOUT_SECONDS = 15
ENDING_SECONDS = 2
# The processes of a worker that may die before they are ready, one after the other, until all of them were.
MOST_STARTS = 3

# In a worker's process, where it says that it is ready.
_ready: Connection | None = None


class WorkerResults[T](NamedTuple):
    """Results of the workers, and the number of those that ended without one."""

    results: list[T]
    lost: int


class _Problem(NamedTuple):
    """An error that a worker reports instead of a result."""

    text: str


class _Ready(NamedTuple):
    """The report of a worker that it handles signals, and is ready."""


class _Worker:
    """A worker, whose process is followed by another one where it dies.

    Args:
        name: names it in messages.
        prepare: returns a context manager around the start of each process, which gives the first argument of `work`.
        work: runs in the process; what it returns is the worker's result.

    Attributes:
        results: where the process sends what it returns; None if there is no process.
        due: when the next process starts, by the monotonic clock.
        is_ready: whether the process is ready.
        was_ready: whether one of its processes was.
        failed_starts: the number of processes that died before one was.
    """

    def __init__(
        self, name: str, prepare: Callable[[], AbstractContextManager[Any]], work: Callable[[Any], Any]
    ) -> None:
        self.results: Connection | None = None
        self.due = 0.0
        self.is_ready = self.was_ready = False
        self.failed_starts = 0
        self._name = name
        self._prepare = prepare
        self._work = work
        self._pauses = RestartPauses()

    def start(self) -> str | None:
        """Start a process; return a warning if that is impossible, such as for lack of memory."""
        self._pauses.note_start()
        self.is_ready = False
        try:
            results, theirs = SPAWN.Pipe(duplex=False)
            with theirs, self._prepare() as own, held_signals():
                work = functools.partial(self._work, own)
                self._process = SPAWN.Process(target=_work, args=(theirs, work), daemon=True)
                self._process.start()
        except OSError as error:
            return self._schedule(f"did not start: {error.strerror}")
        self.results = results
        return None

    def receive(self, results: Connection) -> tuple[list[Any], str | None]:
        """Return the result of the process, which has ended, in a list; or none, and a warning; or that it is ready.

        Raises:
            StartupError: no process of the worker was ever ready, and this one was the last.
        """
        try:
            received = results.recv()
        except (EOFError, OSError):  # it died, maybe halfway
            received = _Problem("")
        if isinstance(received, _Ready):
            self.is_ready = self.was_ready = True
            return [], None
        self.end(ENDING_SECONDS)
        if isinstance(received, _Problem):
            end = received.text or describe_exit(self._process.exitcode)
            self.failed_starts += not self.was_ready
            # What it says would be the same again.
            if not self.was_ready and (received.text or self.failed_starts == MOST_STARTS):
                raise StartupError(received.text or f"{self._name} does not start: {end}")
            return [], self._schedule(f"died: {end}")
        self._schedule("was stopped")
        return [received], None

    def stop(self) -> bool:
        """Ask the process to return, and return whether it will; one that is not ready yet, and has no calls, ends."""
        if self.is_ready:
            self._process.terminate()
        else:
            self.kill()
        return self.is_ready

    def kill(self) -> None:
        """End the process, if there is one."""
        if self.results:
            self._process.kill()
            self.end(ENDING_SECONDS)

    def end(self, timeout_seconds: float) -> None:
        """Wait for the end of the process, and kill it if it takes too long."""
        self._process.join(timeout_seconds)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        if self.results:
            self.results.close()
        self.results = None

    def _schedule(self, end: str) -> str:
        pause = self._pauses.after_end()
        self.due = time.monotonic() + pause
        return f"{self._name} {end}; another one starts in {format_number(pause)} s"


def run_workers[A, **P, T](
    count: int,
    prepare: Callable[[int], AbstractContextManager[A]],
    on_ready: Callable[[], None],
    on_stop: Callable[[], None],
    warn: Callable[[str], None],
    target: Callable[Concatenate[A, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> WorkerResults[T]:
    """Run `target` in several processes until SIGINT, SIGTERM or SIGHUP, and return what it returned in each.

    `target` begins with signals blocked. It has to call `release_signals` once it handles SIGTERM and is ready, and to
    return soon after one. A worker that dies is followed by another, after pauses that grow while they end soon.
    The result of one that died, or that takes more than 15 seconds to return, is lost. After the end, these signals
    have no effect: what is left to do has bounds of its own.

    A signal before all workers are ready ends this process as it would have before.

    Args:
        count: the number of processes.
        prepare: given the number of a worker from 0 on, returns a context manager around each start, with its argument.
        on_ready: called once all are ready.
        on_stop: called after a signal, before the processes are asked to return, and none follows.
        warn: called with one line about each worker that died.
        target: a function of a module, which runs in each process.
        args: further positional arguments of `target`.
        kwargs: its keyword arguments.

    Raises:
        StartupError: a worker cannot start.
    """
    work = functools.partial(_call, target, args, kwargs)
    started = [
        _Worker(f"worker {number + 1} of {count}", functools.partial(prepare, number), work) for number in range(count)
    ]
    returned: list[T] = []
    lost, is_announced = 0, False
    signals = _StopSignals()
    with signals, _killed_at_end(started):
        for line in filter(None, map(_Worker.start, started)):
            warn(line)
        while not signals.number:
            received, lines = _supervise(started, signals)
            returned += received
            lost += len(lines)
            for line in lines:
                warn(line)
            if not is_announced and all(worker.was_ready for worker in started):
                is_announced = True
                on_ready()
        if is_announced:
            received, unfinished = _stop(started, on_stop)
            return WorkerResults(returned + received, lost + unfinished)
    raise _end_by(signals)


def _call(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], own: Any) -> Any:
    """Return what the target of a worker returns, given its own first argument."""
    return target(own, *args, **kwargs)


@contextmanager
def _killed_at_end(workers: list[_Worker]) -> Iterator[None]:
    """Kill workers that run at the end of a `with` block."""
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()


def _supervise(workers: list[_Worker], signals: "_StopSignals") -> tuple[list[Any], list[str]]:
    """Wait for a signal, a result or a restart; return results, and a line on each worker that died."""
    due = min((worker.due for worker in workers if not worker.results), default=None)
    pipes = {worker.results: worker for worker in workers if worker.results}
    ready = connection.wait([signals.pipe, *pipes], None if due is None else max(0.0, due - time.monotonic()))
    if signals.pipe in ready and signals.receive():
        return [], []
    received, lines = [], []
    for pipe, worker in pipes.items():
        if pipe in ready:
            result, line = worker.receive(pipe)
            received += result
            lines += [line] if line else []
    for worker in workers:
        if not worker.results and worker.due <= time.monotonic() and (line := worker.start()):
            lines.append(line)
    return received, lines


def _stop(workers: list[_Worker], on_stop: Callable[[], None]) -> tuple[list[Any], int]:
    """Stop all workers; return their results, and the number of those that should have returned one, and did not."""
    on_stop()
    received: list[Any] = []
    pipes = {worker.results: worker for worker in workers if worker.results}
    ready = connection.wait(list(pipes), 0)
    for pipe in [pipe for pipe in pipes if pipe in ready]:  # some may have become ready
        received += _receive_last(pipes[pipe], pipe)
    running = {pipe: worker for pipe, worker in pipes.items() if worker.results and worker.stop()}
    # Some may have died since they were looked at last.
    count, deadline = sum(worker.is_ready for worker in pipes.values()), time.monotonic() + TIMEOUT_SECONDS
    while running and (ready := connection.wait(list(running), max(0.0, deadline - time.monotonic()))):
        for pipe in [pipe for pipe in running if pipe in ready]:
            received += _receive_last(running[pipe], pipe)
            if running[pipe].results is None:
                del running[pipe]
    return received, count - len(received)


def _receive_last(worker: _Worker, pipe: Connection) -> list[Any]:
    """Return the result of a worker that is stopped, in a list; none if it dies, or says that it is ready."""
    try:
        return worker.receive(pipe)[0]
    except StartupError:  # it was stopped before it was ready
        return []


class _StopSignals:
    """SIGINT, SIGTERM and SIGHUP, which end nothing any more, but are told inside a `with` block of the main thread.

    After an error they do again what they did before.

    Attributes:
        number: the first that was received; 0 for none.
        pipe: can be read once one has come.
    """

    def __init__(self) -> None:
        self.number = 0
        self.pipe, self._told = socket.socketpair()
        for each in (self.pipe, self._told):
            each.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._told.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _note) for number in _stop_signals()}

    def receive(self) -> bool:
        """Return whether one has come: other signals that are handled are told as well."""
        with suppress(BlockingIOError):
            self.number = self.number or next((each for each in self.pipe.recv(1_000) if each in self._before), 0)
        return self.number != 0

    def __enter__(self) -> Self:
        """Return it; it has begun."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Tell of no more."""
        signal.set_wakeup_fd(self._fd_before)
        self.pipe.close()
        self._told.close()
        if error:
            self.restore()

    def restore(self) -> None:
        """Have them do again what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _note(_number: int, _frame: object) -> None:
    """Handle a signal of which the pipe tells."""


def _end_by(signals: _StopSignals) -> KeyboardInterrupt:
    """End this process by the signal that came, as if it had not been handled; or return what SIGINT raises."""
    signals.restore()
    number = signals.number
    if number != signal.SIGINT:
        signal.raise_signal(number)
    return KeyboardInterrupt()


def _stop_signals() -> set[signal.Signals]:
    """Return the signals that end a run: SIGHUP unless it is ignored, so that the run outlives its window."""
    return {*STOP_SIGNALS} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else {*STOP_SIGNALS, signal.SIGHUP}


@contextmanager
def held_signals() -> Iterator[None]:
    """Block SIGINT, SIGTERM and SIGHUP in this thread and in processes that start inside a `with` block.

    Their parent alone stops them, where Ctrl-C and a window that is closed reach all; multiprocessing's own helper
    process would die of SIGHUP.
    """
    from multiprocessing.resource_tracker import ensure_running

    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers := _stop_signals())
    try:
        ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # of which that has released some
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def release_signals(signals: Set[signal.Signals] = STOP_SIGNALS) -> None:
    """Say in a worker that it is ready, and deliver some signals to this thread from now on."""
    if _ready:
        with suppress(OSError):  # the parent has died
            _ready.send(_Ready())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes the first line on to `warn` and drops later ones, over all worker processes."""
    return functools.partial(_pass_first, SharedLock(), warn)


def _pass_first(unused: SharedLock, warn: Callable[[str], None], line: str) -> None:
    if unused.acquire():
        warn(line)


def _work(results: Connection, target: Callable[[], Any]) -> None:
    global _ready
    _ready = results
    try:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        result = target()
    except (TapeheadError, OSError) as error:
        result = _Problem(str(error))
    except RuntimeError as error:
        if not (problem := thread_shortage(error)):
            raise
        result = _Problem(problem)
    with suppress(OSError):  # the parent has died
        results.send(result)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        # One that hangs would be left behind.
        time.sleep(TIMEOUT_SECONDS)
        os._exit(1)
