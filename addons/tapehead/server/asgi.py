"""An engine as a plain ASGI application under uvicorn: no proxy, no framework.

ASGI cannot express a broken connection, and recorded or injected failures need one: `Protocol` puts uvicorn's own
transport into the scope's extensions. Under another server a broken connection becomes a 502.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
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
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

TRANSPORT = "tapehead.transport"
# Statuses that uvicorn can send.
STATUSES = range(100, 600)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the connection's transport in the scope's extensions."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        self.scope["extensions"] = extensions


def filtered(protocol: type[Protocol], client_filter: ClientFilter) -> type[Protocol]:
    """Return `protocol` with a client filter: refused connections are closed before anything is read from them."""

    class FilteredProtocol(protocol):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            """Accept a connection, or close it."""
            super().connection_made(transport)
            if not client_filter.admits(self.client and self.client[0]):
                transport.abort()

    return FilteredProtocol


class App:
    """An ASGI application that answers from an engine.

    Args:
        engine: answers the requests.
        internal_errors: records exceptions of the engine, which the player gets as a 500, and of the observers.
        observers: called in turn with each request, its answer, and its arrival in seconds since 1970.
    """

    def __init__(self, engine: Engine, internal_errors: InternalErrors, observers: Sequence[Observer] = ()) -> None:
        self._engine = engine
        self._internal_errors = internal_errors
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or acknowledge the server's start and end."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            message = None
            while message != "lifespan.shutdown":
                message = (await receive())["type"]
                await send({"type": f"{message}.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        now = time.time()
        request = unpack(request_of_scope(scope), bytes(body))
        try:
            answer = self._engine.answer(request, now)
        except Exception as error:  # noqa: BLE001 - the player gets an answer in any case
            self._internal_errors.record("answering a call", error, lambda: (request, None))
            answer = Answer(response=failure(500, FAILED, now))
        if answer.delay_ms:
            await asyncio.sleep(answer.delay_ms / 1000)
        await send_answer(answer, scope, receive, send)
        for observe in self._observers:
            try:
                observe(request, answer, now)
            except Exception as error:  # noqa: BLE001 - the player has its answer
                self._internal_errors.record("showing a call", error, lambda: (request, answer.response))


def request_of_scope(scope: Scope) -> Request:
    """Return the request of an ASGI scope, without its body."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    host = next((value for name, value in headers if name == "host"), "localhost")
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{host}{path}{'?' if query else ''}{query}"
    return Request(method=scope["method"], url=url, headers=headers)


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer: a response, the first half of one, or a broken connection."""
    transport = scope.get("extensions", {}).get(TRANSPORT)
    response = answer.response
    breaks = answer.cut or response is None
    if breaks and transport is None:
        message = "this server cannot break a connection; the recorded answer is a broken one"
        breaks, response = False, failure(502, message, time.time())
    if response is not None and response.status not in STATUSES:
        response = failure(502, f"this server cannot send the recorded status {response.status}", time.time())
    if response is None or (breaks and response.status == 204):
        # A 204 has no body that could be cut, so its head does not arrive either.
        transport.abort()
        await receive()
        return
    body = pack(response)
    if not breaks:
        await send_response(response, body, len(body), send)
        return
    # Where there is no body to cut, one is announced that never comes.
    await send_response(response, body[: len(body) // 2], max(len(body), 1), send)
    transport.close()
    await receive()


async def send_response(response: Response, body: bytes, length: int, send: Send) -> None:
    """Send a response of which `body` is all, or the beginning, of `length` announced bytes."""
    headers = header_bytes(response.headers)
    if response.status != 204:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": len(body) < length})
