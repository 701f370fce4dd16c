"""Requests of a reverse proxy through another proxy, which mitmproxy itself offers to forward proxies alone."""

import logging

from mitmproxy import http
from mitmproxy.net.http import url
from mitmproxy.proxy import layer, mode_specs

from tapehead.internal_errors import InternalErrors
from tapehead.network.upstream_proxy import UpstreamProxy
from tapehead.proxy.called_host import is_reverse
from tapehead.proxy.error_boundary import contained

logger = logging.getLogger(__name__)

_LOGIN_HEADER = "Proxy-Authorization"
_UNAUTHORIZED = 407
# The beginning of what mitmproxy says where a proxy opens no tunnel.
_REFUSED = "Upstream proxy "


class UpstreamProxyAddon:
    """An addon that sends requests through a proxy, and logs in to it.

    A request by TLS goes through a tunnel. Many proxies refuse tunnels for others, so these are sent to the proxy
    itself, with the whole URL.

    Args:
        proxy: the proxy.
        internal_errors: records failures of the hooks.
    """

    def __init__(self, proxy: UpstreamProxy, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._proxy = proxy
        self._warned: set[str] = set()

    @contained
    def next_layer(self, choice: layer.NextLayer) -> None:
        """Have the connections of a client in reverse mode go through the proxy."""
        server, mode = choice.context.server, choice.context.client.proxy_mode
        if isinstance(mode, mode_specs.ReverseMode) and not server.connected and self._tunnels(mode.scheme):
            server.via = (self._proxy.scheme, (self._proxy.host, self._proxy.port))

    @contained
    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """Log in for a tunnel."""
        if self._proxy.authorization:
            flow.request.headers[_LOGIN_HEADER] = self._proxy.authorization

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Send a request that is streamed to the proxy."""
        if flow.request.stream:
            self._send_to_proxy(flow)

    @contained
    def request(self, flow: http.HTTPFlow) -> None:
        """Send any other request to the proxy, once it is known that it goes on."""
        if not flow.request.stream and not flow.response:
            self._send_to_proxy(flow)

    def _send_to_proxy(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        if request.scheme != "http" or (is_reverse(flow) and self._tunnels("http")):
            return
        if is_reverse(flow):
            authority = url.hostport("http", request.host, request.port)
            request.http_version = "HTTP/1.1"
            request.headers.setdefault("Host", authority)
            request.authority = authority
            # Its own properties would change the authority, too.
            request.data.host, request.data.port = self._proxy.host, self._proxy.port
        if self._proxy.authorization:
            request.headers[_LOGIN_HEADER] = self._proxy.authorization

    def _tunnels(self, scheme: str) -> bool:
        """Return whether requests by `scheme` go through a tunnel; all do to a proxy that itself has TLS."""
        return "https" in (scheme, self._proxy.scheme)

    @contained
    def response(self, flow: http.HTTPFlow) -> None:
        """Warn of a login that the proxy refused."""
        if flow.response and flow.response.status_code == _UNAUTHORIZED:
            self._warn(f"{_UNAUTHORIZED} {flow.response.reason}")

    @contained
    def error(self, flow: http.HTTPFlow) -> None:
        """Warn of a tunnel that the proxy refused."""
        if flow.error and flow.error.msg.startswith(_REFUSED):
            self._warn(flow.error.msg.rpartition(": ")[2])

    def _warn(self, status: str) -> None:
        """Say once that the proxy answers with `status`."""
        if status in self._warned:
            return
        self._warned.add(status)
        remedy = "its administrator knows which hosts it lets through"
        if status.startswith(str(_UNAUTHORIZED)):
            remedy = "check the user and the password in --upstream-proxy http://USER:PASS@HOST:PORT"
        logger.warning("the proxy '%s' refused a request: %s; %s", self._proxy.url, status, remedy)
