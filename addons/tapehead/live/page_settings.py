"""Settings of the live page."""

import msgspec


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a live page.

    Attributes:
        port: the port on 127.0.0.1; 0 picks a free one.
        title: the page's title, which is the command's name.
    """

    port: int
    title: str
