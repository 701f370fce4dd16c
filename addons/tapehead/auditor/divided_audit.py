"""The audit of recordings, divided: one audit assigns exchanges to sessions, others evaluate a part of the sessions.

The first one, `DividingAudit`, knows which session an exchange belongs to and when a session is over, and evaluates
nothing. It puts that into steps, one list for each part, which a `PartialAudit` follows, also in another process. All
sessions of one client are in one part, so that rules on several sessions find what they would find in the whole. Each
part knows the times of all exchanges, since they say when a comparison of sessions is decided.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from tapehead.auditor.arrival_order import sort_by_arrival
from tapehead.auditor.evaluation import ClosedSession, Measure
from tapehead.auditor.received_events import EventReader, ReceivedEvent, RecordedSchemas
from tapehead.auditor.recordings_audit import SILENT_MS, OpenSession, RecordingsAudit
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.session_audit import SessionAudit
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.visitor_history import MOST_OVERLAPS, VisitorHistory, client_of
from tapehead.protocol.arrival import ArrivalClock, Arrived
from tapehead.protocol.events import Event, events_of
from tapehead.protocol.exchange import Entry, Exchange, Finding, Severity, decode, encode
from tapehead.protocol.outline import EventOutline, is_plain
from tapehead.protocol.routes import SESSION_CREATED, Call
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_trace import Client
from tapehead.rules.support.thresholds import Thresholds


class NotDivisibleError(Exception):
    """Recordings whose sessions cannot be divided without another result; one audit has to read them all."""


# Steps are plain tuples, since there is one for each exchange, which goes to another process. An exchange to read is
# (how many exchanges of the batch came before in all parts; the number of its session, None to learn the schema in it
# and no more; the id by which its session is open, None if it has a result of its own; of late events, whether the
# session before them ended, None for others; its recording; its line; the exchange, encoded or as it is stored).
AddStep = tuple[int, int | None, str | None, bool | None, str, int, bytes]
# The end of a session is (how many exchanges came before; its number; the number of its result among all).
CloseStep = tuple[int, int, int]
Step = AddStep | CloseStep
# The times of some exchanges, milliseconds since 1970 as an array of doubles; and the steps of each part.
Batch = tuple[bytes, list[list[Step]]]

# Stands for a result that another process has.
_ELSEWHERE = cast(SessionResult, None)


class DividingAudit(RecordingsAudit):
    """The audit that assigns exchanges to sessions, and sessions to parts.

    Args:
        parts: the number of parts.

    Attributes:
        times: when the exchanges since the last batch came, milliseconds since 1970.
        steps: the steps of each part since the last batch.
        size: the bytes of the exchanges in them.
        closed: the number of results so far.
    """

    def __init__(self, parts: int) -> None:
        self._outlines = _OutlineReader()
        super().__init__(measure=None, reader=self._outlines)
        self.times = array("d")
        self.steps: list[list[Step]] = [[] for _ in range(parts)]
        self.size = self.closed = 0
        self._history = _Times(self.times, self._limits_of)
        self._sessions = 0
        self._sid: str | None = None
        # By part: how many of its sessions are open, and how many exchanges it got.
        self._loads = [[0, 0] for _ in range(parts)]
        # By client with open sessions: their part, and how many they are.
        self._clients: dict[Client, list[int]] = {}

    def add(self, entry: Entry) -> list[SessionResult]:
        """Take the next exchange; return what stands for the results of the sessions that are over by now."""
        return [] if self._pass_on(entry) else super().add(entry)

    def _pass_on(self, entry: Entry) -> bool:
        """Take what most exchanges are, an event with which a session goes on, as `add` does; return whether."""
        exchange, reader = entry.exchange, self._outlines
        session = self._running.get(exchange.session) if exchange.session else None
        if session is None or not isinstance(exchange, EventOutline) or exchange.answered or not is_plain(exchange):
            return False
        divided, arrived_ms = session.audit, reader.time_of(exchange)
        if (
            arrived_ms is None
            or arrived_ms > self._due_ms
            or session.touched_ms < arrived_ms - SILENT_MS
            or not isinstance(divided, _DividedSession)
            or divided.part is None
        ):
            return False
        self._added += 1
        reader.entry, reader.arrived_ms = entry, arrived_ms
        reader.clock_ms = answered_ms = arrived_ms + exchange.elapsed_ms
        self._add_step(divided.part, divided, exchange.stored)
        session.touched_ms = max(session.touched_ms, answered_ms)
        self._running.move_to_end(exchange.session or "")
        self.times.append(arrived_ms)
        return True

    def take_batch(self) -> Batch:
        """Return the times and the steps since the last batch."""
        batch = self.times.tobytes(), self.steps
        self.steps = [[] for _ in self.steps]
        self.size = 0
        del self.times[:]
        return batch

    def send(self, session: "_DividedSession", event: Event | None) -> None:
        """Put the exchange that was read last into the steps of its session's part."""
        entry = self._outlines.entry
        exchange = entry.exchange
        client = None
        if event and event.type == "sessionStart" and event.status == SESSION_CREATED and session.sid is not None:
            client = client_of(exchange, event)
        if session.part is None:
            known = self._clients.get(client) if client else None
            session.part = known[0] if known else min(range(len(self._loads)), key=self._loads.__getitem__)
            self._loads[session.part][0] += 1
        if client:
            self._note_client(session, client, session.part)
        content = exchange.stored if isinstance(exchange, EventOutline) else encode(exchange)
        self._add_step(session.part, session, content)
        if exchange.call is Call.SCHEMA:
            for part in range(len(self.steps)):
                if part != session.part:
                    self._add_step(part, None, content)

    def _add_step(self, part: int, session: "_DividedSession | None", content: bytes) -> None:
        entry = self._outlines.entry
        number, sid, after = (session.number, session.sid, session.after) if session else (None, None, None)
        self.steps[part].append((len(self.times), number, sid, after, entry.recording, entry.line, content))
        self.size += len(content)
        self._loads[part][1] += 1

    def _note_client(self, session: "_DividedSession", client: Client, part: int) -> None:
        known = self._clients.setdefault(client, [part, 0])
        if session.client or known[0] != part:
            raise NotDivisibleError
        session.client = client
        known[1] += 1

    def end(self, session: "_DividedSession") -> None:
        """Put the end of a session into the steps of its part."""
        if session.part is None:
            raise ValueError("no exchange was added to the session")
        self.steps[session.part].append((len(self.times), session.number, self.closed))
        self.closed += 1
        self._loads[session.part][0] -= 1
        if session.client:
            known = self._clients[session.client]
            known[1] -= 1
            if not known[1]:
                del self._clients[session.client]

    def _add(self, sid: str, session: OpenSession | None, received: Sequence[ReceivedEvent]) -> OpenSession:
        self._sid = sid
        added = super()._add(sid, session, received)
        self._sid = None
        return added

    def _open(self, after: ClosedSession | None = None) -> OpenSession:
        self._sessions += 1
        return OpenSession(self._added, _DividedSession(self, self._sessions, self._sid, after))


def divide(entries: Iterable[Entry], parts: int, most_bytes: int, most_exchanges: int) -> Iterator[tuple[Batch, int]]:
    """Yield batches of steps for the parts of some recordings, each with the bytes of its exchanges.

    Args:
        entries: the exchanges, as for `audit`.
        parts: the number of parts.
        most_bytes: how many bytes of exchanges make a batch.
        most_exchanges: how many exchanges make one.

    Raises:
        NotDivisibleError: one audit has to read all exchanges.
    """
    audit = DividingAudit(parts)
    for entry in sort_by_arrival(entries):
        audit.add(entry)
        if audit.size > most_bytes or len(audit.times) > most_exchanges:
            size = audit.size
            yield audit.take_batch(), size
    for _ in audit.close():
        pass
    size = audit.size
    yield audit.take_batch(), size


class _DividedSession(SessionAudit):
    """A session that a part evaluates."""

    __slots__ = ("_divider", "after", "client", "number", "part", "sid")

    def __init__(self, divider: DividingAudit, number: int, sid: str | None, after: ClosedSession | None) -> None:
        self._divider = divider
        self.number = number
        self.sid = sid
        self.after = None if after is None else after.ended
        self.part: int | None = None
        self.client: Client | None = None
        self.opened = False
        self.ended = after is not None and after.ended
        self.remaining = []

    def add_events(self, received: Sequence[ReceivedEvent]) -> list[SessionFinding]:
        """Have a part take the exchange of these events."""
        for each in received:
            if each.event:
                self.opened = self.opened or each.opens_session
                self.ended = self.ended or each.event.type == "sessionEnd"
        self._divider.send(self, received[0].event)
        return []

    def close(self) -> SessionResult:
        """Have a part evaluate the session."""
        self._divider.end(self)
        return _ELSEWHERE


class _Times(VisitorHistory):
    """Times at which exchanges came, for the histories of the parts; compares nothing."""

    def __init__(self, times: "array[float]", limits_of: Callable[[Event], Thresholds]) -> None:
        super().__init__(limits_of)
        self._times = times

    @property
    def is_waiting(self) -> bool:
        """True, since each time counts."""
        return True

    def begin(self, exchange: Exchange, start: Event) -> None:
        """Compare nothing."""

    def decide(self, clock_ms: float) -> Iterator[RuleHit]:
        """Note the time."""
        self._times.append(clock_ms)
        return iter(())


# What any event is read as that neither opens nor ends a session.
_PLAIN = [ReceivedEvent("", Event(), (), "", 0)]
# In the place of the findings of an exchange without events, which its part knows.
_UNCHECKED = (Finding("", Severity.INFO, "", ""),)


class _OutlineReader(EventReader):
    """A reader of what an exchange's place among the sessions depends on; checks nothing.

    Attributes:
        entry: the exchange that was read last.
    """

    def __init__(self) -> None:
        super().__init__(AuditSettings())
        self.entry: Entry

    def time_of(self, exchange: Exchange) -> float | None:
        """Return when an exchange came, milliseconds since 1970, as `read` does, which may follow; None if unknown."""
        return self._arrivals.arrived_ms(exchange)

    def _events_of(self, entry: Entry, arrived_ms: float) -> list[ReceivedEvent]:
        self.entry = entry
        exchange = entry.exchange
        if isinstance(exchange, EventOutline) and is_plain(exchange):
            return _PLAIN
        events = list(events_of(exchange, arrived_ms, entry.recording, entry.line))
        if not events:
            return [ReceivedEvent(exchange.started, None, _UNCHECKED, entry.recording, entry.line)]
        return [ReceivedEvent(exchange.started, event, (), entry.recording, entry.line) for event in events]


class PartialAudit(RecordingsAudit):
    """The audit of one part of the sessions, which follows the steps of a `DividingAudit`.

    Args:
        parts: the number of parts.
        settings, schemas, measure: as for `RecordingsAudit`.
    """

    def __init__(
        self, parts: int, settings: AuditSettings, schemas: RecordedSchemas | None, measure: Measure | None
    ) -> None:
        self._timed = _TimedReader(settings, schemas)
        super().__init__(settings, measure=measure, reader=self._timed)
        self._sessions: dict[int, tuple[OpenSession, str | None]] = {}
        # With no more in any part, the whole has not so many that it decides some early.
        self._most_waiting = (MOST_OVERLAPS - 1) // parts

    def follow(self, times: Sequence[float], steps: Iterable[Step]) -> Iterator[tuple[int, SessionResult | None]]:
        """Take a batch of steps; yield results with their numbers, None for exchanges that give none.

        Raises:
            NotDivisibleError: so many comparisons of sessions wait that they depend on other parts, or a line is no
                exchange, though its outline could be read.
        """
        passed = 0
        for step in steps:
            before = step[0]
            if self._history.is_waiting:
                self._pass(times[passed:before])
            passed = before
            if len(step) == 3:
                yield step[2], self._end(step[1])
            else:
                self._take(step, times[passed])
        self._pass(times[passed:])

    def _take(self, step: AddStep, arrived_ms: float) -> None:
        _, number, sid, after, recording, line, content = step
        try:
            entry = Entry(line, decode(content), recording)
        except ValueError as error:  # in what an outline passes over
            raise NotDivisibleError from error
        received = self._timed.read_at(entry, arrived_ms)
        event = received[0].event
        if number is None or not (event or received[0].findings):
            return
        known = self._sessions.get(number)
        if known is None:
            session = self._open(None if after is None else ClosedSession(after))
            self._sessions[number] = session, sid
            if sid is not None:
                self._running[sid] = session
        else:
            session, _ = known
        session.audit.add_events(received)
        if event and sid is not None:
            self._trace(session, entry.exchange, event)
            if self._history.waiting > self._most_waiting:
                raise NotDivisibleError

    def _end(self, number: int) -> SessionResult | None:
        session, sid = self._sessions.pop(number, (None, None))
        if session is None:
            return None
        if sid is not None and self._running.get(sid) is session:
            del self._running[sid]
        return self._close(session)

    def _pass(self, times: Sequence[float]) -> None:
        """Decide the comparisons that are due by the times of exchanges."""
        if self._history.is_waiting:
            for time in times:
                if self._history.due_ms < time:
                    self._add_hits(self._history.decide(time))


class _TimedReader(EventReader):
    """A reader of exchanges whose time of arrival is known."""

    def __init__(self, settings: AuditSettings, schemas: RecordedSchemas | None) -> None:
        super().__init__(settings, schemas)
        self._arrivals = self._given = _GivenTime()

    def read_at(self, entry: Entry, arrived_ms: float) -> list[ReceivedEvent]:
        """Return the events of an exchange that came at a time, milliseconds since 1970."""
        self._given.time_ms = arrived_ms
        return self.read(entry)


class _GivenTime(ArrivalClock):
    """A time that is known for each call.

    Attributes:
        time_ms: when the next call arrived, milliseconds since 1970.
    """

    def __init__(self) -> None:
        super().__init__()
        self.time_ms = 0.0

    def arrived_ms(self, exchange: Arrived) -> float:
        """Return that time."""
        return self.time_ms
