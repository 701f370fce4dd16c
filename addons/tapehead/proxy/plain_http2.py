"""HTTP/2 without TLS: prior knowledge is supported, offers to upgrade to it are removed from requests.

An upstream that took the offer would turn the connection into a tunnel, in which no call is seen.
"""

import re

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.http_wire import HTTP2_PREFACE
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.request_fields import header_of

# Protocols that carry HTTP requests, as Upgrade has them (RFC 9110, section 16.7).
_CARRIES_HTTP = re.compile(r"h2c?|(?:HTTP|TLS)(?:/.*)?", re.IGNORECASE)
_SETTINGS = "http2-settings"


class PlainHttp2:
    """An addon for clients that offer HTTP/2 without TLS, such as Java's, or that begin with it.

    Args:
        internal_errors: records failures of the hooks.
    """

    def __init__(self, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors

    @contained
    def next_layer(self, choice: layer.NextLayer) -> None:
        """Speak HTTP/2 to a client that begins with it."""
        client, layers, begun = choice.context.client, choice.context.layers, choice.data_client()
        if choice.layer is None or client.tls or not begun or not isinstance(layers[-1], HttpLayer):
            return
        if begun.startswith(HTTP2_PREFACE):
            client.alpn = b"h2"
        elif HTTP2_PREFACE.startswith(begun):
            # The first bytes do not tell yet; mitmproxy asks again with the next ones.
            del layers[layers.index(choice.layer) :]
            choice.layer = None

    @contained
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Remove offers of protocols that carry HTTP from a request."""
        headers = flow.request.headers
        if header_of(headers, b"upgrade") is None:
            return
        offers = _items(headers, "upgrade")
        kept = [offer for offer in offers if not _CARRIES_HTTP.fullmatch(offer)]
        if kept == offers:
            return
        headers.pop(_SETTINGS, None)
        dropped = {_SETTINGS} if kept else {_SETTINGS, "upgrade"}
        _set(headers, "Upgrade", kept)
        _set(headers, "Connection", [each for each in _items(headers, "connection") if each.lower() not in dropped])


def _items(headers: http.Headers, name: str) -> list[str]:
    """Return the items of a header that is a list."""
    return [item.strip() for value in headers.get_all(name) for item in value.split(",") if item.strip()]


def _set(headers: http.Headers, name: str, items: list[str]) -> None:
    headers.set_all(name, [", ".join(items)] if items else [])
