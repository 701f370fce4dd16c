"""Which hosts count as the endpoint, and whose TLS is opened."""

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
        """Whether `flow` goes to the endpoint."""
        if isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode):
            return True
        return any(self.has(host, flow.request.port) for host in (flow.request.pretty_host, flow.request.host))

    def opens(self, host: str, port: int, sni: str | None) -> bool:
        """Whether TLS to `host` may be opened: by every name that it goes by, it is the endpoint's.

        Where a player names one host to the proxy and another in its TLS, one of them may be nobody's business here.
        An address is no name where there is one: players look names up themselves, or a firewall sends them here.
        """
        names = [name for name in (host, sni) if name and not _is_address(name)]
        return all(self.has(name, port) for name in names or [host])

    def limit(self, proxy: ProxySettings) -> ProxySettings:
        """The settings under which only the endpoint's TLS is opened; all other TLS is a tunnel.

        Reverse mode has one upstream, which is the endpoint, so nothing is limited there.
        """
        named = tuple(sorted({*self.named, *filter(None, map(_target_of, proxy.modes))}))
        if proxy.is_reverse():
            return msgspec.structs.replace(proxy, endpoints=named)
        exact = (f"^{re.escape(name)}{'' if ':' in name else _PORT}$" for name in named)
        limits = (f"{ENDPOINT_HOST.pattern.removesuffix('$')}{_PORT}$", *exact)
        return msgspec.structs.replace(proxy, tls_hosts=limits, endpoints=named)


class TlsPassthrough:
    """Leaves TLS to other hosts than the endpoint unopened, whatever options say.

    mitmproxy opens TLS where any name of its server is to be opened: the host that the player said to the proxy, the
    address behind it, or the name in its TLS. Here all names have to agree.

    Args:
        hosts: which hosts count.
        failures: what failed of it.
    """

    def __init__(self, hosts: Hosts, failures: InternalErrors) -> None:
        self.failures = failures
        self._hosts = hosts

    @contained
    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Let a player's TLS pass unless it is for the endpoint; whatever fails here opens nothing."""
        server, mode = data.context.server.address, data.context.client.proxy_mode
        if server is None or isinstance(mode, mode_specs.ReverseMode):
            return  # it is for the proxy itself
        data.ignore_connection = True
        data.ignore_connection = not self._hosts.opens(server[0], server[1], data.client_hello.sni)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _target_of(mode: str) -> str:
    """The host that a reverse mode stands in front of, with its port if that is said; empty for other modes."""
    kind, _, target = (mode.rpartition("@")[0] or mode).partition(":")
    return target.rpartition("://")[2].lower() if kind.lower() == "reverse" else ""
