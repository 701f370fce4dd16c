"""Forwarding of calls to a real endpoint, for a server that records what it answers."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httptools

from tapehead.protocol.http_wire import end_to_end, header_bytes, pack, unpack
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import SESSION_CREATED
from tapehead.text import format_number

# The time that an answer may take in all, and its size: answers of the API have a few bytes, its schemas 100 kB.
TIMEOUT_SECONDS = 30.0
MOST_BYTES = 10_000_000
_PIECE_BYTES = 65_536
# The least status of an answer; lower ones are informational.
_FINAL = 200
# Headers of the connection to this server: the endpoint gets its own host, and no promise of a body that comes already.
_LEFT_OUT = frozenset({b"host", b"expect"})


class ForwardingError(Exception):
    """A failure of the endpoint to answer; the message says why.

    Attributes:
        status: the status that the player gets.
    """

    def __init__(self, message: str, status: int = 502) -> None:
        super().__init__(message)
        self.status = status


class Forwarder:
    """A forwarder of calls to an endpoint, each over a connection of its own, so that a slow answer delays no other.

    Args:
        url: the URL of the endpoint, without a slash at its end; its path stands before the API's.
        timeout_seconds: the time that an answer may take in all.
        most_bytes: the size of an answer's head and body.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS, most_bytes: int = MOST_BYTES) -> None:
        parts = urlsplit(url)
        self._authority, self._prefix = parts.netloc, parts.path
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes

    async def __call__(self, request: Request) -> Response:
        """Return the endpoint's answer, with a Location that leads back to this server.

        Raises:
            ForwardingError: none came.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._send(request)
        except TimeoutError as error:
            message = f"no answer from {self._authority} within {format_number(self._timeout_seconds)} s"
            raise ForwardingError(message, 504) from error
        except (OSError, ValueError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ForwardingError(f"no answer from {self._authority}: {error or type(error).__name__}") from error

    async def _send(self, request: Request) -> Response:
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            writer.write(self._bytes_of(request))
            answer = _Answer(is_head=request.method == "HEAD")
            parser, size = httptools.HttpResponseParser(answer), 0
            while not answer.is_complete and (data := await reader.read(_PIECE_BYTES)):
                size += len(data)
                if size > self._most_bytes:
                    raise ForwardingError(f"the answer of {self._authority} has more than {self._most_bytes:,} bytes")
                parser.feed_data(data)
                answer.status = parser.get_status_code()
                answer.is_complete &= answer.status >= _FINAL
        finally:
            writer.transport.abort()
        is_whole = answer.has_head and not answer.has_length and answer.status >= _FINAL
        if not (answer.is_complete or is_whole):
            raise ValueError("the connection was closed before the answer was complete")
        headers = end_to_end(answer.headers)
        if answer.status == SESSION_CREATED:
            headers = [
                (name, self._relative(value) if name.lower() == "location" else value) for name, value in headers
            ]
        return unpack(Response(status=answer.status, reason=answer.reason, headers=headers), bytes(answer.body))

    def _bytes_of(self, request: Request) -> bytes:
        _, slash, rest = request.url.partition("://")[2].partition("/")
        body = pack(request)
        headers = [(b"Host", self._authority.encode()), (b"Connection", b"close")]
        headers += [pair for pair in header_bytes(request.headers) if pair[0].lower() not in _LEFT_OUT]
        if body or request.method == "POST":
            headers.append((b"Content-Length", str(len(body)).encode()))
        line = f"{request.method} {self._prefix}{slash or '/'}{rest} HTTP/1.1".encode("latin-1")
        return b"\r\n".join([line, *(b"%s: %s" % pair for pair in headers), b"", body])

    def _relative(self, location: str) -> str:
        """Return the path of a Location as this server has it."""
        parts = urlsplit(location)
        path = parts.path.removeprefix(self._prefix) if parts.path.startswith(f"{self._prefix}/") else parts.path
        return f"{path}?{parts.query}" if parts.query else path


class _Answer:
    """An answer while it is received; httptools calls the methods.

    Attributes:
        has_length: whether its end can be told from a connection that was closed.
    """

    def __init__(self, *, is_head: bool) -> None:
        self._is_head = is_head
        self.status, self.reason, self.body = 0, "", bytearray()
        self.headers: list[tuple[str, str]] = []
        self.has_head = self.has_length = self.is_complete = False

    def on_message_begin(self) -> None:
        """Forget an answer that only was informational."""
        self.reason, self.headers = "", []
        self.has_head = self.has_length = self.is_complete = False

    def on_status(self, status: bytes) -> None:
        """Take a part of the reason."""
        self.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        self.has_length |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """End the head."""
        self.has_head = True
        self.is_complete = self._is_head

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """End the answer."""
        self.is_complete = True
