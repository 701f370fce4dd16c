"""Access control of the live page's server.

Any page in any browser on this machine can send requests to a local port. So Host has to be the page's own (a name
rebound to 127.0.0.1 is another one), Origin and Sec-Fetch-Site must not name another page, and what players sent is
served only with the token.
"""

import hmac
from collections.abc import Sequence

HOSTS = ("127.0.0.1", "localhost")
OK, UNAUTHORIZED, FORBIDDEN, NOT_ALLOWED, MISDIRECTED = 200, 401, 403, 405, 421

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

RawHeaders = Sequence[tuple[bytes, bytes]]


class RequestGuard:
    """A check of request heads.

    Args:
        port: the server's port.
        token: the token that the page's link carries.
        public: the paths that need no token; none of them shows what players sent.
    """

    def __init__(self, port: int, token: str, public: frozenset[str]) -> None:
        self._hosts = frozenset(f"{host}:{port}".encode() for host in HOSTS)
        self._credentials = f"Bearer {token}".encode()
        self._public = public

    def check(self, method: str, path: str, headers: RawHeaders) -> int:
        """Return the status of the refusal; OK if the request is accepted."""
        hosts = header_values(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return MISDIRECTED
        origins, sites = header_values(headers, b"origin"), header_values(headers, b"sec-fetch-site")
        if not (set(origins) <= {b"http://" + hosts[0]} and set(sites) <= {b"same-origin", b"none"}):
            return FORBIDDEN
        if method != "GET":
            return NOT_ALLOWED
        if path in self._public:
            return OK
        credentials = header_values(headers, b"authorization")
        is_known = len(credentials) == 1 and hmac.compare_digest(credentials[0], self._credentials)
        return OK if is_known else UNAUTHORIZED


def header_values(headers: RawHeaders, name: bytes) -> list[bytes]:
    """Return the values of all headers of a name, which is in lower case."""
    return [value for key, value in headers if key.lower() == name]
