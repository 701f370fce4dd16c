"""A client that speaks HTTP/3, as some players do over QUIC."""

import asyncio
import ssl

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent


class _Client(QuicConnectionProtocol):
    """One request on a connection."""

    def __init__(self, *args: object, **named: object) -> None:
        super().__init__(*args, **named)  # type: ignore[arg-type]
        self._http = H3Connection(self._quic)
        self.status: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Take the status of the answer."""
        for received in self._http.handle_event(event):
            if isinstance(received, HeadersReceived) and not self.status.done():
                self.status.set_result(dict(received.headers)[b":status"].decode())

    def send(self, headers: dict[str, str], body: bytes) -> None:
        """Send a request."""
        stream = self._quic.get_next_available_stream_id()
        self._http.send_headers(stream, [(name.encode(), value.encode()) for name, value in headers.items()])
        self._http.send_data(stream, body, end_stream=True)
        self.transmit()


def post_by_http3(port: int, path: str, body: bytes, timeout_seconds: float = 30.0) -> str:
    """Return the status of the answer to a JSON body, from a server on 127.0.0.1."""

    async def ask() -> str:
        settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE)
        async with connect("127.0.0.1", port, configuration=settings, create_protocol=_Client) as client:
            assert isinstance(client, _Client)
            names = {":method": "POST", ":scheme": "https", ":authority": f"127.0.0.1:{port}", ":path": path}
            client.send({**names, "content-type": "application/json"}, body)
            return await asyncio.wait_for(client.status, timeout_seconds)

    return asyncio.run(ask())
