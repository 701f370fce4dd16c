"""Settings of the live page."""

import msgspec


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A live page that is wanted.

    Attributes:
        port: where on 127.0.0.1 it is served; 0 picks a port.
        title: what it says that it shows.
    """

    port: int
    title: str
