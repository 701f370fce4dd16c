"""An event of a session, parsed leniently from any body.

A value that is missing or has the wrong type is None or empty in the event, so that the session's rules, metrics and
replay need no checks of their own; the rules of single exchanges report errors in the body.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import orjson

from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES, event_type_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.keys import EVENT_TYPE, METADATA, PARAMS, PLAYER_TIME, PLAYHEAD, QUALITY, TS
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call
from tapehead.text import shorten

TEN_YEARS_MS = 10 * 365.25 * 86400 * 1000
# The seconds of a day: what SDKs send as the length of live content.
LIVE_LENGTH = 86400
_LIVE_TYPES = ("live", "linear")
# The times that are remembered: each is asked for several times while up to 2000 exchanges are put in order.
_MOST_TIMES, _LONGEST_TIME = 4000, 40
# Most readers of JSON hold no larger number.
_LARGEST = 2**63
# Not a MappingProxyType: events are pickled.
_NOTHING: Mapping[str, Any] = {}

# The parameters that identify content and player, the most significant first.
IDENTITY_KEYS = (
    keys.MEDIA_ID,
    keys.MEDIA_NAME,
    keys.MEDIA_CONTENT_TYPE,
    keys.MEDIA_PLAYER_NAME,
    keys.MEDIA_CHANNEL,
    keys.MEDIA_LENGTH,
)


class EventKey(NamedTuple):
    """An event's type, and the values that name the thing it is about."""

    event_type: str
    names: tuple[object, ...] = ()


class EventPosition(NamedTuple):
    """An event's place in a session: playhead and time since the sessionStart, in seconds; None if unknown."""

    playhead: float | None
    elapsed: float | None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a session.

    Attributes:
        type: the `eventType`; None if that is no string.
        playhead: seconds into the content, or None.
        ts: the device's clock, milliseconds since 1970, or None.
        params, quality, metadata: the objects `params`, `qoeData` and `customMetadata`.
        other_type: an `eventType` that is no string, converted to one.
        index: its position in the session in order of arrival; 0 is the sessionStart.
        arrived_ms: when its request came, milliseconds since 1970.
        answered_ms: when the response or the error that came instead was complete, milliseconds since 1970.
        status: the response's status; None if there was no response.
        call: the call of the API.
        sid: the session id; None if the session never got one.
        in_array: whether it came in an array, as part of a downloaded session.
        recording: the name of the recording that holds it.
        line: the number of its line in the recording.
        source: the file or proxy that it came from, as `Exchange.source`.
        order: the number of its request's arrival within `source`; None if it is not known.
        saved: whether its body was saved; if not, it may have been any event.
    """

    type: str | None = None
    playhead: float | None = None
    ts: int | None = None
    params: Mapping[str, Any] = _NOTHING
    quality: Mapping[str, Any] = _NOTHING
    metadata: Mapping[str, Any] = _NOTHING
    other_type: str = ""
    index: int = 0
    arrived_ms: float = 0.0
    answered_ms: float = 0.0
    status: int | None = None
    call: Call = Call.EVENT
    sid: str | None = None
    in_array: bool = False
    recording: str = ""
    line: int = 0
    source: str = ""
    order: int | None = None
    saved: bool = True

    @property
    def type_name(self) -> str:
        """Its type, whatever it is, as text; empty where a body has none."""
        return self.other_type if self.type is None else self.type

    @property
    def key(self) -> EventKey:
        """Its type and names."""
        return key_of(self.type_name, self.params)

    @property
    def identity(self) -> tuple[object, ...]:
        """The values of IDENTITY_KEYS in a sessionStart; None for those that are absent."""
        return identity_of(self.params)

    def position(self, started_ts: float | None) -> EventPosition:
        """Return its place in a session that began at `started_ts`, milliseconds since 1970."""
        playhead = None if self.playhead is None else float(self.playhead)
        return EventPosition(playhead, None if self.ts is None or started_ts is None else (self.ts - started_ts) / 1000)

    def text(self, key: str) -> str | None:
        """Return the parameter `key`, if it is a string."""
        value = self.params.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> float | None:
        """Return the parameter `key`, if it is a number."""
        return as_number(self.params.get(key))

    def state_names(self, key: str) -> list[str]:
        """Return the names in the array `key` (statesStart or statesEnd) of a statesUpdate."""
        items = self.params.get(key)
        names = [_section(item).get(keys.STATE_NAME) for item in items] if isinstance(items, list) else []
        return [name for name in names if isinstance(name, str)]


class Delivery(NamedTuple):
    """The fields of an event that are not in its body; as those of `Event`."""

    arrived_ms: float = 0.0
    answered_ms: float = 0.0
    status: int | None = None
    call: Call = Call.EVENT
    sid: str | None = None
    in_array: bool = False
    recording: str = ""
    line: int = 0
    source: str = ""
    order: int | None = None
    saved: bool = True


_UNKNOWN = Delivery()


def read_event(body: object, delivery: Delivery = _UNKNOWN, index: int = 0) -> Event:
    """Return the event in a parsed body; of an array, that with this index."""
    # Few calls, and fields by position, which by names take ten times as long: this is done for each event.
    parts: Mapping[str, Any] = body if isinstance(body, dict) else _NOTHING
    get = parts.get
    named, time, params, quality, metadata = get(EVENT_TYPE), get(PLAYER_TIME), get(PARAMS), get(QUALITY), get(METADATA)
    playhead, ts = (time.get(PLAYHEAD), time.get(TS)) if isinstance(time, dict) else (None, None)
    if type(playhead) is not int:
        playhead = as_number(playhead)
    if type(ts) is not int:
        ts = as_number(ts)
    fields = (
        named if isinstance(named, str) else None,
        playhead,
        None if ts is None or not -_LARGEST < ts < _LARGEST else int(ts),
        params if isinstance(params, dict) else _NOTHING,
        quality if isinstance(quality, dict) else _NOTHING,
        metadata if isinstance(metadata, dict) else _NOTHING,
        "" if named is None or isinstance(named, str) else str(named),
    )
    others: tuple[Any, ...] = () if delivery is _UNKNOWN and not index else (index, *delivery)
    return Event(*fields, *others)


def event_of(request: Request) -> Event:
    """Return the event in a request's body, which is read once."""
    known: Event | None = request.__dict__.get("event")
    if known is None:
        known = request.__dict__["event"] = read_event(request.json())
    return known


def first_event(body: object) -> Event:
    """Return the event in a parsed body, the first one of a downloaded array."""
    return read_event(body[0] if isinstance(body, list) and body else body)


def events_of(exchange: Exchange, arrived_ms: float, recording: str = "", line: int = 0) -> Iterator[Event]:
    """Yield the events in an exchange: one; of a downloaded array all; of a preflight or a schema none.

    Args:
        exchange: the exchange.
        arrived_ms: when its request came, as `arrival_of` returns it.
        recording: the name of its recording.
        line: the number of its line.
    """
    if exchange.call in (Call.PREFLIGHT, Call.SCHEMA):
        return
    parsed = None if exchange.request.coded else exchange.request.json()
    in_array = exchange.call is not Call.EVENT and isinstance(parsed, list)
    saved = exchange.request.saved
    if not saved:
        in_array = exchange.call is Call.DOWNLOADED
    delivery = Delivery(
        arrived_ms,
        arrived_ms + exchange.elapsed_ms,
        exchange.response.status if exchange.response else None,
        exchange.call,
        exchange.session,
        in_array,
        recording,
        line,
        exchange.source,
        exchange.order,
        saved,
    )
    if not saved:
        # What opens a session says so by its call.
        yield read_event({EVENT_TYPE: "sessionStart"} if exchange.call is Call.SESSION else None, delivery)
        return
    for index, body in enumerate(parsed or [None] if in_array else [parsed]):
        yield read_event(body, delivery, index)


def key_of(event_type: str, params: Mapping[str, Any]) -> EventKey:
    """Return the key of an event of this type with these `params`."""
    if known := _NAMELESS_KEYS.get(event_type):
        return known
    naming = event_type_of(event_type).naming
    return EventKey(event_type, tuple(_name_in(params, key) for key in naming)) if naming else EventKey(event_type)


_NAMELESS_KEYS = {row.name: EventKey(row.name) for row in EVENT_TYPES.values() if not row.naming}


def _name_in(params: Mapping[str, Any], key: str) -> object:
    value = params.get(key)
    if key not in (keys.STATES_START, keys.STATES_END):
        return _comparable(value)
    states = value if isinstance(value, list) else []
    return tuple(sorted(str(state.get(keys.STATE_NAME)) for state in states if isinstance(state, dict)))


def identity_of(params: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the values of IDENTITY_KEYS in a sessionStart's `params`; None for those that are absent."""
    return tuple(_comparable(params.get(key)) for key in IDENTITY_KEYS)


def _comparable(value: object) -> object:
    """Return a value that can be compared and hashed; objects and arrays become JSON with sorted keys."""
    if not isinstance(value, dict | list):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it goes
        return type(value).__name__


def _section(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def in_flight_together(a: Event, b: Event) -> bool:
    """Return whether two events have no order of arrival: each request came before the other one was answered.

    Events of one downloaded array have the order of the array.
    """
    if a.in_array and b.in_array:
        return False
    return a.arrived_ms < b.answered_ms and b.arrived_ms < a.answered_ms


def as_number(value: object) -> float | None:
    """Return `value`, if it is a finite number and no boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def arrival_of(exchange: Exchange) -> float | None:
    """Return when the request came, milliseconds since 1970; None if the recording has no such time."""
    return parse_time(exchange.started)


def parse_time(text: str) -> float | None:
    """Return a time in ISO 8601, UTC unless it says otherwise, as milliseconds since 1970; None if it is none."""
    return _known_time(text) if len(text) <= _LONGEST_TIME else _parse_time(text)


def _parse_time(text: str) -> float | None:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


_known_time = lru_cache(_MOST_TIMES)(_parse_time)


def names_live(params: Mapping[str, Any]) -> bool:
    """Return whether a sessionStart's params are those of live content, by its type or by the length sent for it."""
    named = params.get(keys.MEDIA_CONTENT_TYPE)
    by_type = isinstance(named, str) and named.lower() in _LIVE_TYPES
    return by_type or params.get(keys.MEDIA_LENGTH) == LIVE_LENGTH


def counts_day(params: Mapping[str, Any]) -> bool:
    """Return whether the playheads after a sessionStart with these params are seconds of the day.

    They are in live content of unknown length; a live programme with a length of its own counts from its beginning.
    """
    length = as_number(params.get(keys.MEDIA_LENGTH))
    return names_live(params) and (not length or length == LIVE_LENGTH)


def is_live(start: Event | None) -> bool:
    """Return whether the session that `start` opened is live; False if that is not known."""
    return start is not None and names_live(start.params)


def parse_body(request: Request) -> Any:
    """Return the request's body as parsed JSON.

    Raises:
        ValueError: it is not one JSON value; the message names the problem and its place.
    """
    value, error = request.parsed
    if not (error or request.coded):
        return value
    if not request.content():
        raise ValueError("the body is empty; expected one JSON object")
    if request.coded:
        coding = shorten(request.header("Content-Encoding") or "")
        raise ValueError(f"the body is no valid {coding}; expected JSON in it")
    raise ValueError(f"the body is not JSON: {error}")


def seconds_in(event: Event, begun: int | None) -> float | None:
    """Return the seconds of ts from `begun` (milliseconds since 1970) to an event.

    It is None where one of the two is not known, or where they lie so far apart that one has another unit.
    """
    if event.ts is None or begun is None or abs(event.ts - begun) > TEN_YEARS_MS:
        return None
    return (event.ts - begun) / 1000
