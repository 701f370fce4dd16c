"""Tracking calls that a recording proxy sees and does not record, counted while they pass."""

from contextlib import suppress
from http import HTTPStatus

from mitmproxy import connection, ctx, http, tls
from mitmproxy.proxy import context, layer, layers
from mitmproxy.proxy.layers import tls as tls_layer

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import route_of
from tapehead.proxy.hosts import Hosts
from tapehead.recording.calls_elsewhere import CallsElsewhere


class ElsewhereAddon:
    """An addon that counts requests that were not marked as calls, TLS that was not opened, and connections.

    Args:
        elsewhere: the counts.
        hosts: the hosts that count as the endpoint.
        internal_errors: records failures of the hooks.
    """

    def __init__(self, elsewhere: CallsElsewhere, hosts: Hosts, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._elsewhere = elsewhere
        self._hosts = hosts

    @contained
    def client_connected(self, client: connection.Client) -> None:
        """Count a connection that is not refused."""
        self._elsewhere.connections += client.error is None

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Count a call, and a request that is none."""
        request = flow.request
        if route := route_of(flow):
            self._elsewhere.count_call(route)
        elif "onboarding_host" in ctx.options and request.pretty_host == ctx.options.onboarding_host:
            self._elsewhere.page_requests += 1
        else:
            is_endpoint = self._hosts.counts(flow)
            self._elsewhere.add(
                request.method, request.path, request.pretty_host, request.port, is_endpoint=is_endpoint
            )

    @contained
    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Count a tunnel that is refused."""
        if flow.response and flow.response.status_code >= HTTPStatus.BAD_REQUEST:
            self._elsewhere.add_tunnel(flow.request.host, flow.request.port)

    @contained
    def next_layer(self, choice: layer.NextLayer) -> None:
        """Count TLS that mitmproxy passes through before it looks into it."""
        if isinstance(choice.layer, layers.TCPLayer) and choice.layer.flow is None:
            with suppress(ValueError):  # it is not TLS
                if hello := tls_layer.parse_client_hello(choice.data_client()):
                    self._count(choice.context, hello.sni)

    @contained
    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Count TLS that passes through because of the name in it."""
        if data.ignore_connection:
            self._count(data.context, data.client_hello.sni)

    def _count(self, connection: context.Context, name: str | None) -> None:
        host, port = (connection.server.address or ("", 0))[:2]
        self._elsewhere.add_tunnel(name or host, port)
