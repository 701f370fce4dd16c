"""The live page beside the traffic, served from a thread of its own; it only reads the journal."""

import secrets
from typing import Self

from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.live.app import PUBLIC, ChangeStream, QuietProtocol, build_app
from tapehead.live.request_guard import RequestGuard
from tapehead.server.uvicorn_server import Server, listen

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 1
_TOKEN_BYTES = 32


class LiveServer:
    """A live page, served inside a `with` block from `serve` on.

    Args:
        port: the port on 127.0.0.1; 0 picks a free one. Connections wait there until the page is served.
        title: the page's title.
        internal_errors: records failures of the page.

    Attributes:
        link: the URL to open. It carries the token behind its #, so that the token is in no request line.

    Raises:
        StartupError: nothing can listen on the port.
    """

    def __init__(self, port: int, title: str, internal_errors: InternalErrors) -> None:
        self._listening = listen(HOST, port, "--live")
        port, token = self._listening.getsockname()[1], secrets.token_urlsafe(_TOKEN_BYTES)
        self.link = f"http://{HOST}:{port}/#{token}"
        self._guard = RequestGuard(port, token, PUBLIC)
        self._title = title
        self._internal_errors = internal_errors
        self._stream: ChangeStream | None = None
        self._server: Server | None = None

    def __enter__(self) -> Self:
        """Return the page, which is not served yet."""
        return self

    def serve(self, journal: Journal) -> None:
        """Serve the calls of a journal, whose identifiers are pseudonyms already."""
        self._stream = ChangeStream(journal, self._title)
        self._server = Server(
            build_app(journal, self._stream, self._guard, self._record_error),
            listening=self._listening,
            internal_errors=self._internal_errors,
            grace_seconds=TIMEOUT_SECONDS,
            protocol=QuietProtocol,
            name="the live page",
        )
        self._server.start()

    def __exit__(self, *_: object) -> None:
        """End the pages' streams, and stop serving, within about two seconds."""
        if self._stream and self._server:
            self._stream.close()
            self._server.stop()
        self._listening.close()

    def _record_error(self, error: Exception) -> None:
        self._internal_errors.record("the live page", error)
