"""An index of recordings for replay: sessions, each an ordered list of calls with key and position.

A session is identified by the parameters of content and player, an event by its type and naming parameters; its
position is the playhead and the time since the sessionStart. Values that change from run to run (ts, ids, SDK version,
measured quality) are not part of these.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import msgspec

from tapehead.protocol.arrival import in_order_of_arrival
from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import Event, EventKey, EventPosition, read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.hosts import authority_of
from tapehead.protocol.messages import parse_json
from tapehead.protocol.routes import SESSION_CREATED, Call, find_route
from tapehead.protocol.schemas import Schema, Schemas, served_schema
from tapehead.protocol.session_id import fingerprint


class RecordedCall(msgspec.Struct, frozen=True, eq=False):
    """A recorded exchange, prepared for matching.

    Attributes:
        file: the number of its recording, counted from 0.
        line: its line in it.
        exchange: the exchange.
        key: the key of the event in its body.
        position: the position of that event.
        order: the number of earlier calls in its session, pings and preflights not counted.
    """

    file: int
    line: int
    exchange: Exchange
    key: EventKey
    position: EventPosition
    order: int

    @property
    def host(self) -> str:
        """The host that it went to, as `authority_of` gives it."""
        return authority_of(self.exchange.request.url)


class RecordedSession(msgspec.Struct, eq=False):
    """A session of a recording, or an attempt to open one that failed.

    Attributes:
        number: its position among all recorded sessions.
        sid: its recorded session id; None for a failed attempt.
        mark: its fingerprint, which is part of live session ids.
        host: the host that its first call went to, as `authority_of` gives it.
        identity: the values of IDENTITY_KEYS.
        start: the call that opened it; None if the recording began later.
        started_ts: the ts of its sessionStart, milliseconds since 1970; None if that is unknown.
        calls: its events in the order of their arrival.
        by_key: its events by their keys.
        landmarks: its events other than pings.
        pings_by_time: its pings with a known time since the start, in that order.
        pings_by_playhead: its pings with a known playhead, in that order.
        preflights: its preflights.
    """

    number: int
    sid: str | None
    mark: bytes
    host: str
    identity: tuple[object, ...]
    start: RecordedCall | None
    started_ts: float | None
    calls: list[RecordedCall] = msgspec.field(default_factory=list)
    by_key: dict[EventKey, list[RecordedCall]] = msgspec.field(default_factory=dict)
    landmarks: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_time: list[RecordedCall] = msgspec.field(default_factory=list)
    pings_by_playhead: list[RecordedCall] = msgspec.field(default_factory=list)
    preflights: list[RecordedCall] = msgspec.field(default_factory=list)

    @property
    def is_opened(self) -> bool:
        """True if its start was accepted: with an id, or without headers, which exporters drop."""
        response = self.start.exchange.response if self.start else None
        is_bare = response is not None and response.status == SESSION_CREATED and not response.headers
        return response is not None and (self.sid is not None or is_bare)

    @property
    def started(self) -> str:
        """The time of its sessionStart, UTC in ISO 8601; empty if that was not recorded."""
        return self.start.exchange.started if self.start else ""


class RecordingIndex(msgspec.Struct):
    """The recorded calls by session, event type and call.

    Attributes:
        sessions: in recorded order.
        by_content: sessions with a recorded sessionStart, by the first value of their identity, which has to be equal.
        hosts: the hosts that calls went to, and those that a Location names.
        schemas: schema calls by event type.
        downloaded: calls with arrays of downloaded content.
        preflights: preflights outside of sessions, by the call that they precede.
    """

    sessions: list[RecordedSession]
    by_content: dict[object, list[RecordedSession]]
    schemas: dict[str, list[RecordedCall]]
    downloaded: list[RecordedCall]
    preflights: dict[Call, list[RecordedCall]]
    hosts: set[str] = msgspec.field(default_factory=set)


def build_index(recordings: Iterable[Iterable[Entry]], numbers: Iterable[int] | None = None) -> RecordingIndex:
    """Return the index of the entries of some recordings.

    A session may be continued in a later recording, whatever the order of the recordings.

    Args:
        recordings: the entries of each recording.
        numbers: the numbers of the recordings; from 0 on if left out.
    """
    builder = IndexBuilder()
    numbered = enumerate(recordings) if numbers is None else zip(numbers, recordings, strict=True)
    files = [(number, in_order_of_arrival(entries)) for number, entries in numbered]
    for file, entries in files:
        builder.add_starts(file, entries)
    by_time = sorted(files, key=lambda file: file[1][0].exchange.started if file[1] else "")
    for file, entries in by_time:
        builder.add_calls(file, entries)
    for session in builder.index.sessions:
        _sort_calls(session)
    return builder.index


def index_of_files(index: RecordingIndex, files: Iterable[int]) -> RecordingIndex:
    """Return the index of some recordings alone, by their numbers in a larger one."""
    entries: dict[int, list[Entry]] = {file: [] for file in files}
    sessions = chain.from_iterable((*each.calls, *each.preflights) for each in index.sessions)
    starts = (session.start for session in index.sessions if session.start)
    by_call = chain(index.schemas.values(), index.preflights.values())
    for call in chain(starts, sessions, index.downloaded, *by_call):
        if call.file in entries:
            entries[call.file].append(Entry(call.line, call.exchange))
    for each in entries.values():
        each.sort(key=lambda entry: entry.line)
    return build_index(entries.values(), entries)


def extend_index(index: RecordingIndex, file: int, entries: Iterable[Entry]) -> list[RecordedSession]:
    """Add whole sessions and other calls of a recording to an index, and return the sessions."""
    builder, before, arrived = IndexBuilder(index), len(index.sessions), in_order_of_arrival(entries)
    builder.add_starts(file, arrived)
    builder.add_calls(file, arrived)
    added = index.sessions[before:]
    for session in added:
        _sort_calls(session)
    return added


def _sort_calls(session: RecordedSession) -> None:
    for call in session.calls:
        session.by_key.setdefault(call.key, []).append(call)
    session.landmarks = [call for call in session.calls if not is_ping(call)]
    pings = [call for call in session.calls if is_ping(call)]
    timed = (call for call in pings if call.position.elapsed is not None)
    placed = (call for call in pings if call.position.playhead is not None)
    session.pings_by_time = sorted(timed, key=lambda call: call.position.elapsed or 0)
    session.pings_by_playhead = sorted(placed, key=lambda call: call.position.playhead or 0)


def is_ping(call: RecordedCall) -> bool:
    """Return whether a call is a ping: sent at regular intervals, so that number and order are not significant."""
    return event_type_of(call.key.event_type).repeats


def schemas_of(index: RecordingIndex, stored: Iterable[Exchange] = ()) -> Schemas:
    """Return the schemas for a replay: the last usable ones that were recorded, for other event types the built-in.

    Args:
        index: the index.
        stored: exchanges of the schema call that count before those of the index.
    """
    found: list[tuple[str, Schema]] = []
    for exchange in chain(stored, (call.exchange for call in chain.from_iterable(index.schemas.values()))):
        with suppress(ValueError):
            found += filter(None, [served_schema(exchange)])
    return Schemas.usable(found)


class IndexBuilder:
    """Assigns exchanges to sessions, all of which it adds itself.

    Args:
        index: an index to be added to; an empty one if left out.

    Attributes:
        index: the index so far.
    """

    def __init__(self, index: RecordingIndex | None = None) -> None:
        self.index = index or RecordingIndex([], {}, {}, [], {})
        # By file, session id and host; None stands for any file and any host.
        self._by_sid: dict[tuple[int | None, str, str | None], list[RecordedSession]] = {}

    def add_starts(self, file: int, entries: list[Entry]) -> None:
        """Add the session calls of a recording, in the order of their arrival."""
        for entry in entries:
            exchange = entry.exchange
            location = (exchange.response and exchange.response.header("Location")) or ""
            named = f"https:{location}" if location.startswith("//") else location
            self.index.hosts |= {authority_of(url) for url in (exchange.request.url, named) if "://" in url}
            if exchange.call is not Call.SESSION:
                continue
            body, sid = parse_body_of(exchange), exchange.session
            if isinstance(body, list):
                self.index.downloaded.append(_call_outside_sessions(file, entry))
                continue
            event = read_event(body)
            start = RecordedCall(file, entry.line, exchange, event.key, event.position(None), 0)
            session = self._add_session(sid, entry, start, event)
            self.index.by_content.setdefault(session.identity[0], []).append(session)
            if sid is not None:
                self._remember(file, sid, session)
                self._remember(None, sid, session)

    def add_calls(self, file: int, entries: list[Entry]) -> None:
        """Add the other calls of a recording, after the session calls of all recordings."""
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
        """Add a call to the session with its id."""
        session = self._session_of(file, sid, entry)
        event, calls = read_event(parse_body_of(entry.exchange)), session.calls
        position = event.position(session.started_ts)
        order = calls[-1].order + (not is_ping(calls[-1])) if calls else 1
        call = RecordedCall(file, entry.line, entry.exchange, event.key, position, order)
        (session.preflights if entry.exchange.call is Call.PREFLIGHT else calls).append(call)

    def _session_of(self, file: int, sid: str, entry: Entry) -> RecordedSession:
        """Return the last session with an id that had begun.

        One on the call's host comes before others, to which a Location may have led; then one in the same file.
        """
        for host in (authority_of(entry.exchange.request.url), None):
            if known := self._by_sid.get((file, sid, host)):
                return _last_begun(known, entry) or known[0]
            others = sorted(self._by_sid.get((None, sid, host), ()), key=lambda session: session.started)
            if begun := _last_begun(others, entry):
                self._remember(file, sid, begun)
                return begun
        session = self._add_session(sid, entry, None, read_event(None))
        self._remember(file, sid, session)
        return session

    def _remember(self, file: int | None, sid: str, session: RecordedSession) -> None:
        for host in (session.host, None):
            self._by_sid.setdefault((file, sid, host), []).append(session)

    def _add_session(
        self, sid: str | None, entry: Entry, start: RecordedCall | None, opening: Event
    ) -> RecordedSession:
        host = authority_of(entry.exchange.request.url)
        mark = fingerprint(f"{entry.exchange.started} {sid or entry.line} {host}")
        session = RecordedSession(len(self.index.sessions), sid, mark, host, opening.identity, start, opening.ts)
        self.index.sessions.append(session)
        return session


def of_host[Recorded: (RecordedCall, RecordedSession)](recorded: Sequence[Recorded], host: str) -> Sequence[Recorded]:
    """Return the recorded calls or sessions of a host; all of them if none is."""
    return [each for each in recorded if each.host == host] or recorded


def parse_body_of(exchange: Exchange) -> Any:
    """Return the request's body as parsed JSON, without keeping it with the message: an index may hold millions."""
    return parse_json(exchange.request.content()).value


def _call_outside_sessions(file: int, entry: Entry) -> RecordedCall:
    key, position = read_event(parse_body_of(entry.exchange)).key, EventPosition(None, None)
    return RecordedCall(file, entry.line, entry.exchange, key, position, 0)


def _last_begun(sessions: Sequence[RecordedSession], entry: Entry) -> RecordedSession | None:
    """Return the last of `sessions`, in the order of their starts, that had begun when an exchange came."""
    begun = (each for each in reversed(sessions) if each.start and each.started <= entry.exchange.started)
    return next(begun, None)
