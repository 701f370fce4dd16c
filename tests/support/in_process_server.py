"""An HTTP protocol of the server on a connection that is not one: what is sent to it and by it are bytes."""

import asyncio
from collections.abc import Sequence
from typing import Any

from uvicorn.server import ServerState

from tapehead.server.asgi import App, Protocol
from tapehead.server.uvicorn_server import server_config

# More than any answer here takes.
MOST_STEPS = 100_000


class Line(asyncio.Transport):
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.reads = True
        self._protocol: Protocol | None = None
        self._is_closing = False

    def attach(self, protocol: Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._is_closing:
            self.sent += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing and self._protocol:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default


def protocol_of(kind: type[Protocol], app: App) -> Protocol:
    """A protocol as the server makes it; it needs a running loop."""
    config = server_config(app, kind)
    config.load()
    return kind(config=config, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop())


async def settle(protocol: Protocol) -> None:
    """Wait until every request that came whole is answered, and a closed connection has ended."""
    for _ in range(MOST_STEPS):
        await asyncio.sleep(0)
        if not protocol.tasks or protocol.transport.is_closing() or protocol.cycle.more_body:
            break
    for _ in range(3):
        await asyncio.sleep(0)


async def converse(kind: type[Protocol], app: App, pieces: Sequence[bytes]) -> bytes:
    """Send pieces over a connection, each when those before it are answered; what came back until its end."""
    protocol, line = protocol_of(kind, app), Line()
    line.attach(protocol)
    for piece in pieces:
        if line.is_closing():
            break
        protocol.data_received(piece)
        await settle(protocol)
    line.close()
    for _ in range(MOST_STEPS):
        await asyncio.sleep(0)
        if not protocol.tasks:
            break
    assert not protocol.tasks, "a request goes on although its connection has ended"
    protocol._unset_keepalive_if_required()
    return line.sent
