"""The answer to clients that begin with HTTP/2: HTTP/1.1 is required, for which HTTP/2 has an error code.

A client that understands it, such as curl, sends its request again in HTTP/1.1.
"""

import asyncio
from collections.abc import Iterator

from tapehead.protocol.http_wire import HTTP2_PREFACE

# Frames, their types and the code: RFC 9113, sections 4.1, 6 and 7.
_HEAD_SIZE, _MOST_PAYLOAD = 9, 16_384
_HEADERS, _RST_STREAM, _SETTINGS = 1, 3, 4
_ACK = 1
_HTTP_1_1_REQUIRED = 13


class Http2Refusal:
    """An HTTP/2 connection on which every request is refused; it stays open for the client to read that.

    Args:
        transport: the connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._received = bytearray()
        self._is_new = True
        transport.write(_frame(_SETTINGS, 0, 0))

    def feed(self, data: bytes) -> None:
        """Receive some bytes, beginning with those that told the protocol."""
        self._received += data
        if self._is_new and len(self._received) >= len(HTTP2_PREFACE):
            self._is_new = False
            del self._received[: len(HTTP2_PREFACE)]
        for kind, flags, stream in self._frames() if not self._is_new else ():
            if kind == _SETTINGS and not flags & _ACK:
                self._transport.write(_frame(_SETTINGS, _ACK, 0))
            elif kind == _HEADERS:
                code = _HTTP_1_1_REQUIRED.to_bytes(4, "big")
                self._transport.write(_frame(_RST_STREAM, 0, stream, code))

    def _frames(self) -> Iterator[tuple[int, int, int]]:
        """Yield type, flags and stream of whole frames; one larger than allowed ends the connection."""
        while len(self._received) >= _HEAD_SIZE:
            length = int.from_bytes(self._received[:3], "big")
            if length > _MOST_PAYLOAD:
                self._transport.abort()
                return
            if len(self._received) < _HEAD_SIZE + length:
                return
            kind, flags, stream = self._received[3], self._received[4], int.from_bytes(self._received[5:9], "big")
            del self._received[: _HEAD_SIZE + length]
            yield kind, flags, stream


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
