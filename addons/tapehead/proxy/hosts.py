"""The hosts that count as the endpoint, and whose TLS is intercepted."""

import ipaddress
import re

import msgspec
from mitmproxy import http, tls
from mitmproxy.proxy import mode_specs

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.hosts import EndpointHosts
from tapehead.protocol.routes import ENDPOINT_HOST
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.proxy_settings import ProxySettings

_PORT = r"(?::\d+)?"


class Hosts(EndpointHosts):
    """The hosts that count as the endpoint: the vendor's own, those named, and in reverse mode all."""

    def counts(self, flow: http.HTTPFlow) -> bool:
        """Return whether `flow` goes to the endpoint."""
        if isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            return True
        return any(self.has(host, flow.request.port) for host in (flow.request.pretty_host, flow.request.host))

    def opens(self, host: str, port: int, sni: str | None) -> bool:
        """Return whether TLS to `host` may be intercepted: every name it goes by has to be the endpoint's.

        A player may name one host to the proxy and another in its TLS. An address does not count where there is a
        name: players look names up themselves, or a firewall sends them here.
        """
        names = [name for name in (host, sni) if name and not is_address(name)]
        return all(self.has(name, port) for name in names or [host])

    def limit(self, proxy: ProxySettings) -> ProxySettings:
        """Return settings under which only the endpoint's TLS is intercepted; all other TLS passes through.

        Reverse mode has one upstream, which is the endpoint, so nothing is limited there.
        """
        named = tuple(sorted({*self.named, *filter(None, map(reverse_target, proxy.modes))}))
        if proxy.is_reverse():
            return msgspec.structs.replace(proxy, endpoints=named)
        patterns = (re.escape(name).replace(r"\*", ".+") for name in named)
        more = (f"^{pattern}{'' if ':' in pattern else _PORT}$" for pattern in patterns)
        limits = (f"{ENDPOINT_HOST.pattern.removesuffix('$')}{_PORT}$", *more)
        return msgspec.structs.replace(proxy, tls_hosts=limits, endpoints=named)


class TlsPassthrough:
    """An addon that passes TLS to other hosts than the endpoint through, whatever the options are.

    mitmproxy intercepts TLS where any name of its server matches: the host that the player named to the proxy, the
    address behind it, or the name in its TLS. Here all names have to match.

    Args:
        hosts: the hosts that count as the endpoint.
        internal_errors: records failures of the hook.
    """

    def __init__(self, hosts: Hosts, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._hosts = hosts

    @contained
    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Pass a player's TLS through unless it is for the endpoint; a failure here intercepts nothing."""
        server, mode = data.context.server.address, data.context.client.proxy_mode
        if server is None or isinstance(mode, mode_specs.ReverseMode):
            return  # it is for the proxy itself
        data.ignore_connection = True
        data.ignore_connection = not self._hosts.opens(server[0], server[1], data.client_hello.sni)


def is_address(name: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reverse_target(mode: str) -> str:
    """Return the upstream host of a reverse mode, with its port if it has one; empty for other modes."""
    kind, _, target = (mode.rpartition("@")[0] or mode).partition(":")
    return target.rpartition("://")[2].lower() if kind.lower() == "reverse" else ""
