"""Who may ask the live page's server for what.

Any page in any browser of this machine can send requests to a port of it. So the Host has to be the page's own (a name
that was rebound to 127.0.0.1 is another), Origin and Sec-Fetch-Site must not tell of another page, and what players
sent is for those alone who know the token.
"""

import hmac
from collections.abc import Sequence

HOSTS = ("127.0.0.1", "localhost")
OK, UNAUTHORIZED, FORBIDDEN, NOT_ALLOWED, MISDIRECTED = 200, 401, 403, 405, 421

# Headers of every answer. Nothing but the page's own files is loaded or run, nothing of it is framed, kept or sent on.
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

RawHeaders = Sequence[tuple[bytes, bytes]]


class RequestGuard:
    """Judges requests by their heads.

    Args:
        port: where the page is served.
        token: what its link carries.
        public: the paths that need no token; nothing of what players sent is in them.
    """

    def __init__(self, port: int, token: str, public: frozenset[str]) -> None:
        self._hosts = frozenset(f"{host}:{port}".encode() for host in HOSTS)
        self._credentials = f"Bearer {token}".encode()
        self._public = public

    def judge(self, method: str, path: str, headers: RawHeaders) -> int:
        """The status of the refusal; OK if there is none."""
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return MISDIRECTED
        if not _is_own(hosts[0], headers):
            return FORBIDDEN
        if method != "GET":
            return NOT_ALLOWED
        return OK if path in self._public or self._knows_token(headers) else UNAUTHORIZED

    def _knows_token(self, headers: RawHeaders) -> bool:
        said = _values(headers, b"authorization")
        return len(said) == 1 and hmac.compare_digest(said[0], self._credentials)


def _is_own(host: bytes, headers: RawHeaders) -> bool:
    """Whether nothing says that another page asks."""
    origins, sites = _values(headers, b"origin"), _values(headers, b"sec-fetch-site")
    return set(origins) <= {b"http://" + host} and set(sites) <= {b"same-origin", b"none"}


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]
