"""A recording as replay sees it: recorded sessions, each an ordered list of calls with a name and a place.

A session is known by what identifies content and player; an event by its type and the values that name things;
its place is the playhead and the time since the sessionStart. What changes from run to run (ts, ids, SDK version,
measured quality) is in none of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from tapehead.api import Call, find_route
from tapehead.exchange import Exchange, Message
from tapehead.recording import Entry
from tapehead.sid import fingerprint

# What identifies content and player, the most telling first.
IDENTITY_KEYS = (
    "media.id",
    "media.name",
    "media.contentType",
    "media.playerName",
    "media.channel",
    "media.length",
)


class Kind(NamedTuple):
    """What an event is called: its type, and the values that name the thing it is about."""

    event_type: str
    names: tuple[object, ...] = ()


class Place(NamedTuple):
    """Where in a session an event stands: playhead and time since the sessionStart, in seconds; None if unknown."""

    playhead: float | None
    elapsed: float | None


class RecordedCall(msgspec.Struct, frozen=True, eq=False):
    """One recorded exchange, ready to be matched.

    Attributes:
        file: the recording's number among those replayed.
        line: its line in it.
        exchange: the exchange.
        body: its parsed body; None where that is no JSON.
        kind: what it is called.
        place: where it stands.
        order: how many calls other than pings and preflights stand before it in its session.
    """

    file: int
    line: int
    exchange: Exchange
    body: Any
    kind: Kind
    place: Place
    order: int


class RecordedSession(msgspec.Struct, eq=False):
    """A session of a recording, or an attempt to open one that failed.

    Attributes:
        number: its position among all recorded sessions.
        sid: its recorded session id; None for a failed attempt.
        mark: its fingerprint, which live session ids carry.
        identity: the values of IDENTITY_KEYS.
        start: the call that opened it; None where the recording began later.
        calls: its events in the order of their arrival.
        by_kind: the same by their names.
        landmarks: those that are no pings.
        pings_by_time: its pings by the time since the start, where that is known.
        pings_by_playhead: its pings by playhead, where that is known.
        preflights: its preflights.
    """

    number: int
    sid: str | None
    mark: bytes
    identity: tuple[object, ...]
    start: RecordedCall | None
    calls: list[RecordedCall] = msgspec.field(default_factory=list)
    by_kind: dict[Kind, list[RecordedCall]] = msgspec.field(default_factory=dict)
    landmarks: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_time: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_playhead: list[RecordedCall] = msgspec.field(default_factory=list)
    preflights: list[RecordedCall] = msgspec.field(default_factory=list)


class Tape(msgspec.Struct):
    """All that can be replayed.

    Attributes:
        sessions: in recorded order.
        by_content: those whose sessionStart is recorded, by the first of their identity: a live one has to share it.
        schemas: by event type.
        downloaded: arrays of downloaded content.
        preflights: those outside any session, by the call that they ask for.
    """

    sessions: list[RecordedSession]
    by_content: dict[object, list[RecordedSession]]
    schemas: dict[str, list[RecordedCall]]
    downloaded: list[RecordedCall]
    preflights: dict[Call, list[RecordedCall]]


def build_tape(recordings: Iterable[Iterable[Entry]]) -> Tape:
    """The tape of some recordings' entries, in the order given.

    A session whose recording was full goes on in the next one, in whatever order they are named.
    """
    builder = _Builder()
    files = [sorted(entries, key=lambda entry: entry.exchange.started) for entries in recordings]
    for file, entries in enumerate(files):
        builder.add_starts(file, entries)
    for file, entries in sorted(enumerate(files), key=_first_started):
        builder.add_calls(file, entries)
    for session in builder.tape.sessions:
        _index(session)
    return builder.tape


def _first_started(file: tuple[int, list[Entry]]) -> str:
    return file[1][0].exchange.started if file[1] else ""


def _index(session: RecordedSession) -> None:
    """Fill in what is there to find calls fast."""
    for call in session.calls:
        session.by_kind.setdefault(call.kind, []).append(call)
    session.landmarks = [call for call in session.calls if call.kind.event_type != "ping"]
    pings = session.by_kind.get(Kind("ping"), [])
    timed = (call for call in pings if call.place.elapsed is not None)
    placed = (call for call in pings if call.place.playhead is not None)
    session.pings_by_time = sorted(timed, key=lambda call: call.place.elapsed or 0)
    session.pings_by_playhead = sorted(placed, key=lambda call: call.place.playhead or 0)


def recorded_schemas(tape: Tape) -> dict[str, Any]:
    """The schemas that the real endpoint served, by event type; the latest of each that is an object."""
    return {
        event_type: schema
        for event_type, calls in tape.schemas.items()
        for call in calls
        if (schema := served_schema(call.exchange)) is not None
    }


def served_schema(exchange: Exchange) -> dict[str, Any] | None:
    """The schema that the endpoint served in an exchange of the schema call; None where it served none."""
    response = exchange.response
    schema = parse(response) if response and response.status == 200 else None
    return schema if isinstance(schema, dict) else None


class _Builder:
    """Sorts exchanges into sessions."""

    def __init__(self) -> None:
        self.tape = Tape([], {}, {}, [], {})
        self._by_sid: dict[tuple[int, str], list[RecordedSession]] = {}
        self._anywhere: dict[str, list[RecordedSession]] = {}

    def add_starts(self, file: int, entries: list[Entry]) -> None:
        """Add the session calls of one recording, in the order of their arrival."""
        for entry in entries:
            if entry.exchange.call is Call.SESSION:
                self._add_start(file, entry)

    def add_calls(self, file: int, entries: list[Entry]) -> None:
        """Add the other calls of one recording; the session calls of all recordings have to be there."""
        for entry in entries:
            if entry.exchange.call is not Call.SESSION:
                self._add_call(file, entry)

    def _add_start(self, file: int, entry: Entry) -> None:
        body, sid = parse(entry.exchange.request), entry.exchange.session
        start = RecordedCall(file, entry.line, entry.exchange, body, kind_of(body), place_of(body, None), 0)
        if isinstance(body, list):
            self.tape.downloaded.append(start)
            return
        session = self._new_session(file, sid, entry, start, identity_of(body))
        self.tape.by_content.setdefault(session.identity[0], []).append(session)
        if sid is not None:
            self._by_sid.setdefault((file, sid), []).append(session)
            self._anywhere.setdefault(sid, []).append(session)

    def _new_session(
        self, file: int, sid: str | None, entry: Entry, start: RecordedCall | None, identity: tuple[object, ...]
    ) -> RecordedSession:
        mark = fingerprint(f"{entry.exchange.started} {sid or entry.line}")
        session = RecordedSession(len(self.tape.sessions), sid, mark, identity, start)
        self.tape.sessions.append(session)
        return session

    def _add_call(self, file: int, entry: Entry) -> None:
        exchange = entry.exchange
        if exchange.session is not None:
            self._add_to_session(file, exchange.session, entry)
            return
        body = parse(exchange.request)
        call = RecordedCall(file, entry.line, exchange, body, kind_of(body), Place(None, None), 0)
        route = find_route(exchange.request.path)
        if exchange.call is Call.SCHEMA and route and route.event_type:
            self.tape.schemas.setdefault(route.event_type, []).append(call)
        elif exchange.call is Call.DOWNLOADED:
            self.tape.downloaded.append(call)
        elif route:
            self.tape.preflights.setdefault(route.call, []).append(call)

    def _add_to_session(self, file: int, sid: str, entry: Entry) -> None:
        session = self._session_of(file, sid, entry)
        body = parse(entry.exchange.request)
        kind, place = kind_of(body), place_of(body, ts_of(session.start.body) if session.start else None)
        call = RecordedCall(file, entry.line, entry.exchange, body, kind, place, _next_order(session.calls))
        if entry.exchange.call is Call.PREFLIGHT:
            session.preflights.append(call)
            return
        session.calls.append(call)

    def _session_of(self, file: int, sid: str, entry: Entry) -> RecordedSession:
        """The session that an event belongs to: of those with its id, the last that had begun, here or else before."""
        known = self._by_sid.setdefault((file, sid), [])
        if not known:
            earlier = _last_begun(sorted(self._anywhere.get(sid, ()), key=_started), entry)
            known.append(earlier or self._new_session(file, sid, entry, None, identity_of(None)))
        return _last_begun(known, entry) or known[0]


def _last_begun(sessions: Sequence[RecordedSession], entry: Entry) -> RecordedSession | None:
    """The last of some sessions, in the order of their starts, that had begun when an exchange came."""
    begun = (each for each in reversed(sessions) if each.start and _started(each) <= entry.exchange.started)
    return next(begun, None)


def _started(session: RecordedSession) -> str:
    return session.start.exchange.started if session.start else ""


def _next_order(calls: list[RecordedCall]) -> int:
    return calls[-1].order + (calls[-1].kind.event_type != "ping") if calls else 1


def parse(message: Message) -> Any:
    """A message's body as parsed JSON; None where it is none."""
    try:
        return orjson.loads(message.content())
    except orjson.JSONDecodeError:
        return None


def identity_of(body: object) -> tuple[object, ...]:
    """The values of IDENTITY_KEYS in a sessionStart's body (or the first of a downloaded array); None where absent."""
    first = body[0] if isinstance(body, list) and body else body
    params = part_of(first, "params")
    return tuple(_comparable(params.get(key)) for key in IDENTITY_KEYS)


def kind_of(body: object) -> Kind:
    """What the event in a parsed body is called; a body that is no event has an empty name."""
    if not isinstance(body, dict):
        return Kind("")
    event_type, params = str(body.get("eventType", "")), part_of(body, "params")
    if event_type == "statesUpdate":
        return Kind(event_type, (_state_names(params, "statesStart"), _state_names(params, "statesEnd")))
    key = _NAMING_KEYS.get(event_type)
    return Kind(event_type, (_comparable(params.get(key)),) if key else ())


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


def place_of(body: object, started_ts: float | None) -> Place:
    """Where the event in a parsed body stands, in a session that began at `started_ts` (milliseconds since 1970)."""
    ts, playhead = ts_of(body), _number(part_of(body, "playerTime").get("playhead"))
    return Place(playhead, None if ts is None or started_ts is None else (ts - started_ts) / 1000)


def ts_of(body: object) -> float | None:
    """The ts in a parsed body, milliseconds since 1970; None where there is none."""
    return _number(part_of(body, "playerTime").get("ts"))


def part_of(body: object, key: str) -> dict[str, Any]:
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
