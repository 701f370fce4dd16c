"""The calls of the Media Collection API: routes, methods, hosts, CORS headers, documented statuses.

Sources: the reference's pages on the sessions, events and schemas requests and on downloaded content; "observed"
marks traffic of Adobe's JavaScript SDK 3.1.0.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Call(StrEnum):
    """The calls of the API."""

    SESSION = "session"
    EVENT = "event"
    PREFLIGHT = "preflight"
    SCHEMA = "schema"
    DOWNLOADED = "downloaded"


# Observed in every response, errors included.
CORS_HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "OPTIONS,POST,PUT"),
    ("Access-Control-Allow-Headers", "Content-Type"),
    ("Access-Control-Expose-Headers", "Location"),
)

DOCUMENTED_STATUSES: dict[Call, frozenset[int]] = {
    Call.SESSION: frozenset({201, 400, 500}),
    Call.EVENT: frozenset({204, 400, 404, 410, 500}),
    Call.PREFLIGHT: frozenset({200}),
    Call.SCHEMA: frozenset({200, 404, 500}),
    Call.DOWNLOADED: frozenset({201, 400, 500}),
}

# The answer to a sessionStart that opened a session.
SESSION_CREATED = 201
# The answer to an event that the endpoint took.
EVENT_TAKEN = 204
# The answers by which the endpoint says that it does not know a session, or no longer.
SESSION_GONE = (404, 410)

# Adobe's own hosts; companies use names of their own for the same endpoint.
ENDPOINT_DOMAIN = "hb-api.omtrdc.net"
ENDPOINT_HOST = re.compile(rf"(?:^|\.){ENDPOINT_DOMAIN.replace('.', r'\.')}$", re.IGNORECASE)

# A collection server may have a path prefix, so only the end of the path is matched.
_ROUTE = re.compile(
    r"/api/v1/(?:(?P<sessions>sessions)(?:/(?P<sid>[^/]+)/events)?"
    r"|schemas/(?P<event_type>[^/]+)|(?P<downloaded>downloaded))/?$"
)
# Absolute or not, also relative to the call's own path, and with backslashes, which browsers take for slashes.
_LOCATION = re.compile(r"(?:[\\/]api[\\/]v1[\\/]|^\s*(?:\./)?)sessions[\\/](?P<sid>[^\\/?#\s]+)[\\/]?\s*(?:[?#]|$)")


API_PATH = "/api/v1"
SESSIONS_PATH = f"{API_PATH}/sessions"
SCHEMAS_PATH = f"{API_PATH}/schemas"
DOWNLOADED_PATH = f"{API_PATH}/downloaded"
PATHS = (SESSIONS_PATH, f"{SESSIONS_PATH}/{{sid}}/events", f"{SCHEMAS_PATH}/{{eventType}}", DOWNLOADED_PATH)


class Route(NamedTuple):
    """A path of the API, whatever the method: the call, and the session id or event type in the path."""

    call: Call
    sid: str | None = None
    event_type: str | None = None


# Routes of longer paths are not kept.
_MOST_KEPT = 200
_METHODS = {Call.SESSION: "POST", Call.EVENT: "POST", Call.SCHEMA: "GET", Call.DOWNLOADED: "POST"}


def find_route(path: str) -> Route | None:
    """Return the route of `path` (a URL's path, a query allowed), or None if it is no path of the API."""
    return _known_route(path) if len(path) <= _MOST_KEPT else _search_route(path)


def _search_route(path: str) -> Route | None:
    match = _ROUTE.search(path.partition("?")[0])
    if match is None:
        return None
    if sid := match["sid"]:
        return Route(Call.EVENT, sid=sid)
    if event_type := match["event_type"]:
        return Route(Call.SCHEMA, event_type=event_type)
    return Route(Call.DOWNLOADED if match["downloaded"] else Call.SESSION)


# Each call is routed several times, and so are the next ones of its session.
_known_route = lru_cache(2_000)(_search_route)


def allowed_method(call: Call) -> str:
    """Return the method of `call`, besides OPTIONS."""
    return _METHODS[call]


def find_call(method: str, path: str) -> Route | None:
    """Return the route and call of a request; None for another path or a method that the path does not allow."""
    return call_on(find_route(path), method)


def call_on(route: Route | None, method: str) -> Route | None:
    """Return the route and call of a request on a route, as `find_call` does."""
    if route is None:
        return None
    if method == "OPTIONS":
        return route._replace(call=Call.PREFLIGHT)
    return route if method == allowed_method(route.call) else None


def sid_of_location(location: str | None) -> str | None:
    """Return the session id in a `Location` header (its last part), or None."""
    match = _LOCATION.search(location or "")
    return match["sid"] if match else None


def with_sid(location: str, sid: str) -> str:
    """Return a `Location` with its session id replaced."""
    match = _LOCATION.search(location)
    return location[: match.start("sid")] + sid + location[match.end("sid") :] if match else location


def location_of(sid: str) -> str:
    """Return the `Location` for a session id, in the form that SDKs parse (observed: relative)."""
    return f"{SESSIONS_PATH}/{sid}"
