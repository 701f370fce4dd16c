"""A proxy on the way to the endpoint, such as a company's; its login stays out of everything that is printed."""

import base64
from collections.abc import Sequence
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from tapehead.errors import UsageError

# Takes the place of a URL for what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.
FROM_ENVIRONMENT = "env"
_PORTS = {"http": 80, "https": 443}
_EXPECTED = "expected an http or https URL, such as http://proxy.example.com:3128, or http://USER:PASS@HOST:PORT"


class UpstreamProxy(msgspec.Struct, frozen=True):
    """A proxy that requests go through.

    Attributes:
        scheme: `http` or `https`.
        host: its host.
        port: its port.
        authorization: the value of `Proxy-Authorization`; None for no login.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    authorization: str | None = None

    @property
    def url(self) -> str:
        """The URL without the login."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"UpstreamProxy({self.url})"  # keeps the login out of messages


def parse_upstream_proxy(text: str, source: str) -> UpstreamProxy:
    """Parse the URL of a proxy; without a scheme it is http, as in environment variables.

    Raises:
        UsageError: it is malformed; the message names the source only, since the text may hold a login.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"invalid {source}: {_EXPECTED}")
    login = None
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return UpstreamProxy(
        "https" if parts.scheme == "https" else "http", parts.hostname, port or _PORTS[parts.scheme], login
    )


def find_upstream_proxy(text: str, endpoints: Sequence[str]) -> UpstreamProxy | None:
    """Return the proxy that `--upstream-proxy` names; None if NO_PROXY excludes the endpoint.

    Args:
        text: a URL, or `FROM_ENVIRONMENT`.
        endpoints: the URLs of the endpoint; none if it is not known.

    Raises:
        UsageError: the URL is malformed, or the environment names no proxy.
    """
    if text != FROM_ENVIRONMENT:
        return parse_upstream_proxy(text, "--upstream-proxy")
    import urllib.request  # which takes long to load

    found = urllib.request.getproxies_environment()
    parts = urlsplit(endpoints[0] if endpoints else "https:")
    scheme = parts.scheme if parts.scheme in _PORTS else "https"
    if parts.hostname and urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    variable = f"{scheme.upper()}_PROXY"
    proxy = found.get(scheme) or found.get("all")
    if not proxy:
        raise UsageError(
            f"--upstream-proxy env needs {variable}, which is not set; set it, or pass --upstream-proxy URL"
        )
    return parse_upstream_proxy(proxy, variable)


def modes_through(proxy: UpstreamProxy, modes: Sequence[str]) -> tuple[str, ...]:
    """Return modes that go through `proxy`: a regular proxy becomes one with an upstream proxy.

    Raises:
        UsageError: a mode cannot.
    """
    changed = []
    for mode in modes:
        kind, at, address = mode.partition("@")
        if kind.lower() == "regular":
            mode = f"upstream:{proxy.url}{at}{address}"
        elif not mode.lower().startswith(("reverse:http://", "reverse:https://")):
            raise UsageError(f"mode '{mode}' cannot go through a proxy; --upstream-proxy needs --to or --mode regular")
        changed.append(mode)
    return tuple(changed)
