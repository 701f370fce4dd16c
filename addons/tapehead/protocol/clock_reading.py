"""The two clocks in a line of a recording: the recorder's and the player's."""

from typing import NamedTuple

import msgspec

from tapehead.protocol import keys
from tapehead.protocol.events import arrival_of, first_event, parse_time
from tapehead.protocol.exchange import Exchange


class ClockReading(NamedTuple):
    """The times of one event by both clocks.

    Attributes:
        session: the session id.
        source: the file or proxy that the line came from; empty if that is not known.
        arrived_ms: when the request came, by the recorder's clock, milliseconds since 1970.
        ts: the event's ts, by the player's clock, in milliseconds since 1970.
    """

    session: str
    source: str
    arrived_ms: float
    ts: float


class _Time(msgspec.Struct):
    ts: float = msgspec.field(name=keys.TS)


class _Body(msgspec.Struct):
    time: _Time = msgspec.field(name=keys.PLAYER_TIME)


class _Request(msgspec.Struct):
    body: _Body


class _Line(msgspec.Struct):
    started: str
    session: str
    request: _Request
    source: str = ""


_decoder = msgspec.json.Decoder(_Line)


def read_clocks(line: bytes) -> ClockReading | None:
    """Return the clocks in a line of a recording; None if it has no event of a session with a ts."""
    try:
        read = _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    arrived_ms = parse_time(read.started)
    return (
        None if arrived_ms is None else ClockReading(read.session, read.source, arrived_ms, read.request.body.time.ts)
    )


def clocks_of(exchange: Exchange) -> ClockReading | None:
    """Return the clocks in an exchange; None if it has no event of a session with a ts."""
    arrived_ms, ts = arrival_of(exchange), first_event(exchange.request.json()).ts
    if exchange.session is None or arrived_ms is None or ts is None:
        return None
    return ClockReading(exchange.session, exchange.source, arrived_ms, ts)
