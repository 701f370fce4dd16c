"""Worker processes: started together, started again where one dies, stopped by a signal, and their results."""

import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock
from typing import Any, Concatenate, NamedTuple

from tapehead.errors import StartupError, TapeheadError
from tapehead.server.listening import STOP_SIGNALS
from tapehead.text import format_number

SPAWN = multiprocessing.get_context("spawn")
# Time for workers to return after a signal, and to end once they have returned.
TIMEOUT_SECONDS = 15
ENDING_SECONDS = 2
# The pause before another worker takes the place of a dead one. It doubles, up to the last, while they die young.
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.5, 30.0
YOUNG_SECONDS = 60.0
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
        was_ready: whether a process was ready.
        failed_starts: the number of processes that died before one was.
    """

    def __init__(
        self, name: str, prepare: Callable[[], AbstractContextManager[Any]], work: Callable[[Any], Any]
    ) -> None:
        self.results: Connection | None = None
        self.due = 0.0
        self.was_ready = False
        self.failed_starts = 0
        self._name = name
        self._prepare = prepare
        self._work = work
        self._pause = FIRST_PAUSE_SECONDS

    def start(self) -> str | None:
        """Start a process; return a warning if that is impossible, such as for lack of memory."""
        self._started = time.monotonic()
        try:
            results, theirs = SPAWN.Pipe(duplex=False)
            with theirs, self._prepare() as own:
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
            self.was_ready = True
            return [], None
        self.end(ENDING_SECONDS)
        if isinstance(received, _Problem):
            end = received.text or _name_end(self._process.exitcode)
            self.failed_starts += not self.was_ready
            # What it says would be the same again.
            if not self.was_ready and (received.text or self.failed_starts == MOST_STARTS):
                raise StartupError(received.text or f"{self._name} does not start: {end}")
            return [], self._schedule(f"died: {end}")
        self._schedule("was stopped")
        return [received], None

    def terminate(self) -> None:
        """Ask the process to return."""
        self._process.terminate()

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
        now = time.monotonic()
        pause = self._pause if now - self._started < YOUNG_SECONDS else FIRST_PAUSE_SECONDS
        self.due, self._pause = now + pause, min(2 * pause, LAST_PAUSE_SECONDS)
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
    return soon after one. A worker that dies is followed by another, at a pace that slows down while they die young.
    The result of one that died, or that takes more than 15 seconds to return, is lost.

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
    from multiprocessing.resource_tracker import ensure_running

    work = functools.partial(_call, target, args, kwargs)
    started = [
        _Worker(f"worker {number + 1} of {count}", functools.partial(prepare, number), work) for number in range(count)
    ]
    returned: list[T] = []
    lost, is_announced, is_stopped = 0, False, False
    hang_up = _hold_hang_up()
    ensure_running()  # multiprocessing's own helper process, which releases the signals when it starts
    hold_signals()
    stop = _stop_pipe(STOP_SIGNALS | hang_up)
    try:
        for line in filter(None, map(_Worker.start, started)):
            warn(line)
        while not is_stopped:
            is_stopped, received, lines = _supervise(started, stop)
            returned += received
            lost += len(lines)
            for line in lines:
                warn(line)
            if not is_announced and all(worker.was_ready for worker in started):
                is_announced = True
                on_ready()
        received, unfinished = _stop(started, on_stop)
        return WorkerResults(returned + received, lost + unfinished)
    finally:
        for worker in started:
            if worker.results:
                worker.end(0)


def _call(target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], own: Any) -> Any:
    """Return what the target of a worker returns, given its own first argument."""
    return target(own, *args, **kwargs)


def _supervise(workers: list[_Worker], stop: Connection) -> tuple[bool, list[Any], list[str]]:
    """Wait for a signal, a result or a restart; return whether to stop, results, and a line on each dead worker."""
    due = min((worker.due for worker in workers if not worker.results), default=None)
    pipes = {worker.results: worker for worker in workers if worker.results}
    ready = connection.wait([stop, *pipes], None if due is None else max(0.0, due - time.monotonic()))
    if stop in ready:
        return True, [], []
    received, lines = [], []
    for pipe, worker in pipes.items():
        if pipe in ready:
            result, line = worker.receive(pipe)
            received += result
            lines += [line] if line else []
    for worker in workers:
        if not worker.results and worker.due <= time.monotonic() and (line := worker.start()):
            lines.append(line)
    return False, received, lines


def _stop(workers: list[_Worker], on_stop: Callable[[], None]) -> tuple[list[Any], int]:
    """Stop all workers; return their results, and the number of those that returned none."""
    on_stop()
    running = {worker.results: worker for worker in workers if worker.results}
    for worker in running.values():
        worker.terminate()
    received: list[Any] = []
    count, deadline = len(running), time.monotonic() + TIMEOUT_SECONDS
    while running and (ready := connection.wait(list(running), max(0.0, deadline - time.monotonic()))):
        for pipe in [pipe for pipe in running if pipe in ready]:
            with suppress(StartupError):  # it was stopped before it was ready
                received += running[pipe].receive(pipe)[0]
            if running[pipe].results is None:
                del running[pipe]
    # Signals that came meanwhile have asked for what is done now; a later one may end what is left to do.
    while signal.sigtimedwait(STOP_SIGNALS, 0):
        pass
    return received, count - len(received)


def _stop_pipe(signals: Set[signal.Signals]) -> Connection:
    """Return a pipe that ends with the first of some signals."""
    ours, theirs = SPAWN.Pipe(duplex=False)

    def wait() -> None:
        signal.sigwait(signals)
        theirs.close()

    threading.Thread(target=wait, daemon=True).start()
    return ours


def _name_end(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def hold_signals() -> None:
    """Block SIGINT, SIGTERM and SIGHUP, in threads and processes started from now on, too; they wait until released.

    This has to be before any thread starts, which would take them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    _hold_hang_up()


def _hold_hang_up() -> set[signal.Signals]:
    """Block SIGHUP, as the parent alone stops its processes where a window is closed; return it, unless it is ignored.

    multiprocessing's own helper process would die of it, so that this has to be before that starts.
    """
    hang_up = set() if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else {signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, hang_up)
    return hang_up


def release_signals(signals: Set[signal.Signals] = STOP_SIGNALS) -> None:
    """Deliver some signals to this thread again; in a worker, this also says that it is ready."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    if _ready:
        with suppress(OSError):  # the parent has died
            _ready.send(_Ready())


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes the first line on to `warn` and drops later ones, over all worker processes."""
    return functools.partial(_pass_first, make_lock(), warn)


def make_lock() -> Lock:
    """Return a lock for all worker processes, before they start; signals that are held stay so."""
    from multiprocessing.resource_tracker import ensure_running

    _hold_hang_up()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    # multiprocessing's own helper process releases them when it starts.
    ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return SPAWN.Lock()


def _pass_first(unused: Lock, warn: Callable[[str], None], line: str) -> None:
    if unused.acquire(block=False):
        warn(line)


def _work(results: Connection, target: Callable[[], Any]) -> None:
    global _ready
    _ready = results
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = target()
    except (TapeheadError, OSError) as error:
        result = _Problem(str(error))
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
