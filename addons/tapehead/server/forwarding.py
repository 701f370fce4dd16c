"""Forwarding of calls to a real endpoint, for a server that records what it answers."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tapehead.protocol.http_wire import end_to_end, header_bytes, pack, unpack
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import SESSION_CREATED

if TYPE_CHECKING:
    from http.client import HTTPConnection

TIMEOUT_SECONDS = 30.0
# Headers of the connection to this server: the endpoint gets its own host, and no promise of a body that comes already.
_LEFT_OUT = frozenset({b"host", b"expect"})


class ForwardingError(Exception):
    """A failure of the endpoint to answer; the message says why."""


class Forwarder:
    """Sends calls on to an endpoint, each over a connection of its own.

    Args:
        url: the URL of the endpoint, without a slash at its end; its path stands before the API's.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._is_secure, self._authority, self._prefix = parts.scheme == "https", parts.netloc, parts.path

    def __call__(self, request: Request) -> Response:
        """Return the endpoint's answer, with a Location that leads back to this server.

        Raises:
            ForwardingError: none came.
        """
        from http.client import HTTPConnection, HTTPException, HTTPSConnection  # few runs forward calls

        connection_type = HTTPSConnection if self._is_secure else HTTPConnection
        connection = connection_type(self._authority, timeout=TIMEOUT_SECONDS)
        try:
            return self._send(connection, request)
        except (OSError, HTTPException, ValueError) as error:
            raise ForwardingError(f"no answer from {self._authority}: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _send(self, connection: "HTTPConnection", request: Request) -> Response:
        _, slash, rest = request.url.partition("://")[2].partition("/")
        body = pack(request)
        connection.putrequest(
            request.method, f"{self._prefix}{slash or '/'}{rest}", skip_host=True, skip_accept_encoding=True
        )
        connection.putheader("Host", self._authority)
        for name, value in header_bytes(request.headers):
            if name.lower() not in _LEFT_OUT:
                connection.putheader(name, value)
        if body or request.method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        raw = answer.read()
        headers = end_to_end(answer.getheaders())
        if answer.status == SESSION_CREATED:
            headers = [
                (name, self._relative(value) if name.lower() == "location" else value) for name, value in headers
            ]
        return unpack(Response(status=answer.status, reason=answer.reason, headers=headers), raw)

    def _relative(self, location: str) -> str:
        """Return the path of a Location as this server has it."""
        parts = urlsplit(location)
        path = parts.path.removeprefix(self._prefix) if parts.path.startswith(f"{self._prefix}/") else parts.path
        return f"{path}?{parts.query}" if parts.query else path
