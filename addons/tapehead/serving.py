"""Serving without a proxy: an engine as a plain HTTP server under uvicorn, in one process or several."""

import asyncio
import contextlib
import errno
import multiprocessing
import signal
import socket
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import uvicorn
import uvloop

from tapehead.answer import Engine
from tapehead.asgi import App, Observer, Protocol
from tapehead.problems import ProxyProblem
from tapehead.receipt import Receipt
from tapehead.stage import EngineSettings, Stage, add_books, books_of
from tapehead.terminal import Screen, announcer, observer

BACKLOG = 2048


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, which would end the process before its summary."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host:port`; port 0 picks one.

    Raises:
        ProxyProblem: the address is in use, or no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ProxyProblem(f"{host}:{port} is in use; say --listen with another port, or 0 for any") from error
        raise ProxyProblem(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


async def run_server(engine: Engine, listening: socket.socket, observe: Observer | None = None) -> None:
    """Answer from `engine` until SIGINT or SIGTERM; the calls in hand are answered first."""
    config = uvicorn.Config(
        App(engine, observe),
        http=Protocol,
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
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    await server.serve(sockets=[listening])


def serve(settings: EngineSettings, host: str, port: int, complain: Callable[[str], None], *, workers: int = 1) -> int:
    """Answer players until told to stop; the exit code.

    Args:
        settings: what answers, and how.
        host: the address to listen on.
        port: the port; 0 picks one.
        complain: prints a line on stderr.
        workers: how many processes answer.

    Raises:
        Problem: a recording cannot be read, or the address cannot be listened on.
    """
    stage, screen, receipt = Stage(settings, complain), Screen(), Receipt()
    with listen(host, port) as listening:
        announcer(screen.show)([listening.getsockname()[:2]])
        if workers == 1:
            _answer(stage, settings, listening, screen, receipt)
        else:
            add_books(stage, _run_workers(settings, listening, workers, complain))
    code = stage.close(receipt, screen.show)
    screen.close()
    return code


def _answer(stage: Stage, settings: EngineSettings, listening: socket.socket, screen: Screen, receipt: Receipt) -> None:
    observe = None if settings.quiet else observer(screen, explain=settings.explain)
    receipt.seal()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_server(stage.engine, listening, observe))


def _run_workers(
    settings: EngineSettings, listening: socket.socket, workers: int, complain: Callable[[str], None]
) -> list[bytes]:
    """Answer in several processes until told to stop; their books."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(workers):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(settings, listening, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    _wait_for_signal()
    for process in processes:
        process.terminate()
    books = [book for pipe in pipes if (book := _receive(pipe))]
    if len(books) < workers:
        complain(
            f"{workers - len(books)} of {workers} workers ended before their summary, which lacks what they answered"
        )
    for process in processes:
        process.join(10)
    return books


def _wait_for_signal() -> None:
    numbers = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    signal.sigwait(numbers)


def _receive(pipe: Connection) -> bytes | None:
    try:
        return pipe.recv_bytes() if pipe.poll(15) else None
    except EOFError:
        return None


def _work(settings: EngineSettings, listening: socket.socket, books: Connection) -> None:
    """What one process of several does."""
    screen = Screen()
    stage = Stage(settings, lambda _: None)
    _answer(stage, settings, listening, screen, Receipt())
    screen.close()
    books.send_bytes(books_of(stage))
