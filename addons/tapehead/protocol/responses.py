"""Responses as the documented endpoint gives them."""

from functools import lru_cache
from math import floor

import orjson

from tapehead.protocol.messages import Headers, Response
from tapehead.protocol.routes import CORS_HEADERS

# The least status of an answer that refuses a call.
REFUSED = 400

REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@lru_cache(16)
def _date_of(second: int) -> str:
    from email.utils import formatdate  # which takes long to load

    return formatdate(second, usegmt=True)


def http_date(now: float) -> str:
    """Return a time, in seconds since 1970, as a Date header has it."""
    return _date_of(floor(now))


@lru_cache(64)
def _plain(status: int, second: int) -> Response:
    headers = [("Date", _date_of(second)), *CORS_HEADERS]
    return Response(status=status, reason=REASONS.get(status, ""), headers=headers)


def respond(status: int, now: float, headers: Headers | None = None) -> Response:
    """Return a response without a body, with the headers that every answer of the endpoint carries."""
    if headers is None:
        return _plain(status, floor(now))
    stamped = [("Date", http_date(now)), *headers, *CORS_HEADERS]
    return Response(status=status, reason=REASONS.get(status, ""), headers=stamped)


# The message to players if tapehead itself fails.
FAILED = "tapehead failed; its log says why"


def failure(status: int, message: str, now: float, headers: Headers | None = None) -> Response:
    """Return an error response with a body in the endpoint's form: `{"message": "..."}`."""
    response = respond(status, now, [("Content-Type", "application/json"), *(headers or [])])
    return response.with_content(orjson.dumps({"message": message}))
