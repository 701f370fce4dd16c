"""Preflights: what a browser asks for before a page's call, and what the answer allows.

Source: the Fetch standard, CORS-preflight fetch; Private Network Access, which Chrome has replaced by a permission.
"""

from collections.abc import Iterable

from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.request_key import KEY_HEADER

_ORIGIN = "Origin"
_ASKED_METHOD, _ASKED_HEADERS = "Access-Control-Request-Method", "Access-Control-Request-Headers"
_ASKED_PRIVATE, _ALLOWED_PRIVATE = "Access-Control-Request-Private-Network", "Access-Control-Allow-Private-Network"
_ALLOWED_ORIGIN, _ALLOWED_METHODS = "Access-Control-Allow-Origin", "Access-Control-Allow-Methods"
_ALLOWED_HEADERS = "Access-Control-Allow-Headers"
ANY = "*"
# Methods that need no permission, and the header that `*` does not include.
_FREE_METHODS = frozenset({"GET", "HEAD", "POST"})
_NEVER_ANY = "authorization"


def refused_parts(asked: Request, answered: Response) -> list[str]:
    """Return what a preflight's answer does not allow, in words; a request that is no preflight asks for nothing."""
    origin, method = asked.header(_ORIGIN), asked.header(_ASKED_METHOD)
    if origin is None or method is None:
        return []
    refused = []
    origins = ", ".join(answered.header_values(_ALLOWED_ORIGIN))
    if origins not in (ANY, origin):
        refused.append(f"the origin '{origin}' (it allows {_quote([origins])})")
    methods = _items(answered.header_values(_ALLOWED_METHODS))
    if method not in _FREE_METHODS and not {method, ANY} & set(methods):
        refused.append(f"the method {method} (it allows {_quote(methods)})")
    allowed = _items(answered.header_values(_ALLOWED_HEADERS))
    names = {name.lower() for name in allowed}
    headers = [name for name in _items(asked.header_values(_ASKED_HEADERS)) if not _is_allowed(name.lower(), names)]
    if headers:
        refused.append(f"the headers {_quote(headers)} (it allows {_quote(allowed)})")
    return refused


def allow_private_network(asked: Request, answered: Response) -> Response:
    """Return the answer to a preflight with permission to call a private address, if the browser asked for it."""
    if asked.method != "OPTIONS" or asked.header(_ASKED_PRIVATE) != "true" or answered.header(_ALLOWED_PRIVATE):
        return answered
    return answered.with_headers([*answered.headers, (_ALLOWED_PRIVATE, "true")])


def allow_key_header(headers: Headers) -> Headers:
    """Return the headers of an answer to a preflight with permission to send a test's key."""
    values = [value for name, value in headers if name.lower() == _ALLOWED_HEADERS.lower()]
    names = _items(values)
    if _is_allowed(KEY_HEADER.lower(), {name.lower() for name in names}):
        return headers
    kept = [(name, value) for name, value in headers if name.lower() != _ALLOWED_HEADERS.lower()]
    return [*kept, (_ALLOWED_HEADERS, ", ".join([*names, KEY_HEADER]))]


def _is_allowed(name: str, allowed: set[str]) -> bool:
    return name in allowed or (ANY in allowed and name != _NEVER_ANY)


def _items(values: Iterable[str]) -> list[str]:
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def _quote(items: list[str]) -> str:
    return ", ".join(f"'{item}'" for item in items if item) or "none"
