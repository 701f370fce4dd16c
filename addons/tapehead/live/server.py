"""The live page and the HTTP API beside the traffic, served from a thread of their own."""

import secrets
from collections.abc import Callable
from typing import Self

from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.run_metrics import RunMetrics
from tapehead.live.api import build_api
from tapehead.live.api_model import PREFIX, Api, Summarise
from tapehead.live.app import PUBLIC, ChangeStream, QuietProtocol, build_app
from tapehead.live.live_settings import LiveSettings
from tapehead.live.request_guard import RequestGuard
from tapehead.live.wait_limit import WaitLimit
from tapehead.replay.engine_control import EngineControl
from tapehead.server.asgi import Receive, Scope, Send
from tapehead.server.listening import listen
from tapehead.server.uvicorn_server import Server

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 1
_TOKEN_BYTES = 32


class LiveServer:
    """A live page and the HTTP API, served inside a `with` block from `serve` on.

    Args:
        settings: the settings. Connections wait at the port until the page is served.
        command: the command's name, which is the page's title.
        internal_errors: records failures of the page.

    Attributes:
        link: the URL to open. It carries the token behind its #, so that the token is in no request line.
        api_url: the URL that the paths of the API begin with.

    Raises:
        StartupError: nothing can listen on the port.
    """

    def __init__(self, settings: LiveSettings, command: str, internal_errors: InternalErrors) -> None:
        self._listening = listen(HOST, settings.port, settings.option)
        port, token = self._listening.getsockname()[1], settings.token or secrets.token_urlsafe(_TOKEN_BYTES)
        self.link = f"http://{HOST}:{port}/#{token}"
        self.api_url = f"http://{HOST}:{port}{PREFIX}"
        self._guard = RequestGuard(port, token, PUBLIC, PREFIX, settings.origins, settings.origin_option)
        self._command = command
        self._waits = WaitLimit()
        self._internal_errors = internal_errors
        self._stream: ChangeStream | None = None
        self._server: Server | None = None

    def __enter__(self) -> Self:
        """Return the page, which is not served yet."""
        return self

    def serve(
        self,
        journal: Journal,
        control: EngineControl | None = None,
        *,
        is_stored: bool = False,
        summarise: Summarise | None = None,
        has_workers: bool = False,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve the calls of a journal, whose identifiers are pseudonyms already; called again, those of another one.

        Args:
            journal: the calls.
            control: the engine that answers them; None where there is none.
            is_stored: whether they are those of stored recordings, to which nothing is added.
            summarise: returns the summary of the run so far, in any thread; None where there is none.
            has_workers: whether other processes answer them, each with an engine like that.
            on_open: called whenever a page has come with the token.
        """
        if self._stream:
            self._stream.close()
        self._stream = ChangeStream(journal, self._command, on_open)
        journal.control = control
        metrics = RunMetrics(journal, self._command, self._internal_errors)
        run = self._command, self._waits, self._record_error, metrics
        api = Api(journal, control, *run, is_stored, summarise, has_workers)
        self._app = build_app(self._stream, build_api(api), self._guard, self._record_error)
        if self._server:
            return

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, send)

        self._server = Server(
            answer,
            listening=self._listening,
            internal_errors=self._internal_errors,
            grace_seconds=TIMEOUT_SECONDS,
            protocol=QuietProtocol,
            name="the live page",
        )
        self._server.start()

    def __exit__(self, *_: object) -> None:
        """End the pages' streams and the waits, and stop serving, within about two seconds."""
        self._waits.close()
        if self._stream and self._server:
            self._stream.close()
            self._server.stop()
        self._listening.close()

    def _record_error(self, error: Exception) -> None:
        self._internal_errors.record("the live page", error)
