"""The settings of the live page and the HTTP API."""

import msgspec


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the live page and the HTTP API.

    Attributes:
        port: the port on 127.0.0.1; 0 picks a free one.
        token: the token; empty for a new one.
        origins: origins whose pages may use the API with the token.
        option: the option that gives the port, for messages.
        origin_option: the option that names origins, for messages; empty where there is none.
    """

    port: int
    token: str = ""
    origins: tuple[str, ...] = ()
    option: str = "--live"
    origin_option: str = ""
