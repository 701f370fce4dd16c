"""An exchange: one HTTP request to the endpoint with its response or the error that came instead.

An `Exchange` is, field for field, a line of a recording: its field names are the format's names. Bodies are stored
with their content coding removed.
"""

import binascii
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from math import floor
from typing import Literal, NamedTuple

import msgspec

from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import API_PATH, EVENT_TAKEN, SESSION_GONE, Call
from tapehead.text import json_problem

FORMAT_VERSION = 2

# Those who can close a connection before the answer.
ClosedBy = Literal["client", "endpoint"]


class Severity(StrEnum):
    """The effect of a finding on the reported numbers."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    def reaches(self, least: str) -> bool:
        """Return whether it is as severe as another one, or worse."""
        return _RANKS[self] <= _RANKS[least]


_RANKS: dict[str, int] = {severity: rank for rank, severity in enumerate(Severity)}


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A violation of a rule at one place.

    Attributes:
        rule: the rule's id, such as `wrong-type`.
        severity: its effect on the reported numbers.
        path: the place in the body, such as `params.media.length`; empty for the exchange as a whole.
        message: one sentence that names the value, what was expected, and where.
    """

    rule: str
    severity: Severity
    path: str
    message: str


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The origin of an answer, and the key of the test that it was for.

    Attributes:
        outcome: `hit`, `miss`, `simulated` or `fault`; `forwarded` if the endpoint answered a miss; empty if it was
            called directly, with a key.
        reason: the reason for this answer, one line; empty if there is none.
        key: the key of the test that sent the call; empty if there is none.
    """

    outcome: str
    reason: str = ""
    key: str = ""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a recording.

    Attributes:
        tapehead: the format's version.
        started: when the request's first byte came, UTC, ISO 8601 with microseconds.
        order: the number of its arrival within `source`, which rises also where times are equal or a clock goes back;
            None if it is not known.
        elapsed_ms: from then to the response's last byte or the failure, in milliseconds.
        call: the call of the API.
        session: the session id from the URL or the response's Location, or None.
        source: the HAR or flow file that it was imported from, or the proxy that recorded it in one run; empty if that
            is not known.
        request: the request as the player sent it, with the URL that the endpoint received.
        response: the endpoint's response, or None with `error`.
        error: the reason why there was no response, or None.
        closed_by: who closed the connection before the answer was complete; None if nobody did, or it is not known.
        replaces: of a sessionStart, the id of the recorded session that lacked calls, so that this one was recorded
            anew and is replayed in its place; None for any other.
        answered: where the answer came from; None if a real endpoint was called directly, without a key.
        findings: the findings on this exchange alone.
    """

    tapehead: int
    started: str
    order: int | None = None
    elapsed_ms: float
    call: Call
    session: str | None
    source: str = ""
    request: Request
    response: Response | None
    error: str | None = None
    closed_by: ClosedBy | None = None
    replaces: str | None = None
    answered: Answered | None = None
    findings: list[Finding]

    @property
    def test_key(self) -> str:
        """The key of the test that sent the call; empty if there is none."""
        return self.answered.key if self.answered else ""

    @property
    def endpoint(self) -> str:
        """The endpoint that it went to: its URL up to the path of the API."""
        return self.request.url.partition(f"{API_PATH}/")[0]

    @property
    def keyed_endpoint(self) -> str:
        """The endpoint that it went to, which is another one for each key of a test."""
        key = self.test_key
        return f"{self.endpoint} {key}" if key else self.endpoint


def is_foreign(exchange: Exchange, key: str) -> bool:
    """Return whether tapehead refused a call since its session has this key, and the call another one.

    Real endpoints know no keys: a call that one of them answered belongs to its session.
    """
    answered, response = exchange.answered, exchange.response
    is_refused = response is not None and response.status in SESSION_GONE
    return answered is not None and bool(answered.outcome and answered.key) and answered.key != key and is_refused


def is_taken(exchange: Exchange) -> bool:
    """Return whether an exchange is an event and the documented answer to it, which has no finding."""
    response = exchange.response
    return (
        exchange.call is Call.EVENT
        and response is not None
        and response.status == EVENT_TAKEN
        and exchange.closed_by is None
    )


def encode(exchange: Exchange) -> bytes:
    """Return `exchange` as one line of a recording, newline included."""
    return msgspec.json.encode(exchange) + b"\n"


_decoder = msgspec.json.Decoder(Exchange)


def decode(line: bytes) -> Exchange:
    """Parse a line of a recording.

    Raises:
        ValueError: the line is not an exchange; the message names the problem and its place in the line.
    """
    try:
        exchange = _decoder.decode(line)
        request, response = exchange.request, exchange.response
        if request.base64 is not None or request.text is not None:
            request.content()
        if response is not None and (response.base64 is not None or response.text is not None):
            response.content()
    except (msgspec.MsgspecError, binascii.Error, RecursionError) as error:
        raise ValueError(json_problem(error)) from error
    return exchange


class Entry(NamedTuple):
    """An exchange with the number of its line, counted from 1, and the name of its recording."""

    line: int
    exchange: Exchange
    recording: str = ""


def format_time(seconds: float) -> str:
    """Return a time in seconds since 1970 in UTC with microseconds, such as `2026-07-01T10:00:00.000000Z`."""
    second = floor(seconds)
    # Rounded as `datetime.fromtimestamp` does, at a third of its cost.
    microseconds = round((seconds - second) * 1_000_000)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return f"{_format_second(second)}.{microseconds:06}Z"


@lru_cache(4)
def _format_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
