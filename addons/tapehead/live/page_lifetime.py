"""The live page: what players send, in a browser on this machine, as it comes.

Nothing heavy is imported until a page is wanted.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tapehead.internal_errors import InternalErrors
from tapehead.live.page_settings import LiveSettings

if TYPE_CHECKING:
    from tapehead.live.server import LiveServer


@contextlib.contextmanager
def live_page(
    settings: LiveSettings | None, failures: InternalErrors, redact_keys: Iterable[str] = ()
) -> "Iterator[LiveServer | None]":
    """The page, served until the end of the block; None if none is wanted.

    Args:
        settings: where and what.
        failures: what fails of it is noted there.
        redact_keys: names whose values identify somebody, besides those that always do.

    Raises:
        StartupError: the port cannot be listened on.
    """
    if settings is None:
        yield None
        return
    from tapehead.live.server import LiveServer

    page = LiveServer(settings, failures, redact_keys)
    try:
        yield page
    finally:
        page.close()


def link_lines(page: "LiveServer | None") -> list[str]:
    """The lines that tell people of a page."""
    return [f"live page: {page.link}"] if page else []
