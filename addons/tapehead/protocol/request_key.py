"""The key of a test in a request, by which one server keeps the calls of parallel tests apart.

It comes as a header (`X-Tapehead-Key: KEY`), in the query (`?tapehead=KEY`), or before the path of the API (`/k/KEY/`,
at any place before it). The endpoint has none of them, so the key is taken out before anything else reads the request.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from tapehead.protocol.messages import Request
from tapehead.protocol.routes import find_route, sid_of_location
from tapehead.text import shorten_value

KEY_HEADER = "X-Tapehead-Key"
KEY_PARAMETER = "tapehead"
MOST_CHARACTERS = 200

_HEADER = KEY_HEADER.lower()
# A preflight's question for headers, which names ours if a page is going to send it.
_ASKED_HEADERS = "access-control-request-headers"
# Not dots alone, which clients take for folders in a path, and people for folders in names of files.
KEY_PATTERN = rf"^(?!\.+$)[A-Za-z0-9._-]{{1,{MOST_CHARACTERS}}}$"
_KEY = re.compile(KEY_PATTERN)
_PREFIX = re.compile(r"/k/(?P<key>[^/]*)(?=/)")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)
# Of a Location also without a scheme, and with backslashes, as browsers read it.
_ANY_ORIGIN = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[\\/]{2,}[^\\/?#]*", re.IGNORECASE)

_IN_HEADER, _IN_QUERY, _IN_PATH = f"the header {KEY_HEADER}", f"the query parameter '{KEY_PARAMETER}'", "the path"


class RequestKey(NamedTuple):
    """The key of a request, and how it came.

    Attributes:
        key: the key; empty if there is none, or no valid one.
        prefix: the part of the path that named it, such as `/k/KEY`; empty if it came otherwise.
        problem: why the key is invalid, in one sentence; empty if it is not.
        asks: whether the request is a preflight for one with the header.
    """

    key: str = ""
    prefix: str = ""
    problem: str = ""
    asks: bool = False


NO_KEY = RequestKey()


class KeyedRequest(NamedTuple):
    """A request without its key, and the key."""

    request: Request
    key: RequestKey


def strip_key(request: Request) -> KeyedRequest:
    """Return a request without its key, and the key."""
    asks = has_header = False
    for name, value in request.headers:
        # The lengths come first, since most requests have no key.
        if len(name) == len(_HEADER):
            has_header = has_header or name.lower() == _HEADER
        elif len(name) == len(_ASKED_HEADERS) and name.lower() == _ASKED_HEADERS:
            asks = asks or _HEADER in value.lower()
    if not (has_header or asks or may_name_key(request.url)):
        return KeyedRequest(request, NO_KEY)
    url, key = read_key(request.url, list(request.header_values(_HEADER)))
    headers = []
    for name, value in request.headers:
        lowered = name.lower()
        kept = without_key_header(value) if asks and lowered == _ASKED_HEADERS else value
        if lowered != _HEADER and (kept or not value):
            headers.append((name, kept))
    return KeyedRequest(request.with_url(url).with_headers(headers), key._replace(asks=asks))


def may_name_key(target: str) -> bool:
    """Return whether a URL or path may name a key; false for nearly all that do not."""
    return "/k/" in target or KEY_PARAMETER in target


def read_key(target: str, header_values: Sequence[str]) -> tuple[str, RequestKey]:
    """Return a URL or path without its key, and the key.

    Args:
        target: the URL, or its path and query.
        header_values: the values of the header.
    """
    named = [(_IN_HEADER, value.strip()) for value in header_values]
    origin = _ORIGIN.match(target)
    start = origin.end() if origin else 0
    path, mark, query = target[start:].partition("?")
    prefix = ""
    # Without the check, a long path of prefixes alone would be searched for a call once for each of them.
    for match in _PREFIX.finditer(path) if find_route(path) else ():
        if find_route(path[match.end() :]):
            prefix, path = match[0], path[: match.start()] + path[match.end() :]
            named.append((_IN_PATH, unquote(match["key"])))
            break
    if KEY_PARAMETER in query:
        kept = []
        for pair in query.split("&"):
            name, _, value = pair.partition("=")
            if name == KEY_PARAMETER:
                named.append((_IN_QUERY, unquote_plus(value)))
            else:
                kept.append(pair)
        query, mark = "&".join(kept), "?" if kept else ""
    stripped = f"{target[:start]}{path}{mark}{query}"
    if problem := _find_problem(named):
        return stripped, RequestKey(prefix=prefix, problem=problem)
    return stripped, RequestKey(named[0][1] if named else "", prefix)


def check_key(key: str) -> str:
    """Return why a key is invalid, in a few words; empty if it is valid."""
    if not key:
        return "it is empty"
    if _KEY.fullmatch(key):
        return ""
    expected = f"1 to {MOST_CHARACTERS} of A-Z, a-z, 0-9, '.', '_', '-', but not dots alone"
    return f"'{shorten_value(key)}' is not one; expected {expected}"


def _find_problem(named: Sequence[tuple[str, str]]) -> str:
    for place, key in named:
        if problem := check_key(key):
            return f"invalid key in {place}: {problem}"
    others = [(place, key) for place, key in named if key != named[0][1]]
    if not others:
        return ""
    (place, key), (other_place, other) = named[0], others[0]
    return f"two keys: '{key}' in {place}, '{other}' in {other_place}; send one"


def without_key_header(names: str) -> str:
    """Return a list of headers' names, as a preflight has it, without that of the key."""
    return ",".join(name for name in names.split(",") if name.strip().lower() != _HEADER).strip()


def keep_prefix(location: str, prefix: str) -> str:
    """Return a session's `Location` under the prefix of the request that opened it, so that its events have it, too.

    One that is relative to the request's own path stays as it is, since that path has the prefix.
    """
    origin = _ANY_ORIGIN.match(location)
    start = origin.end() if origin else 0
    if sid_of_location(location) is None or not (start or location.startswith(("/", "\\"))):
        return location
    return location[:start] + prefix + location[start:]
