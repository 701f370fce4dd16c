"""The live page beside the traffic: what is handed over is worked on in a thread of its own and served from another.

The traffic waits for nothing of this: handing over is a look at two numbers and a queue, and what finds no room is
counted and not shown.
"""

import asyncio
import functools
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable

import uvicorn

from tapehead.answers import Answer, Observer
from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.live.app import PUBLIC, Feed, QuietProtocol, site
from tapehead.live.call_log import CallLog, LoggedCall
from tapehead.live.page_settings import LiveSettings
from tapehead.live.request_guard import RequestGuard
from tapehead.live.views import AnswerViews, view_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request, Response
from tapehead.redaction.redactor import Redactor

HOST = "127.0.0.1"
# What may wait to be shown, in calls and in bytes of their bodies.
MOST_WAITING, MOST_WAITING_BYTES = 5_000, 16_000_000
PATIENCE_SECONDS = 2.0
_TOKEN_BYTES = 32
_CALL_OVERHEAD = 4_000


class LiveServer:
    """A page that is served until it is closed.

    Args:
        settings: where, and what it says that it shows.
        failures: what fails of it is noted there.
        redact_keys: names whose values identify somebody, besides those that always do.

    Attributes:
        link: what to open; the token in it is in no request's first line, since it stands behind the #.

    Raises:
        StartupError: the port cannot be listened on.
    """

    def __init__(self, settings: LiveSettings, failures: InternalErrors, redact_keys: Iterable[str] = ()) -> None:
        listening = _listen(settings.port)
        port, token = listening.getsockname()[1], secrets.token_urlsafe(_TOKEN_BYTES)
        self.link = f"http://{HOST}:{port}/#{token}"
        self._failures = failures
        self._answers = AnswerViews(Redactor(secrets.token_bytes(_TOKEN_BYTES), redact_keys))
        self._waiting: queue.Queue[tuple[Callable[[], LoggedCall], int] | None] = queue.Queue(MOST_WAITING)
        # Bytes that came and bytes that went; each is written by one thread only.
        self._came = self._went = self._missed = 0
        self._feed = Feed(CallLog(), settings.title)
        app = site(self._feed, RequestGuard(port, token, PUBLIC), self._note)
        self._server = uvicorn.Server(_config(app))
        self._threads = [
            threading.Thread(target=self._work, name="tapehead-live", daemon=True),
            threading.Thread(target=self._serve, args=(listening,), name="tapehead-live-server", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # ---- Where the traffic is; one thread at a time ----

    def show_stored(self, exchange: Exchange, size: int) -> None:
        """Show an exchange as it is stored, in a line of `size` bytes."""
        self._put(functools.partial(view_of, exchange), size)

    def watching(self, observe: Observer | None) -> Observer:
        """An observer that shows each answer here, and to another one, too."""

        def both(request: Request, answer: Answer, now: float) -> None:
            if observe:
                observe(request, answer, now)
            size = _size_of(request) + (_size_of(answer.response) if answer.response else 0)
            self._put(functools.partial(self._answers.view, request, answer, now, time.time()), size)

        return both

    def _put(self, make: Callable[[], LoggedCall], size: int) -> None:
        if self._came - self._went + size > MOST_WAITING_BYTES:
            self._missed += 1
            return
        try:
            self._waiting.put_nowait((make, size))
        except queue.Full:
            self._missed += 1
        else:
            self._came += size

    def close(self) -> None:
        """Show what waits, tell the pages that it is over, and stop; that takes no longer than two seconds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            self._waiting.put(None, timeout=PATIENCE_SECONDS / 2)
        except queue.Full:
            pass
        else:
            self._threads[0].join(PATIENCE_SECONDS / 2)
        self._feed.close()
        self._server.should_exit = True
        self._threads[1].join(max(deadline - time.monotonic(), 0))

    # ---- In threads of its own ----

    def _work(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            make, size = waiting
            try:
                self._feed.post(make(), self._missed)
            except Exception as error:  # noqa: BLE001 - that call is not shown; the next may be
                self._note(error)
            self._went += size

    def _serve(self, listening: socket.socket) -> None:
        try:
            with listening:
                asyncio.run(self._server.serve(sockets=[listening]))
        except Exception as error:  # noqa: BLE001 - the traffic goes on without a page
            self._note(error)

    def _note(self, error: Exception) -> None:
        self._failures.record("the live page", error)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise StartupError.of_listening(HOST, port, error, "--live") from error


def _config(app: Callable[..., object]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=QuietProtocol,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=64,
    )


def _size_of(message: Request | Response) -> int:
    """About how many bytes a message holds in memory."""
    return _CALL_OVERHEAD + len(message.body) + len(message.text or "") + len(message.base64 or "")
