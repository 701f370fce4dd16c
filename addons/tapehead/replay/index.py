"""An index of recordings for replay: sessions, each an ordered list of calls with key and position.

A session is known by what identifies content and player; an event by its type and the values that name things;
its position is the playhead and the time since the sessionStart. What changes from run to run (ts, ids, SDK version,
measured quality) is in none of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tapehead.errors import UsageError
from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import Event, EventKey, EventPosition, first_event, identity_of, read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.routes import Call, find_route
from tapehead.protocol.schemas import Schemas, served_schema
from tapehead.protocol.session_id import fingerprint


class RecordedCall(msgspec.Struct, frozen=True, eq=False):
    """One recorded exchange, ready to be matched.

    Attributes:
        file: the recording's number among those replayed.
        line: its line in it.
        exchange: the exchange.
        event: the event in its body; without a type where there is none.
        key: the event's key.
        position: the event's position.
        order: how many calls other than pings and preflights stand before it in its session.
    """

    file: int
    line: int
    exchange: Exchange
    event: Event
    key: EventKey
    position: EventPosition
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
        by_key: the same by their keys.
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
    by_key: dict[EventKey, list[RecordedCall]] = msgspec.field(default_factory=dict)
    landmarks: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_time: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_playhead: list[RecordedCall] = msgspec.field(default_factory=list)
    preflights: list[RecordedCall] = msgspec.field(default_factory=list)


class RecordingIndex(msgspec.Struct):
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


def build_index(recordings: Iterable[Iterable[Entry]]) -> RecordingIndex:
    """Return the index of some recordings' entries, in the order given.

    A session whose recording was full goes on in the next one, in whatever order they are named.
    """
    builder = IndexBuilder()
    files = [sorted(entries, key=lambda entry: entry.exchange.started) for entries in recordings]
    for file, entries in enumerate(files):
        builder.add_starts(file, entries)
    by_time = sorted(enumerate(files), key=lambda file: file[1][0].exchange.started if file[1] else "")
    for file, entries in by_time:
        builder.add_calls(file, entries)
    for session in builder.index.sessions:
        for call in session.calls:
            session.by_key.setdefault(call.key, []).append(call)
        session.landmarks = [call for call in session.calls if not is_ping(call)]
        pings = [call for call in session.calls if is_ping(call)]
        timed = (call for call in pings if call.position.elapsed is not None)
        placed = (call for call in pings if call.position.playhead is not None)
        session.pings_by_time = sorted(timed, key=lambda call: call.position.elapsed or 0)
        session.pings_by_playhead = sorted(placed, key=lambda call: call.position.playhead or 0)
    return builder.index


def is_ping(call: RecordedCall) -> bool:
    """Return whether a call comes at regular intervals, so that its number and its order say nothing."""
    return event_type_of(call.key.event_type).repeats


def recorded_schemas(index: RecordingIndex) -> dict[str, Any]:
    """Return the schemas that the real endpoint served, by event type; the latest of each that is an object."""
    return {
        event_type: schema
        for event_type, calls in index.schemas.items()
        for call in calls
        if (schema := served_schema(call.exchange)) is not None
    }


class IndexBuilder:
    """Sorts exchanges into sessions.

    Attributes:
        index: the index so far.
    """

    def __init__(self) -> None:
        self.index = RecordingIndex([], {}, {}, [], {})
        self._by_sid: dict[tuple[int, str], list[RecordedSession]] = {}
        self._anywhere: dict[str, list[RecordedSession]] = {}

    def add_starts(self, file: int, entries: list[Entry]) -> None:
        """Add the session calls of one recording, in the order of their arrival."""
        for entry in entries:
            exchange = entry.exchange
            if exchange.call is not Call.SESSION:
                continue
            body, sid = exchange.request.json(), exchange.session
            if isinstance(body, list):
                self.index.downloaded.append(_call_outside_sessions(file, entry))
                continue
            event = read_event(body)
            start = RecordedCall(file, entry.line, exchange, event, event.key, event.position(None), 0)
            session = self._add_session(sid, entry, start, event.identity)
            self.index.by_content.setdefault(session.identity[0], []).append(session)
            if sid is not None:
                self._by_sid.setdefault((file, sid), []).append(session)
                self._anywhere.setdefault(sid, []).append(session)

    def add_calls(self, file: int, entries: list[Entry]) -> None:
        """Add the other calls of one recording; the session calls of all recordings have to be there."""
        for entry in entries:
            exchange = entry.exchange
            if exchange.call is Call.SESSION:
                continue
            if exchange.session is not None:
                self.add_to_session(file, exchange.session, entry)
                continue
            call, route = _call_outside_sessions(file, entry), find_route(exchange.request.path)
            if exchange.call is Call.SCHEMA and route and route.event_type:
                self.index.schemas.setdefault(route.event_type, []).append(call)
            elif exchange.call is Call.DOWNLOADED:
                self.index.downloaded.append(call)
            elif route:
                self.index.preflights.setdefault(route.call, []).append(call)

    def add_to_session(self, file: int, sid: str, entry: Entry) -> None:
        """Add a call to its session: of those with its id, the last that had begun, in this file or before."""
        known = self._by_sid.setdefault((file, sid), [])
        if not known:
            earlier = _last_begun(sorted(self._anywhere.get(sid, ()), key=_started), entry)
            known.append(earlier or self._add_session(sid, entry, None, identity_of({})))
        session = _last_begun(known, entry) or known[0]
        event, calls = read_event(entry.exchange.request.json()), session.calls
        position = event.position(session.start.event.ts if session.start else None)
        order = calls[-1].order + (not is_ping(calls[-1])) if calls else 1
        call = RecordedCall(file, entry.line, entry.exchange, event, event.key, position, order)
        (session.preflights if entry.exchange.call is Call.PREFLIGHT else calls).append(call)

    def _add_session(
        self, sid: str | None, entry: Entry, start: RecordedCall | None, identity: tuple[object, ...]
    ) -> RecordedSession:
        mark = fingerprint(f"{entry.exchange.started} {sid or entry.line}")
        session = RecordedSession(len(self.index.sessions), sid, mark, identity, start)
        self.index.sessions.append(session)
        return session


def _call_outside_sessions(file: int, entry: Entry) -> RecordedCall:
    """Return a call outside of sessions; of a downloaded array, the event is the first one."""
    body = entry.exchange.request.json()
    key, position = read_event(body).key, EventPosition(None, None)
    return RecordedCall(file, entry.line, entry.exchange, first_event(body), key, position, 0)


def _last_begun(sessions: Sequence[RecordedSession], entry: Entry) -> RecordedSession | None:
    """Return the last of some sessions, in the order of their starts, that had begun when an exchange came."""
    begun = (each for each in reversed(sessions) if each.start and _started(each) <= entry.exchange.started)
    return next(begun, None)


def _started(session: RecordedSession) -> str:
    return session.start.exchange.started if session.start else ""


def schemas_of(index: RecordingIndex, names: Sequence[str]) -> Schemas:
    """Return the schemas in use with an index: those that were recorded before the built-in ones.

    Args:
        index: the index.
        names: its recordings' names, for the message.

    Raises:
        UsageError: a recorded one is no JSON Schema.
    """
    try:
        return Schemas(recorded_schemas(index))
    except ValueError as error:
        raise UsageError(f"{', '.join(names)}: {error}") from error
