"""An exchange: one HTTP request to the endpoint, with its response or the failure that came instead.

These are the objects that every other room speaks of, and, field for field, a line of a recording: the names
below are the format's names. A body travels as the bytes of the message with its content coding undone.
"""

import binascii
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call

FORMAT_VERSION = 1


class Severity(StrEnum):
    """The effect of a finding on the reported numbers."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One place where a rule failed.

    Attributes:
        rule: the rule's id, such as `wrong-type`.
        severity: how bad it is.
        path: the place in the body, such as `params.media.length`; empty for the exchange as a whole.
        message: one sentence that names the value, what was expected, and where.
    """

    rule: str
    severity: Severity
    path: str
    message: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a recording.

    Attributes:
        tapehead: the format's version.
        started: when the request's first byte came, UTC, ISO 8601 with milliseconds.
        elapsed_ms: from then to the response's last byte or the failure, in milliseconds.
        call: what was asked of the endpoint.
        session: the session id that the URL or the answer's Location carries, or None.
        request: the request as the player sent it, its URL as the endpoint got it.
        response: the answer as the endpoint gave it, or None with `error`.
        error: why there was no answer, or None.
        findings: what the rules say of this exchange alone.
    """

    tapehead: int
    started: str
    elapsed_ms: float
    call: Call
    session: str | None
    request: Request
    response: Response | None
    error: str | None = None
    findings: list[Finding]


def encode(exchange: Exchange) -> bytes:
    """`exchange` as one line of a recording, newline included."""
    return msgspec.json.encode(exchange) + b"\n"


_decoder = msgspec.json.Decoder(Exchange)


def decode(line: bytes) -> Exchange:
    """Return the exchange that a line of a recording holds.

    Raises:
        ValueError: the line is no exchange; the message says what is wrong and where in the line.
    """
    try:
        exchange = _decoder.decode(line)
        for message in filter(None, (exchange.request, exchange.response)):
            message.content()
    except (msgspec.MsgspecError, binascii.Error, RecursionError) as error:
        raise ValueError(str(error)) from error
    return exchange


class Entry(NamedTuple):
    """An exchange with the number of its line, counted from 1, and the name of its recording."""

    line: int
    exchange: Exchange
    recording: str = ""


def format_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as recordings have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
