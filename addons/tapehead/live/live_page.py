"""The live page and the HTTP API as commands use them, on this machine only.

Nothing heavy is imported until a page is requested.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from tapehead.internal_errors import InternalErrors
from tapehead.live.live_settings import LiveSettings

if TYPE_CHECKING:
    from tapehead.live.server import LiveServer


def live_page(
    settings: LiveSettings | None, command: str, internal_errors: InternalErrors
) -> "AbstractContextManager[LiveServer | None]":
    """Return a context manager of a live page, which `serve` begins to serve, or of None without settings.

    Args:
        settings: the settings; None for no page.
        command: the command's name, which is the page's title.
        internal_errors: records failures of the page.

    Raises:
        StartupError: nothing can listen on the port.
    """
    if settings is None:
        return nullcontext()
    from tapehead.live.server import LiveServer

    return LiveServer(settings, command, internal_errors)


def link_lines(page: "LiveServer | None") -> list[str]:
    """Return the lines that announce a live page, none if there is no page."""
    return [f"live page: {page.link}", f"HTTP API: {page.api_url}"] if page else []
