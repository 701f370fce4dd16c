"""The live page as commands use it: calls of players in a browser on this machine, as they arrive.

Nothing heavy is imported until a page is requested.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from tapehead.internal_errors import InternalErrors

if TYPE_CHECKING:
    from tapehead.live.server import LiveServer


def live_page(
    port: int | None, title: str, internal_errors: InternalErrors
) -> "AbstractContextManager[LiveServer | None]":
    """Return a context manager of a live page, which `serve` begins to serve, or one that does nothing without a port.

    Args:
        port: the port on 127.0.0.1; 0 picks a free one, None is for no page.
        title: the page's title, which is the command's name.
        internal_errors: records failures of the page.

    Raises:
        StartupError: nothing can listen on the port.
    """
    if port is None:
        return nullcontext()
    from tapehead.live.server import LiveServer

    return LiveServer(port, title, internal_errors)


def link_lines(page: "LiveServer | None") -> list[str]:
    """Return the lines that announce a live page, none if there is no page."""
    return [f"live page: {page.link}"] if page else []
