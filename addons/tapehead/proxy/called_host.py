"""The host that a player called, which reverse mode hides, and answers that lead a player past the proxy."""

import re
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.net.http import url
from mitmproxy.proxy import mode_specs

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.messages import Request
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import request_of, route_of
from tapehead.proxy.hosts import Hosts
from tapehead.proxy.request_fields import header_of
from tapehead.replay.host_rewriting import find_host

_HOST_PORT = re.compile(r"(.*):(\d{1,5})")
# Hosts that are warned of.
MOST_WARNINGS = 20
_PAST = "an answer leads players past this proxy, so that their events are not recorded: its Location names '{host}'"
_REVERSE = "make this proxy the player's with --mode regular, or have the endpoint answer with a relative Location"


def is_reverse(flow: http.HTTPFlow) -> bool:
    """Return whether `flow` came in reverse mode."""
    return isinstance(flow.client_conn.proxy_mode, mode_specs.ReverseMode)


def request_as_called(flow: http.HTTPFlow) -> Request:
    """Return a request with the URL that the player called; in reverse mode, `keep_host_header` has to be set."""
    request = request_of(flow.request)
    if not is_reverse(flow):
        return request
    scheme = "https" if flow.client_conn.tls_established else "http"
    return request.with_url(f"{scheme}://{request.url.partition('://')[2]}")


def name_upstream(flow: http.HTTPFlow) -> None:
    """Put the upstream into the Host of a request that goes on, as reverse mode does without `keep_host_header`."""
    if is_reverse(flow):
        request = flow.request
        request.host_header = url.hostport(request.scheme, request.host, request.port)


class LocationCheck:
    """Warns, once for each host, of answers whose Location leads players to where their calls are not recorded.

    Args:
        hosts: the hosts that count as the endpoint.
        warn: called with one line.
        internal_errors: records failures of the hook.
    """

    def __init__(self, hosts: Hosts, warn: Callable[[str], None], internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._hosts = hosts
        self._warn = warn
        self._warned: set[str] = set()

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """Check the Location of an answer."""
        location = header_of(flow.response.headers, b"location") if flow.response and route_of(flow) else None
        named = find_host(location) if location else None
        if named is None:
            return
        authority = named["authority"].rpartition("@")[2].lower()
        scheme = named["scheme"].partition(":")[0] if ":" in named["scheme"] else flow.request.scheme
        match = _HOST_PORT.fullmatch(authority)
        host, port = (match[1], int(match[2])) if match else (authority, 80 if scheme == "http" else 443)
        remedy = _REVERSE
        if is_reverse(flow):
            address, listening, *_ = flow.client_conn.sockname
            leads_past = port != listening or host.strip("[]") not in (address, "localhost")
        else:
            leads_past, remedy = not self._hosts.has(host, port), f"pass --endpoint {host}"
        if leads_past and authority not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(authority)
            self._warn(f"{_PAST.format(host=authority)}; {remedy}")
