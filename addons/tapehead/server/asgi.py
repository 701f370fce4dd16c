"""An engine as a plain ASGI application under uvicorn: no proxy, no framework.

ASGI has no word for a connection that breaks, and recorded or injected failures need one: `Protocol` puts uvicorn's
own transport into the scope's extensions. Under another server a broken connection becomes a 502.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tapehead.answers import Answer, Engine, Observer
from tapehead.internal_errors import InternalErrors
from tapehead.network.access_policy import ClientFilter
from tapehead.protocol.http_wire import header_bytes, pack, unpack
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.responses import FAILED, failure

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT = "tapehead.transport"
# What uvicorn sends.
STATUSES = range(100, 600)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the connection's transport in the scope's extensions."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions


def guarded(admission: ClientFilter) -> type[Protocol]:
    """The protocol with a gate: connections of clients that may not come in are closed before anything is read."""

    class Guarded(Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Take a connection, or close it."""
            super().connection_made(transport)
            if not admission.admits(self.client and self.client[0]):
                transport.abort()

    return Guarded


class App:
    """The ASGI application that answers from `engine`.

    Args:
        engine: what answers.
        failures: what failed of it; the player gets a 500 then.
        observer: hears of each answer.
    """

    def __init__(self, engine: Engine, failures: InternalErrors, observer: Observer | None = None) -> None:
        self._engine = engine
        self._failures = failures
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the server's start and end."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        now = time.time()
        request = unpack(_request(scope), body)
        answer = self._ask(request, now)
        if answer.delay_ms:
            await asyncio.sleep(answer.delay_ms / 1000)
        await _send_answer(answer, scope, receive, send)
        self._observe(request, answer, now)

    def _ask(self, request: Request, now: float) -> Answer:
        try:
            return self._engine.answer(request, now)
        except Exception as error:  # noqa: BLE001 - the player gets an answer, whatever it is
            self._failures.record("answering a call", error, lambda: (request, None))
            return Answer(response=failure(500, FAILED, now))

    def _observe(self, request: Request, answer: Answer, now: float) -> None:
        try:
            if self._observer:
                self._observer(request, answer, now)
        except Exception as error:  # noqa: BLE001 - the player has its answer
            self._failures.record("showing a call", error, lambda: (request, answer.response))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None if the client left before its end."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _request(scope: Scope) -> Request:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), "localhost")
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{host}{path}{'?' if query else ''}{query}"
    return Request(method=scope["method"], url=url, headers=headers)


async def _send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    transport = scope.get("extensions", {}).get(TRANSPORT)
    response = answer.response
    if (response is None or answer.cut) and transport is None:
        response = failure(
            502, "this server cannot break a connection; the recorded answer is a broken one", time.time()
        )
    if response is not None and response.status not in STATUSES:
        response = failure(502, f"this server cannot send the recorded status {response.status}", time.time())
    if response is None or (answer.cut and transport is not None and response.status == 204):
        # A 204 has no body that could be cut, so its head does not arrive either.
        transport.abort()
        await receive()
    elif answer.cut and transport is not None:
        await _send_cut(response, transport, receive, send)
    else:
        await _send_response(response, pack(response), send)


async def _send_response(response: Response, body: bytes, send: Send, *, more: bool = False, length: int = -1) -> None:
    size = len(body) if length < 0 else length
    headers = header_bytes(response.headers)
    if response.status != 204:
        headers.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _send_cut(response: Response, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
    """Send the first half of an answer, then close; an answer without a body announces one that never comes."""
    body = pack(response)
    await _send_response(response, body[: len(body) // 2], send, more=True, length=max(len(body), 1))
    transport.close()
    await receive()
