"""Host names of the endpoint and of URLs, and URLs within the path of another."""

import re
from collections.abc import Iterable
from functools import lru_cache

from tapehead.protocol.routes import ENDPOINT_HOST


class EndpointHosts:
    """The endpoint's hosts: Adobe's own, and those that the user names.

    Args:
        named: additional host names, or `*.` and a domain for all below it; each with or without a port.
    """

    def __init__(self, named: Iterable[str] = ()) -> None:
        self.named = frozenset(name.lower() for name in named)
        self._domains = tuple(name.removeprefix("*") for name in self.named if name.startswith("*."))

    def has(self, host: str, port: int) -> bool:
        """Return whether `host` is the endpoint's."""
        return bool(ENDPOINT_HOST.search(host)) or self.names(host, port)

    def names(self, host: str, port: int) -> bool:
        """Return whether `host` is one of the additional names, alone or with `port`."""
        forms = host.lower(), f"{host.lower()}:{port}"
        return not self.named.isdisjoint(forms) or any(form.endswith(self._domains) for form in forms)


# A name, an IPv4 address or an IPv6 one, and perhaps a port.
_HOST = re.compile(
    r"(?:[^\s:/\\?#@*\[\]]+|\[[0-9a-f:.]+\])(?::[0-9]+)?|[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE
)


def parse_host(text: str) -> str:
    """Return the host that a text names, with its port if it has one: a host, `*.` and a domain, or a URL of a host.

    Raises:
        ValueError: it names none, or `*.` and a top-level domain, which would be too many.
    """
    named = authority_of(text) if re.match("https?://", text, re.IGNORECASE) else text
    domain = named.removeprefix("*.")
    if not _HOST.fullmatch(domain) or (domain != named and "." not in domain):
        raise ValueError("expected HOST, HOST:PORT, *.DOMAIN or a URL, such as collection.example.com")
    return named


def authority_of(url: str) -> str:
    """Return the host of an absolute URL in lower case, with its port unless that is its scheme's default."""
    return _authority_of(before_path(url))


def before_path(url: str) -> str:
    """Return an absolute URL up to its path."""
    end = url.find("/", url.find("://") + 3)
    return url if end < 0 else url[:end]


@lru_cache(1_000)
def _authority_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[\\/?#]", rest, maxsplit=1)[0].rpartition("@")[2].lower()
    return authority.removesuffix({"http": ":80", "https": ":443"}.get(scheme.lower(), ":"))


# Roku's developers send a device's requests through a proxy by putting the whole URL behind the proxy's own.
_CARRIED = re.compile(r"^(?:https?://[^/]*)?/;(https?://.+)$", re.IGNORECASE)


def carried_url(url: str) -> str | None:
    """Return the URL that the path of a URL carries, as in `/;https://host/path`; None if it carries none."""
    match = _CARRIED.match(url)
    return match[1] if match else None
