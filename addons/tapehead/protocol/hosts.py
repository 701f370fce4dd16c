"""Host names of the endpoint."""

from collections.abc import Iterable

from tapehead.protocol.routes import ENDPOINT_HOST


class EndpointHosts:
    """The endpoint's hosts: Adobe's own, and those that the user names.

    Args:
        named: additional host names, each with or without a port.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.named = frozenset(name.lower() for name in named)

    def has(self, host: str, port: int) -> bool:
        """Return whether `host` is the endpoint's."""
        return bool(ENDPOINT_HOST.search(host)) or self.names(host, port)

    def names(self, host: str, port: int) -> bool:
        """Return whether `host` is one of the additional names, alone or with `port`."""
        return not self.named.isdisjoint({host.lower(), f"{host.lower()}:{port}"})
