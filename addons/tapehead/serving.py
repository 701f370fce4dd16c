"""Serving without a proxy: an engine as a plain HTTP server, under uvicorn."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from tapehead.answer import Engine
from tapehead.asgi import App, Observer, Protocol
from tapehead.problems import ProxyProblem
from tapehead.schemas import Schemas
from tapehead.simulate import Simulation
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


async def run_server(
    engine: Engine, listening: socket.socket, show: Callable[[str], None], observer: Observer | None = None
) -> None:
    """Answer from `engine` until SIGINT or SIGTERM; the calls in hand are answered first."""
    config = uvicorn.Config(
        App(engine, observer),
        http=Protocol,
        loop="uvloop",
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
    announcer(show)([listening.getsockname()[:2]])
    await server.serve(sockets=[listening])


async def run_simulation(host: str, port: int, *, quiet: bool = False) -> int:
    """Answer as the documented endpoint until told to stop; the exit code.

    Raises:
        ProxyProblem: it cannot listen on `host:port`.
    """
    screen = Screen()
    with listen(host, port) as listening:
        observe = None if quiet else observer(screen)
        await run_server(Simulation(Schemas()), listening, screen.show, observe)
    screen.close()
    return 0
