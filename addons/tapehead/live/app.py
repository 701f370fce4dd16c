"""The live page's ASGI application: its files, and a stream of JSON lines for holders of the token."""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from tapehead.live.call_log import MOST_CALLS, CallLog, LoggedCall
from tapehead.live.request_guard import OK, SAFE_HEADERS, UNAUTHORIZED, RequestGuard
from tapehead.server.asgi import TRANSPORT, AsgiApp, Message, Protocol, Receive, Scope, Send
from tapehead.web.asset_files import read_asset

# A page that reads nothing for so long is disconnected; a page that receives nothing for longer than a beat knows that
# it was disconnected.
SLOW_SECONDS, BEAT_SECONDS = 10.0, 3.0
# Calls that arrive within this time are sent together.
BATCH_SECONDS = 0.05
# Time for pages to read the last lines when the server stops.
FAREWELL_SECONDS = 0.5
MOST_HEAD = 32_000
# Connections at a time; players need the rest of what the process may open.
MOST_CONNECTIONS = 64
BEAT = b"\n"

_FILES = {
    "/": ("live/assets/page.html", "text/html"),
    "/base.css": ("web/assets/base.css", "text/css"),
    "/page.css": ("live/assets/page.css", "text/css"),
    "/page.js": ("live/assets/page.js", "text/javascript"),
    "/json.js": ("web/assets/json_view.js", "text/javascript"),
}
PUBLIC = frozenset(_FILES)


class CallStream:
    """A call log that many pages read, each at its own pace.

    Args:
        log: the calls.
        title: the page's title.
    """

    def __init__(self, log: CallLog, title: str) -> None:
        self._log = log
        self._title = title
        self._lock = threading.Lock()
        self._closed = False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transports: set[asyncio.Transport] = set()

    # ---- In other threads ----

    def add(self, call: LoggedCall, missed: int) -> None:
        """Add a call to the log, with the number of calls missed so far, and wake the pages."""
        with self._lock:
            self._log.add(call, missed)
        self._call_soon(self._wake)

    def close(self) -> None:
        """Let the pages read to the end, for a moment, and disconnect them."""
        self._closed = True
        self._call_soon(self._end)

    def _call_soon(self, callback: Callable[[], object]) -> None:
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so there are no pages
                self._loop.call_soon_threadsafe(callback)

    # ---- On the server's loop ----

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _end(self) -> None:
        self._wake()
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, lambda: [*map(reset, self._transports)])

    async def lines(self, number: int) -> AsyncIterator[bytes]:
        """Yield whole lines for a page that has received calls up to `number`, until the stream is closed."""
        self._loop = asyncio.get_running_loop()
        yield encode_line({"kind": "hello", "title": self._title, "keeps": MOST_CALLS, "beat": BEAT_SECONDS})
        number = number if number <= self._log.totals.calls else 0
        while True:
            changed, closed = self._changed, self._closed
            with self._lock:
                lines, number = self._log.since(number)
            if lines:
                yield b"\n".join(lines) + b"\n"
            elif closed:
                yield encode_line({"kind": "end"})
                return
            else:
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield BEAT
                else:
                    await asyncio.sleep(BATCH_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page its lines, from the call `after` of the query on; disconnect a page that does not read them."""
        after = QueryParams(scope["query_string"]).get("after", "")
        number = int(after) if after.isascii() and after.isdigit() and len(after) < 18 else 0
        transport = scope["extensions"][TRANSPORT]

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send(message)
            except TimeoutError:
                reset(transport)

        self._transports.add(transport)
        try:
            await StreamingResponse(self.lines(number), media_type="application/x-ndjson")(scope, receive, send_in_time)
        finally:
            self._transports.discard(transport)


def reset(transport: asyncio.Transport) -> None:
    """Break a connection, and release what the system still holds for the other side."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def encode_line(value: object) -> bytes:
    """Return a value as a line of JSON."""
    return msgspec.json.encode(value) + b"\n"


def build_app(stream: CallStream, guard: RequestGuard, on_error: Callable[[Exception], None]) -> AsgiApp:
    """Return the live page's application; refused requests get a status and nothing else.

    Args:
        stream: the calls.
        guard: checks each request.
        on_error: called with each exception.
    """
    files = {path: Response(read_asset(name), media_type=media_type) for path, (name, media_type) in _FILES.items()}
    apps: dict[str, AsgiApp] = {**files, "/lines": stream}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((n.encode(), v.encode()) for n, v in SAFE_HEADERS)]
            await send(message)

        status = guard.check(scope["method"], scope["path"], scope["headers"])
        if status == OK:
            answer = apps.get(scope["path"]) or Response("Not Found", 404)
        else:
            answer = Response(None, status, {"www-authenticate": "Bearer"} if status == UNAUTHORIZED else None)
        try:
            await answer(scope, receive, send_safely)
        except Exception as error:  # noqa: BLE001 - the page may fail, the traffic must not
            on_error(error)
            scope["extensions"][TRANSPORT].abort()

    return app


class QuietProtocol(Protocol):
    """An HTTP protocol that logs nothing of what clients send, and limits idle connections and long heads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("tapehead.live.connections")
        self.logger.disabled = True
        self._head_size = 0
        self._has_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; it is closed if no request arrives in time, or if others need its place."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        loop.call_later(SLOW_SECONDS, self._close_idle)
        if len(self.connections) > MOST_CONNECTIONS:
            open_ones = (each for each in self.connections if isinstance(each, QuietProtocol))
            oldest = min((each for each in open_ones if each.is_idle), key=lambda each: each._since)
            self.connections.discard(oldest)
            oldest.transport.abort()

    @property
    def is_idle(self) -> bool:
        """True if no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _close_idle(self) -> None:
        if not self._has_request:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Receive some bytes of a request."""
        self._head_size += len(data)
        if self._head_size > MOST_HEAD:
            self.transport.abort()
        else:
            super().data_received(data)

    def on_message_complete(self) -> None:
        """End a request."""
        self._head_size = 0
        self._has_request = True
        super().on_message_complete()
