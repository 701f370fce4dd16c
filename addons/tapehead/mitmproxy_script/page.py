"""The live page and the HTTP API in a mitmproxy tool, opened and closed as its options change."""

import contextlib
import logging
import threading
from collections.abc import Callable

from mitmproxy import ctx

from tapehead.errors import StartupError
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.live.live_settings import LiveSettings
from tapehead.live.server import LiveServer
from tapehead.replay.engine_control import EngineControl

logger = logging.getLogger(__name__)

# The time in which the page's streams end.
CLOSE_SECONDS = 5.0


class ScriptPage:
    """The live page.

    Args:
        internal_errors: records failures of the page.
    """

    def __init__(self, internal_errors: InternalErrors) -> None:
        self._internal_errors = internal_errors
        self._settings: LiveSettings | None = None
        self._server: LiveServer | None = None
        self._closing: threading.Thread | None = None
        self._served: tuple[Journal, EngineControl | None] | None = None
        # The port of a server that is being closed, on which the next is opened.
        self._awaited_port: int | None = None

    def serve(self, settings: LiveSettings | None, journal: Journal, control: EngineControl | None) -> None:
        """Serve a journal from now on, without settings nothing.

        Args:
            settings: the settings of the page.
            journal: the journal.
            control: the engine that answers the calls; None where there is none.

        Raises:
            StartupError: nothing can listen on the port.
        """
        old, before, self._served = self._server, self._settings, (journal, control)
        if old and settings == before:
            old.serve(journal, control)
            return
        is_freed = bool(old and before and settings and settings.port == before.port)
        if settings and settings.port and (is_freed or settings.port == self._awaited_port):
            self._server, self._settings = None, settings
            if is_freed:
                self._awaited_port = settings.port
            if old:
                self._close(old, self._open_again if is_freed else lambda: None)
            return
        if settings:
            self._open(settings, journal, control)
        self._settings = settings
        if old:
            self._server = self._server if settings else None
            self._close(old)

    def _open(self, settings: LiveSettings, journal: Journal, control: EngineControl | None) -> None:
        server = LiveServer(settings, "mitmproxy", self._internal_errors)
        server.serve(journal, control)
        self._server = server
        logger.info("tapehead live page: %s", server.link)
        logger.info("tapehead HTTP API: %s", server.api_url)

    def _open_again(self) -> None:
        self._awaited_port = None
        if self._server or not self._settings or not self._served:
            return  # the options have changed again
        try:
            self._open(self._settings, *self._served)
        except StartupError as error:
            logger.error("tapehead: %s", error)

    def _close(self, server: LiveServer, then: Callable[[], None] = lambda: None) -> None:
        loop = ctx.master.event_loop

        def close() -> None:
            try:
                server.__exit__()
            except Exception as error:  # noqa: BLE001 - the tool goes on
                self._internal_errors.record("closing the live page", error)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(then)

        self._closing = threading.Thread(target=close, name="tapehead-page", daemon=True)
        self._closing.start()

    def close(self, *, wait: bool) -> None:
        """Close the page; `wait` until its streams have ended, for a while."""
        server, self._server, self._settings = self._server, None, None
        if server:
            self._close(server)
        if wait and self._closing:
            self._closing.join(CLOSE_SECONDS)
