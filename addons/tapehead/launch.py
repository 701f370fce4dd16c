"""How a proxy runs, as plain values: what the doors gather and the adapters take."""

import msgspec


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the proxy runs.

    Attributes:
        modes: mitmproxy's mode specifications.
        host: the address to listen on.
        port: the port to listen on; 0 picks one.
        tls_hosts: regular expressions over `host:port` of the TLS that may be opened; empty for all.
        offline: whether nothing is asked of an upstream that a request does not ask for.
        extra: other options of mitmproxy, as `name=value`.
    """

    modes: tuple[str, ...]
    host: str
    port: int
    tls_hosts: tuple[str, ...] = ()
    offline: bool = False
    extra: tuple[str, ...] = ()

    def is_reverse(self) -> bool:
        """Whether every mode is a reverse one."""
        return all(mode.startswith("reverse:") for mode in self.modes)
