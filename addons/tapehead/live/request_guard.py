"""Access control of the server of the live page and the HTTP API.

Any page in any browser on this machine can send requests to a local port. So Host has to be the page's own (a name
rebound to 127.0.0.1 is another one), Origin and Sec-Fetch-Site must not name another page, and what players sent is
served and changed only with the token. Pages of other origins may use the API if the user named their origins.
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tapehead.remote import journal_urls

HOSTS = ("127.0.0.1", "localhost")
TOKEN_HEADER = journal_urls.TOKEN_HEADER
# The page itself, which shows nothing of what players sent: a link to it may stand anywhere.
PAGE = "/"
OK, NO_CONTENT, UNAUTHORIZED, FORBIDDEN, NOT_ALLOWED, MISDIRECTED = 200, 204, 401, 403, 405, 421

# Headers of every answer: only the page's own files are loaded or run, and nothing is framed, cached or sent on.
SAFE_HEADERS: tuple[tuple[str, str], ...] = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
)

_REFUSALS = {
    UNAUTHORIZED: f"missing or wrong token: send it as '{TOKEN_HEADER}: TOKEN' or "
    "'Authorization: Bearer TOKEN', as tapehead printed it",
    FORBIDDEN: "requests of pages of this origin are not accepted",
    NOT_ALLOWED: "method not allowed; expected GET",
    MISDIRECTED: "the Host has to be 127.0.0.1 or localhost, with the port",
}

RawHeaders = Sequence[tuple[bytes, bytes]]


_METHODS = "GET, HEAD, POST, PUT, DELETE"
_READING = frozenset({"GET", "HEAD"})
_ALLOWED_HEADERS = f"authorization, content-type, {TOKEN_HEADER.lower()}"
# Seconds for which a browser may keep the answer to a preflight.
_PREFLIGHT_SECONDS = "600"


class Decision(NamedTuple):
    """The decision on a request: a status, OK to answer it; and the origin whose page may read the answer, if any."""

    status: int
    origin: str = ""

    def headers(self, *, is_preflight: bool = False) -> list[tuple[str, str]]:
        """Return the headers that let the page of another origin read the answer."""
        if not self.origin:
            return []
        headers = [("access-control-allow-origin", self.origin), ("vary", "Origin")]
        if is_preflight:
            headers += [
                ("access-control-allow-methods", _METHODS),
                ("access-control-allow-headers", _ALLOWED_HEADERS),
                ("access-control-allow-private-network", "true"),
                ("access-control-max-age", _PREFLIGHT_SECONDS),
            ]
        return headers


class RequestGuard:
    """A check of request heads.

    Args:
        port: the server's port.
        token: the token that the page's link carries.
        public: the paths that need no token; none of them shows what players sent.
        api: the beginning of the API's paths, which have other methods than GET.
        origins: the origins whose pages may use the API with the token.
        origin_option: the option that names them; empty where there is none.

    Attributes:
        refusals: the sentences that refuse requests, by status.
    """

    def __init__(
        self,
        port: int,
        token: str,
        public: frozenset[str],
        api: str,
        origins: Iterable[str] = (),
        origin_option: str = "",
    ) -> None:
        self.refusals = dict(_REFUSALS)
        if origin_option:
            self.refusals[FORBIDDEN] += f"; pass {origin_option} to allow them"
        self._hosts = frozenset(f"{host}:{port}".encode() for host in HOSTS)
        self._token = token.encode()
        self._public = public
        self._api = f"{api}/"
        self._origins = frozenset(origin.encode() for origin in origins)

    def check(self, method: str, path: str, headers: RawHeaders) -> Decision:
        """Return whether a request is accepted."""
        hosts = header_values(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return Decision(MISDIRECTED)
        origins, sites = header_values(headers, b"origin"), header_values(headers, b"sec-fetch-site")
        is_api, origin = path.startswith(self._api), ""
        if is_api and len(origins) == 1 and origins[0] in self._origins:
            origin = origins[0].decode("latin-1")
            if method == "OPTIONS":
                return Decision(NO_CONTENT, origin)
        elif method == "GET" and path == PAGE and is_opened(headers):
            return Decision(OK)
        elif not (set(origins) <= {b"http://" + hosts[0]} and set(sites) <= {b"same-origin", b"none"}):
            return Decision(FORBIDDEN)
        if method not in _READING and not is_api:
            return Decision(NOT_ALLOWED)
        if path in self._public and method in _READING:
            return Decision(OK, origin)
        return Decision(OK if self._knows_token(headers) else UNAUTHORIZED, origin)

    def _knows_token(self, headers: RawHeaders) -> bool:
        given = [
            value[7:] if value[:7].lower() == b"bearer " else b"" for value in header_values(headers, b"authorization")
        ]
        given += header_values(headers, TOKEN_HEADER.lower().encode())
        return len(given) == 1 and hmac.compare_digest(given[0], self._token)


def is_opened(headers: RawHeaders) -> bool:
    """Return whether a browser opens what it requests in a tab, as after a click on a link, wherever that stands."""
    context = [header_values(headers, name) for name in (b"sec-fetch-mode", b"sec-fetch-dest", b"origin")]
    return context == [[b"navigate"], [b"document"], []]


def header_values(headers: RawHeaders, name: bytes) -> list[bytes]:
    """Return the values of all headers of a name, which is in lower case."""
    return [value for key, value in headers if key.lower() == name]
