"""Which hosts count as the endpoint."""

import re
from collections.abc import Iterable

import msgspec
from mitmproxy import http
from mitmproxy.proxy import mode_specs

from tapehead.api import ENDPOINT_HOST
from tapehead.launch import ProxySettings

_PORT = r"(?::\d+)?"


class Hosts:
    """The hosts that count as the endpoint: the vendor's own, those named, and in reverse mode all.

    Args:
        named: host names, each with or without a port.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.named = frozenset(name.lower() for name in named)

    def counts(self, flow: http.HTTPFlow) -> bool:
        """Whether `flow` goes to the endpoint."""
        if isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            return True
        return any(self.has(host, flow.request.port) for host in (flow.request.pretty_host, flow.request.host))

    def has(self, host: str, port: int) -> bool:
        """Whether `host` is the endpoint's."""
        return bool(ENDPOINT_HOST.search(host)) or self.names(host, port)

    def names(self, host: str, port: int) -> bool:
        """Whether `host` is one of those named, alone or with `port`."""
        return not self.named.isdisjoint({host.lower(), f"{host.lower()}:{port}"})

    def limit(self, proxy: ProxySettings) -> ProxySettings:
        """The settings under which only the endpoint's TLS is opened; all other TLS is a tunnel.

        Reverse mode has one upstream, which is the endpoint, so nothing is limited there.
        """
        if proxy.is_reverse():
            return proxy
        targets = (mode.partition("://")[2] for mode in proxy.modes if mode.startswith("reverse:"))
        exact = (f"^{re.escape(name)}{'' if ':' in name else _PORT}$" for name in sorted({*self.named, *targets}))
        return msgspec.structs.replace(proxy, tls_hosts=(rf"(?:^|\.)hb-api\.omtrdc\.net{_PORT}$", *exact))
