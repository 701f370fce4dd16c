"""An HTTP server to start and stop from Python, around an engine or any ASGI application."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from functools import partial
from typing import Any, Self, cast

from uvicorn.config import Config
from uvicorn.server import Server as HttpServer

from tapehead.answers import Capture, Engine, Observer
from tapehead.internal_errors import InternalErrors
from tapehead.network.access_policy import ClientFilter
from tapehead.server.asgi import App, AsgiApp, Forward, Protocol, filtered
from tapehead.server.direct_protocol import DirectProtocol
from tapehead.server.listening import BACKLOG, MOST_TAKEN, STOP_SIGNALS, listen
from tapehead.text import http_url

_IS_OURS = ContextVar("is_ours", default=False)


def _is_logged(record: logging.LogRecord) -> bool:
    """Return whether the process's log takes a record: not that one of these servers starts, listens or ends."""
    return record.levelno >= logging.WARNING or not _IS_OURS.get()


logging.getLogger("uvicorn.error").addFilter(_is_logged)


class _UvicornServer(HttpServer):
    """uvicorn's server without its signal handlers, which would end the process before its summary.

    Args:
        config: uvicorn's configuration.
        others: sockets of other processes, from which connections that wait are taken now and then.
    """

    def __init__(self, config: Config, others: Sequence[socket.socket] = ()) -> None:
        super().__init__(config)
        self._others = others
        for other in others:
            other.setblocking(False)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and log nothing but problems."""
        _IS_OURS.set(True)
        await super().serve(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Take connections that another process leaves waiting, since it is busy or has died; then do as uvicorn."""
        loop, state = asyncio.get_running_loop(), self.lifespan.state
        make = partial(cast(Any, self.config.http_protocol_class), self.config, self.server_state, state, loop)
        for other in self._others:
            with contextlib.suppress(OSError):  # no more wait
                for _ in range(MOST_TAKEN):
                    connection, _ = other.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(make, connection)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class Server:
    """An HTTP server that runs in a thread of its own, or in the foreground of a command.

    Use it as a context manager, or call `start` and `stop`; it can be started again after a stop:

        with Server(engine) as server:
            httpx.post(f"{server.url}/api/v1/sessions", json=body)

    Nothing is printed; failures go into the log. Several servers can run in one process.

    Args:
        app: an engine, which is anything with `answer(request, now)`, or an ASGI application.
        host: the address to listen on.
        port: the port to listen on; 0 picks a free one at each start.
        listening: a socket that listens already, used instead of `host` and `port`. Stopping closes it.
        others: sockets of other processes on the same address, as `listen_together` returns them.
        client_filter: says whose connections are accepted; None to accept all.
        observers: called in turn with each request to an engine, its answer, and its arrival in seconds since 1970.
        capture: takes each call to an engine before its answer is sent; None where nothing reads them.
        forward: answers what an engine forwards; None where nothing may leave this machine.
        internal_errors: records exceptions, of an engine or its observers, say; None to log them only.
        grace_seconds: how long calls in hand may take when the server stops.
        protocol: uvicorn's HTTP protocol.
        name: names the server in the log, and its thread.
    """

    def __init__(
        self,
        app: Engine | AsgiApp,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        listening: socket.socket | None = None,
        others: Sequence[socket.socket] = (),
        client_filter: ClientFilter | None = None,
        observers: Sequence[Observer] = (),
        capture: Capture | None = None,
        forward: Forward | None = None,
        internal_errors: InternalErrors | None = None,
        grace_seconds: int = 5,
        protocol: type[Protocol] = DirectProtocol,
        name: str = "the server",
    ) -> None:
        self._internal_errors = internal_errors or InternalErrors()
        self._app: Callable[..., Any] = cast(AsgiApp, app)
        if callable(getattr(app, "answer", None)):
            self._app = App(cast(Engine, app), self._internal_errors, observers, capture, forward)
        self._host = host
        self._port = port
        self._listening = listening
        self._others = others
        self._protocol = filtered(protocol, client_filter) if client_filter else protocol
        self._grace_seconds = grace_seconds
        self._name = name
        self._address: tuple[str, int] | None = None
        self._server: _UvicornServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Begin to listen, and answer in a new thread.

        Raises:
            StartupError: nothing can listen there, as when the port is in use.
            RuntimeError: it runs already.
        """
        server, listening = self._open()
        self._thread = threading.Thread(target=self._run_thread, args=(server, listening), name=self._name, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, let calls in hand finish, and end the thread; nothing happens if it does not run."""
        server, thread = self._server, self._thread
        self._server = self._thread = self._address = None
        if server and thread:
            server.should_exit = True
            # An engine that never returns keeps its thread, but not whoever stops the server.
            thread.join(self._grace_seconds + 1)

    def run(
        self,
        on_ready: Callable[[], None] | None = None,
        around: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        """Answer in this thread until SIGINT or SIGTERM, and then let calls in hand finish.

        Only the main thread can do this, since only it can handle signals.

        Args:
            on_ready: called once signals are handled, just before the first call can be answered.
            around: entered on the event loop before that, and left once all calls are answered; None for nothing.

        Raises:
            StartupError: nothing can listen there, as when the port is in use.
            RuntimeError: it runs already.
        """
        server, listening = self._open()

        async def serve_until_signal() -> None:
            loop = asyncio.get_running_loop()
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, setattr, server, "should_exit", True)
            async with around or contextlib.nullcontext():
                if on_ready:
                    on_ready()
                await server.serve(sockets=[listening])

        try:
            with listening, asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(serve_until_signal())
        finally:
            self._server = self._address = None

    @property
    def url(self) -> str:
        """The server's URL, without a slash at its end.

        Raises:
            RuntimeError: the server does not run.
        """
        if self._address is None:
            raise RuntimeError("the server is not running; start it first")
        host, port = self._address
        return http_url(host, port)

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.stop()

    def _open(self) -> tuple[_UvicornServer, socket.socket]:
        if self._server:
            raise RuntimeError("the server is running already; stop it first")
        listening = self._listening or listen(self._host, self._port)
        config = server_config(self._app, self._protocol, self._grace_seconds)
        self._address = listening.getsockname()[:2]
        self._server = _UvicornServer(config, self._others)
        return self._server, listening

    def _run_thread(self, server: HttpServer, listening: socket.socket) -> None:
        try:
            with listening, asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(server.serve(sockets=[listening]))
        except Exception as error:  # noqa: BLE001 - a thread has no caller that could handle it
            self._internal_errors.record(self._name, error)


def server_config(app: Callable[..., Any], protocol: type[Protocol], grace_seconds: int = 5) -> Config:
    """Return uvicorn's configuration; arguments as for `Server`."""
    return Config(
        app,
        http=protocol,
        lifespan="off",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=grace_seconds,
    )


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, of uvloop where there is one for this system."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
