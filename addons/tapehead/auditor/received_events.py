"""Events as they arrive, with the findings of their exchanges.

Schemas that an endpoint served count for what is sent to it from then on.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache

import msgspec

from tapehead.auditor.expectations import Expectations
from tapehead.auditor.settings import AuditSettings
from tapehead.protocol.arrival import ArrivalClock
from tapehead.protocol.body_time import split_anew
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, events_of
from tapehead.protocol.exchange import Entry, Exchange, Finding, is_taken
from tapehead.protocol.routes import EVENT_TAKEN, Call
from tapehead.protocol.schemas import Schema, Schemas, served_schema
from tapehead.rules.exchange_checks import check_exchange
from tapehead.rules.known_bodies import KnownBodies, TimedBody

# By endpoint, then by event type.
RecordedSchemas = Mapping[str, Mapping[str, Schema]]


class ReceivedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as it arrived, with the findings of its exchange; or the findings of an exchange without events."""

    started: str
    event: Event | None
    findings: tuple[Finding, ...]
    recording: str
    line: int
    source: str = ""

    @property
    def opens_session(self) -> bool:
        """True if the event came by a call that opens sessions."""
        return self.event is not None and self.event.call is not Call.EVENT


# Texts that are shared.
_MOST_SHARED = 5000


class _SharedTexts(dict[str | None, str | None]):
    """The first copies of session ids and sources, of which each line has another."""

    def __missing__(self, text: str | None) -> str | None:
        if len(self) >= _MOST_SHARED:
            self.clear()
        self[text] = text
        return text


class EventReader:
    """A reader of the events of exchanges, which checks each exchange.

    Args:
        settings: what users expect of their events.
        schemas: the schemas in use, as `recorded_schemas` finds them; more are learnt on the way.

    Attributes:
        arrived_ms: when the last exchange came, milliseconds since 1970.
        clock_ms: when it was answered.
        learnt: another number for other schemas learnt, or the same ones in another order.
    """

    def __init__(self, settings: AuditSettings, schemas: RecordedSchemas | None = None) -> None:
        self._expectations = Expectations(settings)
        self._schemas = {endpoint: Schemas(known) for endpoint, known in (schemas or {}).items()}
        self._has_expectations = bool(settings.expect or settings.metadata)
        self._bodies = KnownBodies(split_anew)
        self._shared = _SharedTexts()
        self._arrivals = ArrivalClock()
        self.arrived_ms = self.clock_ms = 0.0
        self.learnt = 0

    def read(self, entry: Entry) -> list[ReceivedEvent]:
        """Return the events of an exchange, each with its findings; without events, the findings alone."""
        exchange = entry.exchange
        arrived_ms = self._arrivals.arrived_ms(exchange)
        arrived_ms = self.arrived_ms = self.clock_ms if arrived_ms is None else arrived_ms
        self.clock_ms = arrived_ms + exchange.elapsed_ms
        if exchange.call is Call.SCHEMA:
            for endpoint, learnt in recorded_schemas([exchange]).items():
                schemas = self._schemas.setdefault(endpoint, Schemas())
                for event_type, schema in learnt.items():
                    schemas.learn(event_type, schema)
            self.learnt = hash((self.learnt, entry.recording, entry.line))
        return self._events_of(entry, arrived_ms)

    def _events_of(self, entry: Entry, arrived_ms: float) -> list[ReceivedEvent]:
        exchange = entry.exchange
        # Only the documented schemas are known not to look at playhead and ts.
        may_be_known = is_taken(exchange) and not (self._schemas or self._has_expectations)
        if may_be_known and (timed := self._bodies.find(exchange.request, arrived_ms)):
            sid, source = self._shared[exchange.session], self._shared[exchange.source] or ""
            event, own = event_in(timed, entry, arrived_ms, sid, source), timed.known.findings
            return [ReceivedEvent(exchange.started, event, own, entry.recording, entry.line, source)]
        findings = self._check(exchange, arrived_ms)
        events = list(events_of(exchange, arrived_ms, entry.recording, entry.line))
        if may_be_known:
            self._bodies.learn(exchange.request, events[0], tuple(findings))
        split = split_findings(findings, events) if len(events) > 1 else [tuple(findings)]
        received: list[Event | None] = [*events] or [None]
        return [
            ReceivedEvent(exchange.started, event, own, entry.recording, entry.line, exchange.source)
            for event, own in zip(received, split, strict=True)
        ]

    def _check(self, exchange: Exchange, arrived_ms: float) -> list[Finding]:
        schemas = self._schemas and (self._schemas.get(exchange.keyed_endpoint) or self._schemas.get(exchange.endpoint))
        error = exchange.error if isinstance(exchange.error, str) else None
        expected = self._expectations.check(exchange.request)
        return check_exchange(
            exchange.call,
            exchange.request,
            exchange.response,
            error,
            arrived_ms,
            schemas or built_in_schemas(),
            expected,
            closed_by=exchange.closed_by,
        )


def event_in(timed: TimedBody, entry: Entry, arrived_ms: float, sid: str | None, source: str) -> Event:
    """Return the event in an exchange of a session that is taken, whose body is known; as `events_of` does."""
    exchange, known = entry.exchange, timed.known.event
    # Positional, as in `read_event`.
    return Event(
        known.type,
        timed.playhead,
        timed.ts,
        known.params,
        known.quality,
        known.metadata,
        known.other_type,
        0,
        arrived_ms,
        arrived_ms + exchange.elapsed_ms,
        EVENT_TAKEN,
        exchange.call,
        sid,
        False,
        entry.recording,
        entry.line,
        source,
        exchange.order,
    )


@cache
def built_in_schemas() -> Schemas:
    """Return the built-in schemas, which are shared."""
    return Schemas()


def split_findings(findings: Iterable[Finding], events: Iterable[Event]) -> list[tuple[Finding, ...]]:
    """Return the findings of an array by the event that they are about; those about the whole go to the first."""
    split: list[list[Finding]] = [[] for _ in events]
    for finding in findings:
        index = finding.path[1:].partition("]")[0] if finding.path.startswith("[") else ""
        split[int(index) if index.isdigit() else 0].append(finding)
    return [tuple(own) for own in split]


def recorded_schemas(exchanges: Iterable[Exchange]) -> dict[str, dict[str, Schema]]:
    """Return the schemas that endpoints served, by endpoint and event type; the last one where there are several.

    What cannot be used, or is of no documented event type, is left out.
    """
    recorded: dict[str, dict[str, Schema]] = {}
    for exchange in exchanges:
        with suppress(ValueError):
            served = served_schema(exchange)
            if served and served[0] in EVENT_TYPES:
                recorded.setdefault(exchange.keyed_endpoint, {})[served[0]] = served[1]
    return recorded
