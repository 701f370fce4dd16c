"""The live page beside the traffic: calls are prepared in one thread of their own and served from another.

The traffic never waits for it: handing over a call compares two numbers and puts it into a queue. A call that finds no
room is counted and not shown.
"""

import functools
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

from tapehead.answers import Answer
from tapehead.internal_errors import InternalErrors
from tapehead.live.app import PUBLIC, CallStream, QuietProtocol, build_app
from tapehead.live.call_log import CallLog, LoggedCall
from tapehead.live.request_guard import RequestGuard
from tapehead.live.views import AnswerViews, view_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request
from tapehead.redaction.redactor import Redactor
from tapehead.server.uvicorn_server import Server, listen

HOST = "127.0.0.1"
# Limits of what may wait to be shown, in calls and in bytes of their bodies.
MOST_WAITING, MOST_WAITING_BYTES = 5_000, 16_000_000
TIMEOUT_SECONDS = 1
_TOKEN_BYTES = 32
_CALL_OVERHEAD = 4_000


class LiveServer:
    """A live page, served inside a `with` block.

    `show_stored` subscribes to a recording's exchanges, `show_answer` to an engine's answers.

    Args:
        port: the port on 127.0.0.1; 0 picks a free one.
        title: the page's title.
        internal_errors: records failures of the page.
        redact_keys: keys with identifying values, besides the built-in ones.

    Attributes:
        link: the URL to open. It carries the token behind its #, so that the token is in no request line.

    Raises:
        StartupError: nothing can listen on the port.
    """

    def __init__(self, port: int, title: str, internal_errors: InternalErrors, redact_keys: Iterable[str] = ()) -> None:
        listening = listen(HOST, port, "--live")
        port, token = listening.getsockname()[1], secrets.token_urlsafe(_TOKEN_BYTES)
        self.link = f"http://{HOST}:{port}/#{token}"
        self._internal_errors = internal_errors
        self._answer_views = AnswerViews(Redactor(secrets.token_bytes(_TOKEN_BYTES), redact_keys))
        self._queue: queue.Queue[tuple[Callable[[], LoggedCall], int] | None] = queue.Queue(MOST_WAITING)
        # Bytes put into the queue and taken out of it; each is written by one thread only.
        self._bytes_in = self._bytes_out = self._missed = 0
        self._stream = CallStream(CallLog(), title)
        self._thread = threading.Thread(target=self._prepare_calls, name="tapehead-live", daemon=True)
        self._server = Server(
            build_app(self._stream, RequestGuard(port, token, PUBLIC), self._record_error),
            listening=listening,
            internal_errors=internal_errors,
            grace_seconds=TIMEOUT_SECONDS,
            protocol=QuietProtocol,
            name="the live page",
        )

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show what waits, end the pages' streams, and stop serving, within about three seconds."""
        try:
            self._queue.put(None, timeout=TIMEOUT_SECONDS)
        except queue.Full:
            pass
        else:
            self._thread.join(TIMEOUT_SECONDS)
        self._stream.close()
        self._server.stop()

    # ---- In the thread of the traffic; one thread at a time ----

    def show_stored(self, exchange: Exchange, size: int) -> None:
        """Show an exchange that was stored in a line of `size` bytes."""
        self._put(functools.partial(view_of, exchange), size)

    def show_answer(self, request: Request, answer: Answer, now: float) -> None:
        """Show an answer to a request that arrived at `now`, in seconds since 1970."""
        size = sum(
            _CALL_OVERHEAD + len(message.body) + len(message.text or "") + len(message.base64 or "")
            for message in (request, answer.response)
            if message
        )
        self._put(functools.partial(self._answer_views.view, request, answer, now, time.time()), size)

    def _put(self, make_view: Callable[[], LoggedCall], size: int) -> None:
        if self._bytes_in - self._bytes_out + size > MOST_WAITING_BYTES:
            self._missed += 1
            return
        try:
            self._queue.put_nowait((make_view, size))
        except queue.Full:
            self._missed += 1
        else:
            self._bytes_in += size

    # ---- In its own threads ----

    def _prepare_calls(self) -> None:
        while (waiting := self._queue.get()) is not None:
            make_view, size = waiting
            try:
                self._stream.add(make_view(), self._missed)
            except Exception as error:  # noqa: BLE001 - this call is not shown; the next one may be
                self._record_error(error)
            self._bytes_out += size

    def _record_error(self, error: Exception) -> None:
        self._internal_errors.record("the live page", error)
