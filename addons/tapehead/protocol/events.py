"""An event: one thing that a player says about a session, as it arrived, whatever its body was like.

An event can be made of any body. What has no value, or one of an impossible type, is None or empty here, so that
the session's rules and metrics need no defence; what is wrong with the body is for the rules of one exchange.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import orjson

from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Message, Request
from tapehead.protocol.routes import Call
from tapehead.text import shorten

# What a number in JSON can be for most of its readers.
_LARGEST = 2**63
_NOTHING: Mapping[str, Any] = MappingProxyType({})
# The seconds of a day: what SDKs send as the length of live content.
LIVE_LENGTH = 86400
_LIVE_TYPES = ("live", "linear")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a session.

    Attributes:
        index: its place in the session in order of arrival; 0 is the sessionStart.
        type: the `eventType`; None where that is no string.
        playhead: seconds into the content, or None.
        ts: the device's clock, milliseconds since 1970, or None.
        params, quality, metadata: the objects `params`, `qoeData` and `customMetadata`.
        arrived_ms: when its request came, milliseconds since 1970.
        answered_ms: when the answer was there, or the failure that came instead.
        status: of the answer; None if there was none.
        call: what was asked of the endpoint.
        sid: the session id; None if the session never got one.
        in_array: whether it came in an array, as part of a downloaded session.
        recording: the name of the recording that holds it.
        line: the number of its line in there.
    """

    index: int
    type: str | None
    playhead: float | None
    ts: int | None
    params: Mapping[str, Any] = _NOTHING
    quality: Mapping[str, Any] = _NOTHING
    metadata: Mapping[str, Any] = _NOTHING
    arrived_ms: float
    answered_ms: float
    status: int | None = None
    call: Call
    sid: str | None
    in_array: bool = False
    recording: str = ""
    line: int = 0

    def text(self, key: str) -> str | None:
        """The parameter `key`, if it is a string."""
        value = self.params.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> float | None:
        """The parameter `key`, if it is a number."""
        return as_number(self.params.get(key))

    def quality_number(self, key: str) -> float | None:
        """The quality value `key`, if it is a number; from qoeData or, as other pages have it, from params."""
        found = as_number(self.quality.get(key))
        return as_number(self.params.get(key)) if found is None else found

    def state_names(self, key: str) -> list[str]:
        """The names in the array `key` (statesStart or statesEnd) of a statesUpdate."""
        items = self.params.get(key)
        names = [_part(item).get("media.state.name") for item in items] if isinstance(items, list) else []
        return [name for name in names if isinstance(name, str)]


def as_number(value: object) -> float | None:
    """`value`, if it is a finite number and no boolean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def arrival_of(exchange: Exchange) -> float | None:
    """When the request came, milliseconds since 1970; None if the recording has no such time."""
    try:
        started = datetime.fromisoformat(exchange.started)
        return (started if started.tzinfo else started.replace(tzinfo=UTC)).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


def events_of(exchange: Exchange, arrived_ms: float, recording: str = "", line: int = 0) -> Iterator[Event]:
    """The events that an exchange carries: one; of a downloaded array all; of a preflight or a schema none.

    Args:
        exchange: the exchange.
        arrived_ms: when its request came, as `arrival_of` has it.
        recording: the name of its recording.
        line: the number of its line.
    """
    if exchange.call in (Call.PREFLIGHT, Call.SCHEMA):
        return
    parsed = _parse(exchange)
    in_array = exchange.call is not Call.EVENT and isinstance(parsed, list)
    event = Event(
        index=0,
        type=None,
        playhead=None,
        ts=None,
        arrived_ms=arrived_ms,
        answered_ms=arrived_ms + exchange.elapsed_ms,
        status=exchange.response.status if exchange.response else None,
        call=exchange.call,
        sid=exchange.session,
        in_array=in_array,
        recording=recording,
        line=line,
    )
    for index, body in enumerate(parsed or [None] if in_array else [parsed]):
        yield msgspec.structs.replace(event, index=index, **_fields(_part(body)))


def _fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says, by the names of the fields of an event."""
    time, named = _part(body.get("playerTime")), body.get("eventType")
    ts = as_number(time.get("ts"))
    return {
        "type": named if isinstance(named, str) else None,
        "playhead": as_number(time.get("playhead")),
        "ts": None if ts is None or abs(ts) >= _LARGEST else int(ts),
        "params": _part(body.get("params")),
        "quality": _part(body.get("qoeData")),
        "metadata": _part(body.get("customMetadata")),
    }


def _parse(exchange: Exchange) -> Any:
    try:
        return parse_body(exchange.request)
    except ValueError:
        return None


def _part(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def names_live(params: Mapping[str, Any]) -> bool:
    """Whether a sessionStart's params are those of live content: by its type, or by the length that stands for it."""
    named = params.get("media.contentType")
    return params.get("media.length") == LIVE_LENGTH or (isinstance(named, str) and named.lower() in _LIVE_TYPES)


def is_live(start: Event | None) -> bool:
    """Whether the session that `start` opened is live; not, if that is not known."""
    return start is not None and names_live(start.params)


TEN_YEARS_MS = 10 * 365.25 * 86400 * 1000


def parse_body(request: Request) -> Any:
    """The request's body as parsed JSON.

    Raises:
        ValueError: it is not one JSON value; the message says what and where.
    """
    content = request.content()
    if not content:
        raise ValueError("the body is empty; expected one JSON object")
    if request.coded:
        coding = shorten(request.header("Content-Encoding") or "")
        raise ValueError(f"the body is no valid {coding}; expected JSON in it")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from error


# What identifies content and player, the most telling first.
IDENTITY_KEYS = (
    "media.id",
    "media.name",
    "media.contentType",
    "media.playerName",
    "media.channel",
    "media.length",
)


class EventKey(NamedTuple):
    """What an event is called: its type, and the values that name the thing it is about."""

    event_type: str
    names: tuple[object, ...] = ()


class EventPosition(NamedTuple):
    """Where in a session an event stands: playhead and time since the sessionStart, in seconds; None if unknown."""

    playhead: float | None
    elapsed: float | None


def parse_message(message: Message) -> Any:
    """A message's body as parsed JSON; None where it is none."""
    try:
        return orjson.loads(message.content())
    except orjson.JSONDecodeError:
        return None


def identity_of(body: object) -> tuple[object, ...]:
    """The values of IDENTITY_KEYS in a sessionStart's body (or the first of a downloaded array); None where absent."""
    first = body[0] if isinstance(body, list) and body else body
    params = section_of(first, "params")
    return tuple(_comparable(params.get(key)) for key in IDENTITY_KEYS)


def key_of(body: object) -> EventKey:
    """What the event in a parsed body is called; a body that is no event has an empty name."""
    if not isinstance(body, dict):
        return EventKey("")
    event_type, params = str(body.get("eventType", "")), section_of(body, "params")
    if event_type == "statesUpdate":
        return EventKey(event_type, (_state_names(params, "statesStart"), _state_names(params, "statesEnd")))
    key = _NAMING_KEYS.get(event_type)
    return EventKey(event_type, (_comparable(params.get(key)),) if key else ())


_NAMING_KEYS = {
    "adStart": "media.ad.id",
    "chapterStart": "media.chapter.index",
    "stateStart": "media.state.name",
    "stateEnd": "media.state.name",
}


def _state_names(params: dict[str, Any], key: str) -> tuple[str, ...]:
    states = params.get(key)
    named = states if isinstance(states, list) else []
    return tuple(sorted(str(state.get("media.state.name")) for state in named if isinstance(state, dict)))


def position_of(body: object, started_ts: float | None) -> EventPosition:
    """Where the event in a parsed body stands, in a session that began at `started_ts` (milliseconds since 1970)."""
    ts, playhead = ts_of(body), _number(section_of(body, "playerTime").get("playhead"))
    return EventPosition(playhead, None if ts is None or started_ts is None else (ts - started_ts) / 1000)


def ts_of(body: object) -> float | None:
    """The ts in a parsed body, milliseconds since 1970; None where there is none."""
    return _number(section_of(body, "playerTime").get("ts"))


def section_of(body: object, key: str) -> dict[str, Any]:
    """The object `key` of a parsed body; empty if it is not there or no object."""
    part = body.get(key) if isinstance(body, dict) else None
    return part if isinstance(part, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _comparable(value: object) -> object:
    """A value that can be compared and hashed; numbers are equal whatever their spelling."""
    if not isinstance(value, dict | list):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it goes
        return type(value).__name__
