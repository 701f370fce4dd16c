"""Worker processes: several processes that accept from one listening socket, and what each of them returns.

Processes are spawned, not forked, so target and arguments have to pickle. A worker ends with its parent, however that
ends.
"""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock
from typing import Any

from tapehead.server.uvicorn_server import STOP_SIGNALS

SPAWN = multiprocessing.get_context("spawn")
TIMEOUT_SECONDS = 15


def run_workers[**P, T](
    workers: int, on_ready: Callable[[], None], target: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> list[T]:
    """Run `target` in several processes until SIGINT or SIGTERM, and return what it returned in each.

    `target` begins with signals blocked. It has to call `release_signals` once it handles SIGTERM, and to return soon
    after one. The result of a worker that dies, or takes more than 15 seconds to return, is left out.

    Args:
        workers: how many processes.
        on_ready: called once all are started.
        target: a function of a module, which runs in each process.
        args: positional arguments of `target`.
        kwargs: its keyword arguments.
    """
    hold_signals()
    started = []
    for _ in range(workers):
        ours, theirs = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=_work, args=(theirs, functools.partial(target, *args, **kwargs)), daemon=True)
        process.start()
        theirs.close()
        started.append((process, ours))
    hold_signals()  # starting a process releases them
    on_ready()
    signal.sigwait(STOP_SIGNALS)
    for process, _ in started:
        process.terminate()
    results = []
    for _, pipe in started:
        try:
            if pipe.poll(TIMEOUT_SECONDS):
                results.append(pipe.recv())
        except EOFError:  # the worker died
            continue
    for process, _ in started:
        process.join(TIMEOUT_SECONDS)
    return results


def hold_signals() -> None:
    """Block SIGINT and SIGTERM, in threads and processes started from now on, too; they wait until released."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def release_signals() -> None:
    """Deliver SIGINT and SIGTERM to this thread again."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes the first line on to `warn` and drops later ones, over all worker processes."""
    return functools.partial(_pass_first, SPAWN.Lock(), warn)


def _pass_first(unused: Lock, warn: Callable[[str], None], line: str) -> None:
    if unused.acquire(block=False):
        warn(line)


def _work(results: Connection, target: Callable[[], Any]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    results.send(target())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
