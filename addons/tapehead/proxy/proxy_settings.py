"""Settings of the proxy."""

import msgspec

from tapehead.network.access_policy import AccessPolicy


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the proxy runs.

    Attributes:
        modes: mitmproxy's mode specifications.
        host: the address to listen on.
        port: the port to listen on; 0 picks one.
        tls_hosts: regular expressions over `host:port` of what may be looked into; empty for all.
        endpoints: hosts whose TLS may be opened besides the vendor's own.
        offline: whether nothing is asked of an upstream that a request does not ask for.
        extra: other options of mitmproxy, as `name=value`.
        access: what keeps strangers out.
    """

    modes: tuple[str, ...]
    host: str
    port: int
    tls_hosts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    offline: bool = False
    extra: tuple[str, ...] = ()
    access: AccessPolicy = AccessPolicy()

    def is_reverse(self) -> bool:
        """Whether every mode is a reverse one."""
        return all(mode.lower().startswith("reverse:") for mode in self.modes)
