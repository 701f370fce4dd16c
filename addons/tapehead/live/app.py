"""The live page's ASGI application: its files, the HTTP API, and a stream of changes for holders of the token."""

import asyncio
import contextlib
import logging
import math
import socket
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.responses import Response, StreamingResponse

from tapehead.journal.conditions import ChangeSignal
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.rows import Changes
from tapehead.live.api_model import (
    BAD_REQUEST,
    FILTERS,
    HEALTH_PATH,
    METRICS_PATH,
    MOST_ROWS,
    PREFIX,
    ApiError,
    Filter,
    Query,
    is_of_api,
    number_from,
    seconds_up_to,
)
from tapehead.live.long_heads import MOST_HEAD, MOST_UNREAD, refuse_long_head
from tapehead.live.openapi import PATH as OPENAPI_PATH
from tapehead.live.request_guard import NO_CONTENT, NOT_ALLOWED, OK, SAFE_HEADERS, UNAUTHORIZED, Decision, RequestGuard
from tapehead.rules.catalog import RULES
from tapehead.server.asgi import TRANSPORT, AsgiApp, Message, Protocol, Receive, Scope, Send
from tapehead.web.asset_files import read_asset

# A page that reads nothing for so long is disconnected; a page that receives nothing for longer than that knows that
# it was disconnected.
SLOW_SECONDS, KEEPALIVE_SECONDS = 10.0, 3.0
# Calls that arrive within this time are sent together.
BATCH_SECONDS = 0.05
# Time for pages to read the last lines when the server stops.
DRAIN_SECONDS = 0.5
# Lines that are kept for other pages, each of a few hundred calls.
MOST_LINES = 8
# Connections at a time; players need the rest of what the process may open.
MOST_CONNECTIONS = 64
KEEPALIVE = b"\n"
# Large answers are sent in parts, each of which the client has to read in time.
PART_BYTES = 256_000

STREAM = f"{PREFIX}/stream"
MOST_STREAM_SECONDS = 86_400
STREAM_FILTERS = {
    "after": FILTERS["after"]._replace(description="The last change that is known."),
    "latest": Filter(
        "Begin with all sessions and so many of the latest calls, instead of all changes; not with `after`.",
        *number_from(1, MOST_ROWS),
    ),
    "timeout": Filter(
        "The seconds after which the stream ends; 0 for what there is now. Until the run ends if left out.",
        *seconds_up_to(MOST_STREAM_SECONDS),
    ),
}

_STYLES = ("web/assets/base.css", "web/assets/timeline.css", "live/assets/page.css")
_SCRIPTS = ("web/assets/elements.js", "web/assets/json_view.js", "web/assets/timeline.js")
_OWN_SCRIPTS = ("row_list", "connection", "sessions", "calls", "call_view", "session_view", "page")
# A page opens sooner with few requests, so files of a kind are one.
_FILES = {
    "/": (("live/assets/page.html",), "text/html"),
    "/page.css": (_STYLES, "text/css"),
    "/page.js": ((*_SCRIPTS, *(f"live/assets/{name}.js" for name in _OWN_SCRIPTS)), "text/javascript"),
}
RULES_PATH = "/rules.json"
PUBLIC = frozenset({*_FILES, RULES_PATH, PREFIX + OPENAPI_PATH, HEALTH_PATH})


class ChangeStream:
    """The changes of a journal for many pages, each of which reads at its own pace.

    Args:
        journal: the journal.
        title: the page's title.
        on_open: called whenever a page begins to read.
    """

    def __init__(self, journal: Journal, title: str, on_open: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._on_open = on_open
        self._title = title
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signals: set[ChangeSignal] = set()
        self._transports: set[asyncio.Transport] = set()
        # Makes lines, one at a time.
        self._maker = ThreadPoolExecutor(1, "tapehead-stream")
        # The lines that follow some changes, and the last change in each, as long as nothing changes.
        self._lines: OrderedDict[int, asyncio.Future[tuple[bytes, int]]] = OrderedDict()
        self._lines_until = 0
        # The line that a new page begins with, by the number of calls in it, and its change.
        self._snapshots: dict[int, tuple[bytes, int]] = {}

    def close(self) -> None:
        """Let the pages read to the end, and after a moment disconnect those that do not; called in another thread."""
        self._closed = True
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so there are no pages
                self._loop.call_soon_threadsafe(self._end)

    # ---- On the server's loop ----

    def _end(self) -> None:
        for signal in self._signals:
            signal()
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._abort_unread)

    def _abort_unread(self) -> None:
        # Where nothing waits to be sent, the last line is still to come: it may be late, and would be discarded.
        for transport in [each for each in self._transports if each.get_write_buffer_size()]:
            abort_connection(transport)

    async def _line_after(self, change: int) -> tuple[bytes, int]:
        """Return the line of the changes after one; pages that are equally far share it."""
        latest = self._journal.change
        if latest != self._lines_until:
            self._lines.clear()
            self._lines_until = latest
        if change not in self._lines:
            self._lines[change] = asyncio.get_running_loop().run_in_executor(self._maker, self._make_line, change)
            if len(self._lines) > MOST_LINES:
                self._lines.popitem(last=False)
        return await asyncio.shield(self._lines[change])

    def _make_line(self, change: int) -> tuple[bytes, int]:
        changes = self._journal.since(change)
        return encode_changes("changes", changes), changes.change

    def _snapshot(self, calls: int) -> tuple[bytes, int]:
        """Return a line with all sessions and the latest calls; pages that open before anything changes share it."""
        journal = self._journal
        change = journal.change  # what comes meanwhile comes again
        line, known = self._snapshots.get(calls, (b"", -1))
        if change != known:
            changes = Changes(
                sessions=journal.sessions(RowFilter(limit=MOST_ROWS), latest=True),
                calls=journal.calls(RowFilter(limit=calls), latest=True),
                findings=[],
                totals=journal.totals(),
                change=change,
                is_last=True,
            )
            line = encode_changes("snapshot", changes)
            self._snapshots = {calls: (line, change)}
        return line, change

    async def lines(self, change: int, latest: int = 0, seconds: float = math.inf) -> AsyncIterator[bytes]:
        """Yield whole lines for a page, until the stream is closed.

        Args:
            change: the page has received everything up to this change.
            latest: the number of calls that a new page begins with; 0 for one that gets all since `change`.
            seconds: it ends after so long, once what was there at its beginning is told.
        """
        self._loop = asyncio.get_running_loop()
        deadline, there = self._loop.time() + seconds, self._journal.change
        signal = ChangeSignal()
        self._signals.add(signal)
        unsubscribe = self._journal.subscribe(signal)
        try:
            yield encode_line({"kind": "hello", "title": self._title, "beat": KEEPALIVE_SECONDS})
            change = change if change <= self._journal.change else 0
            if latest:
                line, change = await self._loop.run_in_executor(self._maker, self._snapshot, latest)
                yield line
            while True:
                closed, left = self._closed, deadline - self._loop.time()
                if left <= 0 and change >= there:
                    return
                if self._journal.change > change:
                    line, change = await self._line_after(change)
                    yield line
                elif closed:
                    yield encode_line({"kind": "end"})
                    return
                elif await signal.wait(min(KEEPALIVE_SECONDS, left)):
                    await asyncio.sleep(BATCH_SECONDS)
                else:
                    yield KEEPALIVE
        finally:
            unsubscribe()
            self._signals.discard(signal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a page its lines, as the query asks for them; disconnect a page that does not read them."""
        try:
            query = Query(QueryParams(scope["query_string"]), STREAM_FILTERS)
            if "after" in query and "latest" in query:
                raise ApiError(BAD_REQUEST, "'after' and 'latest' exclude each other: both say where the stream begins")
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        change, latest = query.number("after", 0), query.number("latest", 0)
        if "timeout" in query:
            await asyncio.to_thread(self._journal.settle)
        self._on_open()
        transport = scope["extensions"][TRANSPORT]

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send(message)
            except TimeoutError:
                abort_connection(transport)

        self._transports.add(transport)
        try:
            lines = self.lines(change, latest, query.seconds("timeout", math.inf))
            await StreamingResponse(lines, media_type="application/x-ndjson")(scope, receive, send_in_time)
        finally:
            self._transports.discard(transport)


def abort_connection(transport: asyncio.Transport) -> None:
    """Break a connection, and release what the system still holds for the other side."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def encode_line(value: object) -> bytes:
    """Return a value as a line of JSON."""
    return msgspec.json.encode(value) + b"\n"


def encode_changes(kind: str, changes: Changes) -> bytes:
    """Return changes as a line of JSON."""
    return b'{"kind":"%b",' % kind.encode() + msgspec.json.encode(changes)[1:] + b"\n"


def rules_json() -> bytes:
    """Return the catalogue of rules as the page explains findings with it."""
    return msgspec.json.encode(
        {rule.id: {"when": rule.when, "why": rule.why, "fix": rule.fix} for rule in RULES.values()}
    )


def in_parts(send: Send, transport: asyncio.Transport) -> Send:
    """Return a function that sends messages in parts, and breaks the connection to a client that does not read them."""

    async def send_in_parts(message: Message) -> None:
        body = message.get("body", b"")
        starts = range(0, len(body), PART_BYTES) if len(body) > PART_BYTES else (0,)
        for start in starts:
            part = body[start : start + PART_BYTES]
            is_last = start + PART_BYTES >= len(body)
            more = not is_last or message.get("more_body", False)
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await send({**message, "body": part, "more_body": more} if body else message)
            except TimeoutError:
                abort_connection(transport)
                return

    return send_in_parts


def refusal(decision: Decision, method: str, path: str, sentences: Mapping[int, str]) -> Response:
    """Return the answer to a request that is not accepted: a status, in the API with a sentence."""
    allowed = "GET, HEAD" if path in (METRICS_PATH, HEALTH_PATH) else "GET"
    headers = {UNAUTHORIZED: {"www-authenticate": "Bearer"}, NOT_ALLOWED: {"allow": allowed}}.get(decision.status, {})
    if decision.status == NO_CONTENT or method == "HEAD" or not is_of_api(path):
        return Response(None, decision.status, headers)
    sentence = sentences[decision.status]
    if decision.status == NOT_ALLOWED:
        sentence = f"method not allowed; expected {allowed}"
    response = ApiError(decision.status, sentence).response()
    response.headers.update(headers)
    return response


def build_app(
    stream: ChangeStream, api: AsgiApp, guard: RequestGuard, on_error: Callable[[Exception], None]
) -> AsgiApp:
    """Return the application; refused requests get a status and nothing that players sent.

    Args:
        stream: the changes of the journal.
        api: answers the paths that have no file.
        guard: checks each request.
        on_error: called with each exception.
    """
    files = {
        path: Response("\n".join(map(read_asset, names)), media_type=media_type)
        for path, (names, media_type) in _FILES.items()
    }
    rules = Response(rules_json(), media_type="application/json")
    apps: dict[str, AsgiApp] = {**files, RULES_PATH: rules, STREAM: stream}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        send_parts = in_parts(send, scope["extensions"][TRANSPORT])
        decision = guard.check(scope["method"], scope["path"], scope["headers"])
        if decision.status == OK and scope["path"] in apps and scope["method"] != "GET":
            decision = decision._replace(status=NOT_ALLOWED)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = (*SAFE_HEADERS, *decision.headers(is_preflight=decision.status == NO_CONTENT))
                message["headers"] = [*message["headers"], *((n.encode(), v.encode("latin-1")) for n, v in more)]
            await send_parts(message)

        answer = (
            (apps.get(scope["path"]) or api)
            if decision.status == OK
            else refusal(decision, scope["method"], scope["path"], guard.refusals)
        )
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
        self._in_body = self._has_request = self._is_refused = False

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
        """Receive some bytes of requests; a body may come together with its head."""
        if self._is_refused:
            self._head_size += len(data)
            if self._head_size > MOST_UNREAD:
                self.transport.abort()
            return
        while data and not self.transport.is_closing():
            room = len(data) if self._in_body else MOST_HEAD - self._head_size
            if not room:
                self._refuse_head()
                return
            part, data = data[:room], data[room:]
            if not self._in_body:
                self._head_size += len(part)
            super().data_received(part)

    def _refuse_head(self) -> None:
        if not self.is_idle:  # the answer before this one is on its way
            self.transport.abort()
            return
        self._is_refused = True
        refuse_long_head(self.transport, self.url)
        asyncio.get_running_loop().call_later(SLOW_SECONDS, self.transport.abort)

    def on_headers_complete(self) -> None:
        """End the head of a request; whoever reads its body limits that."""
        super().on_headers_complete()
        self._in_body = True

    def on_message_complete(self) -> None:
        """End a request."""
        self._head_size = 0
        self._in_body = False
        self._has_request = True
        super().on_message_complete()
