"""The audit: a stream of recorded exchanges in, one result for each session out.

It takes exchanges in the order in which recordings hold them, of any number of sessions, and keeps only sessions that
may go on: one that ended goes after two minutes, one that fell silent after a day, or when a thousand sessions are
open and it has been silent for half an hour. Of the sessions that are gone it remembers the ids, so that what still
comes for them is no unknown session. All times are the recordings' own.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

import orjson

from tapehead.audit.evaluation import (
    ClosedSession,
    Measure,
    ReceivedEvent,
    SessionEvaluator,
    SessionEvents,
    opens_session,
)
from tapehead.audit.expectations import Expectations
from tapehead.audit.results import SessionResult
from tapehead.audit.settings import Settings
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, arrival_of, events_of
from tapehead.protocol.exchange import Entry, Exchange, Finding
from tapehead.protocol.routes import Call, find_route
from tapehead.protocol.schemas import Schema, Schemas
from tapehead.rules.body import check_exchange, limit_findings

ENDED_MS = 2 * 60_000
SILENT_MS = 25 * 60 * 60_000
QUIET_MS = 30 * 60_000
MOST_OPEN = 1000
MOST_REMEMBERED = 100_000


class Audit:
    """The audit of recordings, one exchange after the other.

    Args:
        settings: what users set; nothing, if None.
        schemas: the schemas in use by endpoint, as `recorded_schemas` finds them; more are learnt on the way.
        measure: what makes metrics of a session's events, such as `metrics.meter.measure`; None for no metrics.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        schemas: Mapping[str, Mapping[str, Schema]] | None = None,
        measure: Measure | None = None,
    ) -> None:
        settings = settings or Settings()
        self._judge = SessionEvaluator(settings, measure)
        self._expectations = Expectations(settings)
        self._schemas = {endpoint: Schemas(found) for endpoint, found in (schemas or {}).items()}
        self._built_in = _built_in()
        self._running: OrderedDict[str, SessionEvents] = OrderedDict()
        self._ended: OrderedDict[str, SessionEvents] = OrderedDict()
        self._endings: OrderedDict[str, ClosedSession] = OrderedDict()
        self._taken = 0
        self._clock = 0.0

    @property
    def open_sessions(self) -> int:
        """How many sessions are kept because they may go on."""
        return len(self._running) + len(self._ended)

    def take(self, entry: Entry, recording: str = "") -> Iterator[SessionResult]:
        """Take the next exchange of the recording of that name, and give the sessions that are over by now."""
        exchange = entry.exchange
        arrived_ms = arrival_of(exchange)
        arrived_ms = self._clock if arrived_ms is None else arrived_ms
        self._clock = arrived_ms + exchange.elapsed_ms
        self._taken += 1
        if exchange.call is Call.SCHEMA:
            self._learn(exchange)
        arrivals = self._read(exchange, arrived_ms, recording, entry.line)
        return iter([*self._file(exchange, arrivals), *self._sweep()])

    def finish(self) -> Iterator[SessionResult]:
        """Give the sessions that are left, in the order in which they began; there is no more to take."""
        left = sorted([*self._ended.values(), *self._running.values()], key=lambda record: record.number)
        self._ended.clear()
        self._running.clear()
        return map(self._judge.judge, left)

    def _learn(self, exchange: Exchange) -> None:
        for endpoint, found in recorded_schemas([exchange]).items():
            if endpoint not in self._schemas:
                self._schemas[endpoint] = Schemas()
            for event_type, schema in found.items():
                self._schemas[endpoint].learn(event_type, schema)

    def _read(self, exchange: Exchange, arrived_ms: float, recording: str, line: int) -> list[ReceivedEvent]:
        """The events of an exchange, each with its findings; of one without events, the findings alone."""
        schemas = self._schemas.get(endpoint_of(exchange), self._built_in) if self._schemas else self._built_in
        error = exchange.error if isinstance(exchange.error, str) else None
        findings = check_exchange(exchange.call, exchange.request, exchange.response, error, arrived_ms, schemas)
        known = {(each.rule, each.path) for each in findings}
        expected = limit_findings(self._expectations.check(exchange.request))
        findings += [each for each in expected if (each.rule, each.path) not in known]
        events = list(events_of(exchange, arrived_ms, recording, line))
        split = _split(findings, events) if len(events) > 1 else [tuple(findings)]
        told: list[Event | None] = [*events] or [None]
        return [
            ReceivedEvent(exchange.started, event, own, recording, line) for event, own in zip(told, split, strict=True)
        ]

    def _file(self, exchange: Exchange, arrivals: Sequence[ReceivedEvent]) -> Iterator[SessionResult]:
        """Put arrivals to their session; give what they show to be over."""
        event, sid = arrivals[0].event, exchange.session
        if event is None:
            yield from self._file_bare(sid, arrivals[0])
        elif sid is None or event.in_array:
            yield self._judge.judge(self._make_record(arrivals))
        else:
            if opens_session(event) and (earlier := self._pop_opened(sid)):
                yield self._close(sid, earlier)
            elif gone := self._pop_gone(sid):
                yield self._close(sid, gone)
            if opens_session(event):
                self._endings.pop(sid, None)
            self._add(sid, arrivals)

    def _file_bare(self, sid: str | None, arrival: ReceivedEvent) -> Iterator[SessionResult]:
        record = self._find(sid) if sid else None
        if record and arrival.findings:
            record.arrivals.append(arrival)
        elif arrival.findings:
            yield self._judge.judge(self._make_record([arrival]))

    def _make_record(self, arrivals: Iterable[ReceivedEvent], after: ClosedSession | None = None) -> SessionEvents:
        record = SessionEvents(self._taken, after)
        record.arrivals.extend(arrivals)
        return record

    def _find(self, sid: str) -> SessionEvents | None:
        return self._running.get(sid) or self._ended.get(sid)

    def _pop_opened(self, sid: str) -> SessionEvents | None:
        """Take out the session of that id if it has been opened already: another one got its id."""
        record = self._find(sid)
        if record is None or not any(arrival.event and opens_session(arrival.event) for arrival in record.arrivals):
            return None
        self._running.pop(sid, None)
        self._ended.pop(sid, None)
        return record

    def _pop_gone(self, sid: str) -> SessionEvents | None:
        """Take out the session of that id if it was over before now: what else was recorded must not matter."""
        for records, patience in ((self._ended, ENDED_MS), (self._running, SILENT_MS)):
            if sid in records and records[sid].touched_ms < self._clock - patience:
                return records.pop(sid)
        return None

    def _add(self, sid: str, arrivals: Sequence[ReceivedEvent]) -> None:
        record = self._find(sid)
        if record is None:
            record = self._running[sid] = self._make_record((), self._endings.get(sid))
        record.arrivals.extend(arrivals)
        record.touched_ms = max(record.touched_ms, self._clock)
        if sid in self._running and any(each.event and each.event.type == "sessionEnd" for each in arrivals):
            self._ended[sid] = self._running.pop(sid)
        (self._running if sid in self._running else self._ended).move_to_end(sid)

    def _sweep(self) -> Iterator[SessionResult]:
        """Close the sessions that are over by the recording's clock; the ones heard of last stand last."""
        while self._ended and _first(self._ended).touched_ms < self._clock - ENDED_MS:
            yield self._close(*self._ended.popitem(last=False))
        while self._running:
            patience = QUIET_MS if self.open_sessions > MOST_OPEN else SILENT_MS
            if _first(self._running).touched_ms >= self._clock - patience:
                return
            yield self._close(*self._running.popitem(last=False))

    def _close(self, sid: str, record: SessionEvents) -> SessionResult:
        events = [arrival.event for arrival in record.arrivals if arrival.event]
        ended = any(event.type == "sessionEnd" for event in events) or bool(record.after and record.after.ended)
        self._endings[sid] = ClosedSession(ended)
        if len(self._endings) > MOST_REMEMBERED:
            self._endings.popitem(last=False)
        return self._judge.judge(record)


@cache
def _built_in() -> Schemas:
    return Schemas()


def _first(records: OrderedDict[str, SessionEvents]) -> SessionEvents:
    return next(iter(records.values()))


def _split(findings: Iterable[Finding], events: Sequence[Event]) -> list[tuple[Finding, ...]]:
    """The findings of an array by the event that they are about; those about the whole go to the first."""
    split: list[list[Finding]] = [[] for _ in events]
    for finding in findings:
        index = finding.path[1:].partition("]")[0] if finding.path.startswith("[") else ""
        split[int(index) if index.isdigit() else 0].append(finding)
    return [tuple(own) for own in split]


def endpoint_of(exchange: Exchange) -> str:
    """The endpoint that an exchange went to: its URL up to the path of the API."""
    return exchange.request.url.partition("/api/v1/")[0]


def recorded_schemas(exchanges: Iterable[Exchange]) -> dict[str, dict[str, Schema]]:
    """The schemas that endpoints served, by endpoint and event type; the last one where there are several.

    What is no JSON Schema, or of no documented event type, is left out.
    """
    found: dict[str, dict[str, Schema]] = {}
    for exchange in exchanges:
        if exchange.call is Call.SCHEMA and exchange.response and exchange.response.status == 200:
            route = find_route(exchange.request.url)
            schema = _parse_schema(exchange.response.content())
            if route and route.event_type in EVENT_TYPES and schema is not None:
                found.setdefault(endpoint_of(exchange), {})[str(route.event_type)] = schema
    return found


def _parse_schema(content: bytes) -> Schema | None:
    try:
        schema = orjson.loads(content)
        if isinstance(schema, dict):
            Schemas({"ping": schema})
            return schema
    except ValueError:
        pass
    return None


def audit(
    entries: Iterable[tuple[str, Entry]],
    settings: Settings | None = None,
    schemas: Mapping[str, Mapping[str, Schema]] | None = None,
    measure: Measure | None = None,
) -> Iterator[SessionResult]:
    """The results for all sessions of some recordings, as they close.

    Args:
        entries: the recordings' names with their entries, one recording after the other.
        settings: as for `Audit`.
        schemas: as for `Audit`.
        measure: as for `Audit`.
    """
    engine = Audit(settings, schemas, measure)
    for recording, entry in entries:
        yield from engine.take(entry, recording)
    yield from engine.finish()
