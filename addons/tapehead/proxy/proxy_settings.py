"""Settings of the proxy."""

import msgspec

from tapehead.network.access_policy import AccessPolicy
from tapehead.network.upstream_proxy import UpstreamProxy


class ProxySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a proxy.

    Attributes:
        modes: mitmproxy's mode specifications.
        host: the address to listen on.
        port: the port to listen on; 0 picks one.
        tls_hosts: regular expressions over `host:port` of TLS that may be intercepted; empty for all.
        endpoints: hosts whose TLS may be intercepted besides the vendor's own.
        offline: whether the upstream is contacted only for requests that are passed on.
        keep_host: whether requests keep the Host that players called; otherwise, reverse mode names its upstream.
        extra: other options of mitmproxy, as `name=value`.
        access: the limits on who may connect.
        upstream_proxy: the proxy on the way to the endpoint, if there is one.
    """

    modes: tuple[str, ...]
    host: str
    port: int
    tls_hosts: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    offline: bool = False
    keep_host: bool = False
    extra: tuple[str, ...] = ()
    access: AccessPolicy = AccessPolicy()
    upstream_proxy: UpstreamProxy | None = None

    def is_reverse(self) -> bool:
        """Return whether every mode is a reverse one."""
        return all(mode.lower().startswith("reverse:") for mode in self.modes)

    def option_names(self) -> set[str]:
        """Return the names of the other options of mitmproxy."""
        return {option.partition("=")[0] for option in self.extra}

    def option(self, name: str) -> str | None:
        """Return the last value of another option of mitmproxy; None if it is not set."""
        values = [option.partition("=")[2] for option in self.extra if option.startswith(f"{name}=")]
        return values[-1] if values else None

    def effective_modes(self) -> tuple[str, ...]:
        """Return the modes, which another option may have replaced."""
        replaced = tuple(option.removeprefix("mode=") for option in self.extra if option.startswith("mode="))
        return replaced or self.modes
