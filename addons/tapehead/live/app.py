"""The live page's web site: its files, and a stream of lines for who has the token."""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tapehead.live.call_log import MOST_CALLS, CallLog, LoggedCall
from tapehead.live.request_guard import OK, SAFE_HEADERS, UNAUTHORIZED, RequestGuard
from tapehead.server.asgi import TRANSPORT, Protocol, Receive, Scope, Send
from tapehead.web.asset_files import read_asset

# A page that takes nothing for so long is dropped; one that hears nothing for longer than a beat knows it was.
SLOW_SECONDS, BEAT_SECONDS = 10.0, 3.0
# Calls that come together go out together.
TOGETHER_SECONDS = 0.05
# How long the pages have to read that it is over.
FAREWELL_SECONDS = 0.5
MOST_HEAD = 32_000
BEAT = b"\n"

Message = MutableMapping[str, Any]

_FILES = {
    "/": ("live/assets/page.html", "text/html"),
    "/page.css": ("live/assets/page.css", "text/css"),
    "/page.js": ("live/assets/page.js", "text/javascript"),
    "/json.js": ("web/assets/json_view.js", "text/javascript"),
}
PUBLIC = frozenset(_FILES)


class Feed:
    """A board that many pages read, each at its own pace.

    Args:
        board: what there is to read.
        title: what it is.
    """

    def __init__(self, board: CallLog, title: str) -> None:
        self._board = board
        self._title = title
        self._lock = threading.Lock()
        self._closed = False
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transports: set[asyncio.Transport] = set()

    # ---- In other threads ----

    def post(self, call: LoggedCall, missed: int) -> None:
        """Put up a call, and how many never came so far."""
        with self._lock:
            self._board.totals.missed = missed
            self._board.post(call)
        self._tell(self._wake)

    def close(self) -> None:
        """Let the pages read to the end, for a moment, and hang up."""
        self._closed = True
        self._tell(self._end)

    def _tell(self, what: Callable[[], object]) -> None:
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(what)

    # ---- On the server's loop ----

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _end(self) -> None:
        self._wake()
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self.hang_up)

    def hang_up(self) -> None:
        """Break what connections are left."""
        for transport in self._transports:
            _reset(transport)

    async def lines(self, place: int) -> AsyncIterator[bytes]:
        """What a page gets that stopped at `place`: whole lines, until there are no more."""
        self._loop = asyncio.get_running_loop()
        yield _line({"kind": "hello", "title": self._title, "keeps": MOST_CALLS, "beat": BEAT_SECONDS})
        place = place if place <= self._board.totals.calls else 0
        while True:
            changed, closed = self._changed, self._closed
            with self._lock:
                lines, place = self._board.since(place)
            if lines:
                yield b"\n".join(lines) + b"\n"
            elif closed:
                yield _line({"kind": "end"})
                return
            elif not await _happens(changed):
                yield BEAT

    async def stream(self, place: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page its lines; hang up on it where it does not take them."""
        transport = scope["extensions"][TRANSPORT]

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send(message)
            except TimeoutError:
                _reset(transport)

        self._transports.add(transport)
        try:
            await StreamingResponse(self.lines(place), media_type="application/x-ndjson")(scope, receive, send_in_time)
        finally:
            self._transports.discard(transport)


def _reset(transport: asyncio.Transport) -> None:
    """Break a connection, and let go of what it has not taken, in the system's memory, too."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


async def _happens(changed: asyncio.Event) -> bool:
    """Whether an event happens before it is time for a sign of life."""
    try:
        async with asyncio.timeout(BEAT_SECONDS):
            await changed.wait()
    except TimeoutError:
        return False
    await asyncio.sleep(TOGETHER_SECONDS)
    return True


class _Guarded:
    """An application behind a doorkeeper: what is refused gets a status and nothing else."""

    def __init__(self, app: Starlette, doorkeeper: RequestGuard, note: Callable[[Exception], None]) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status = self._doorkeeper.judge(scope["method"], scope["path"], scope["headers"])
        app: Callable[..., Awaitable[None]] = self._app if status == OK else _refusal(status)
        try:
            await app(scope, receive, _safely(send))
        except Exception as error:  # noqa: BLE001 - the page may be lost; what it shows goes on
            self._note(error)
            scope["extensions"][TRANSPORT].abort()


def _safely(send: Send) -> Send:
    """A way to send that puts the safe headers into every answer."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *((n.encode(), v.encode()) for n, v in SAFE_HEADERS)]
        await send(message)

    return send_safely


def _refusal(status: int) -> Response:
    return Response(status_code=status, headers={"www-authenticate": "Bearer"} if status == UNAUTHORIZED else None)


def site(feed: Feed, doorkeeper: RequestGuard, note: Callable[[Exception], None]) -> Callable[..., Awaitable[None]]:
    """The application.

    Args:
        feed: what the pages read.
        doorkeeper: who may.
        note: called with what failed.
    """
    files = [Route(path, _file(name, kind)) for path, (name, kind) in _FILES.items()]
    return _Guarded(Starlette(routes=[*files, Route("/lines", _Lines(feed))]), doorkeeper, note)


class _Lines:
    """The stream; `after` in the query says where a page stopped."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one page, for as long as it stays."""
        said = Request(scope).query_params.get("after", "")
        place = int(said) if said.isascii() and said.isdigit() and len(said) < 18 else 0
        await self._feed.stream(place, scope, receive, send)


def _file(path: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = read_asset(path).encode()

    async def answer(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


class QuietProtocol(Protocol):
    """A protocol that logs nothing of what strangers send, and takes no head without end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("tapehead.live.connections")
        self.logger.disabled = True
        self._head = 0
        self._asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; one that asks for nothing does not keep others out."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(SLOW_SECONDS, self._hurry)

    def _hurry(self) -> None:
        if not self._asked:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take some bytes of a request."""
        self._head += len(data)
        if self._head > MOST_HEAD:
            self.transport.abort()
        else:
            super().data_received(data)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._head = 0
        self._asked = True
        super().on_message_complete()
