"""Serving without a proxy: an engine as a plain HTTP server under uvicorn, in one process or several."""

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Lock
from typing import TYPE_CHECKING

import msgspec
import uvicorn
import uvloop

from tapehead.cli.offline_run import EngineRun, EngineSettings, dump_counts, merge_counts
from tapehead.cli.terminal import Screen, announce, observer
from tapehead.errors import StartupError
from tapehead.live.page_lifetime import link_lines, live_page
from tapehead.network.access_policy import AccessPolicy, ClientFilter, Listener, Network, check_exposure, refused_line
from tapehead.network.offline_guard import OfflineGuard
from tapehead.server.asgi import App, guarded

if TYPE_CHECKING:
    from tapehead.live.server import LiveServer

BACKLOG = 2048
PATIENCE_SECONDS = 15
STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
SPAWN = multiprocessing.get_context("spawn")


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which would end the process before its summary."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host:port`; port 0 picks one.

    Raises:
        StartupError: the address is in use, or no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartupError.of_listening(host, port, error) from error


async def run_server(app: App, listening: socket.socket, ready: Callable[[], None], admission: ClientFilter) -> None:
    """Answer until SIGINT or SIGTERM; the calls in hand are answered first.

    Args:
        app: what answers.
        listening: where to listen.
        ready: called once signals are heeded.
        admission: who may come in.
    """
    config = uvicorn.Config(
        app,
        http=guarded(admission),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    ready()
    await server.serve(sockets=[listening])


def serve(
    settings: EngineSettings,
    host: str,
    port: int,
    warn: Callable[[str], None],
    *,
    workers: int = 1,
    clients: Sequence[Network] = (),
) -> int:
    """Answer players until told to stop; the exit code.

    Args:
        settings: what answers, and how.
        host: the address to listen on.
        port: the port; 0 picks one.
        warn: prints a line on stderr.
        workers: how many processes answer.
        clients: the networks from which players may come; none for all.

    Raises:
        Problem: a recording cannot be read, or the address cannot be listened on.
    """
    if workers > 1:
        _hold_signals()
    run, screen, guard = EngineRun(settings, warn), Screen(), OfflineGuard()
    admission = ClientFilter(clients, warn if workers == 1 else once(warn))
    with listen(host, port) as listening:
        _warn(host, listening, clients, warn)
        ready = functools.partial(announce, screen.show, [listening.getsockname()[:2]])
        if workers == 1:
            with live_page(settings.live, run.failures, settings.redact_keys) as page:
                ready = functools.partial(ready, link_lines(page))
                _answer(run, settings, listening, screen, guard, ready, admission, page)
        else:
            # The same files in the same order in every process, whatever comes into a folder meanwhile.
            same = msgspec.structs.replace(settings, recordings=run.recordings)
            counts = _run_workers(same, listening, workers, ready, admission)
            if len(counts) < workers:
                warn(f"{workers - len(counts)} of {workers} workers ended without their part of the summary")
            attempts, admission.refused = merge_counts(run, counts)
            guard.attempts += attempts
    if line := refused_line(admission.refused):
        warn(line)
    code = run.close(guard, screen.show)
    screen.close()
    return code


def _warn(host: str, listening: socket.socket, clients: Sequence[Network], warn: Callable[[str], None]) -> None:
    """Say what listening there exposes, if it does."""
    listener = Listener("serve", host, (listening.getsockname()[0],))
    if line := check_exposure(listener, AccessPolicy(clients=tuple(clients))):
        warn(line)


def _answer(
    run: EngineRun,
    settings: EngineSettings,
    listening: socket.socket,
    screen: Screen,
    guard: OfflineGuard,
    ready: Callable[[], None],
    admission: ClientFilter,
    page: "LiveServer | None" = None,
) -> None:
    observe = None if settings.quiet else observer(screen, explain=settings.explain)
    if page:
        observe = page.watching(observe)
    guard.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        app = App(run.engine, run.failures, observe)
        runner.run(run_server(app, listening, ready, admission))


def _run_workers(
    settings: EngineSettings,
    listening: socket.socket,
    workers: int,
    ready: Callable[[], None],
    admission: ClientFilter,
) -> list[bytes]:
    """Answer in several processes until told to stop; the books of those that sent them."""
    started = [_start_worker(settings, listening, admission) for _ in range(workers)]
    _hold_signals()  # starting a process let them through again
    ready()
    signal.sigwait(STOP_SIGNALS)
    for process, _ in started:
        process.terminate()
    counts = [_receive(pipe) for _, pipe in started]
    for process, _ in started:
        process.join(PATIENCE_SECONDS)
    return [each for each in counts if each is not None]


def _start_worker(
    settings: EngineSettings, listening: socket.socket, admission: ClientFilter
) -> tuple[SpawnProcess, Connection]:
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_work, args=(settings, listening, theirs, admission), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """A function that complains once, in whichever process it is called first."""
    return functools.partial(_tell_first, SPAWN.Lock(), warn)


def _tell_first(untold: Lock, warn: Callable[[str], None], line: str) -> None:
    if untold.acquire(block=False):
        warn(line)


def _receive(pipe: Connection) -> bytes | None:
    try:
        return pipe.recv_bytes() if pipe.poll(PATIENCE_SECONDS) else None
    except EOFError:
        return None


def _work(settings: EngineSettings, listening: socket.socket, counts: Connection, admission: ClientFilter) -> None:
    """What one process of several does; it ends with its parent, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run, screen, guard = EngineRun(settings, _ignore), Screen(), OfflineGuard()
    _answer(run, settings, listening, screen, guard, _heed_signals, admission)
    screen.close()
    counts.send_bytes(dump_counts(run, guard, admission.refused))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _hold_signals() -> None:
    """Let signals wait, in every thread and process to come, until somebody heeds them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _heed_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _ignore(_line: str) -> None:
    """What is wrong with a recording, the parent has said."""
