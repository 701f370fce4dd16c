"""The audit of calls while they come: findings at once, and at the end the same as `audit` of their recording.

Two audits take the same calls. An eager one takes each as it comes and says what holds now. The settled one takes them
in the order of arrival, two minutes later, and its results decide: what it does not find is withdrawn, what only it
finds is new. In between, a finding is confirmed when the back end's window has passed, 5 seconds or 10 events later;
one that another rule may still explain, or that only silence shows, waits until that is decided. Exchanges are read
and checked once.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from tapehead.auditor.arrival_order import ArrivalQueue
from tapehead.auditor.eager_session import LEAST_SILENCE_MS, EagerSession, Touched
from tapehead.auditor.evaluation import ClosedSession, Measure
from tapehead.auditor.live_findings import LiveFindings, Place
from tapehead.auditor.received_events import EventReader, ReceivedEvent, RecordedSchemas
from tapehead.auditor.recordings_audit import MOST_REMEMBERED, OpenSession, RecordingsAudit, audit
from tapehead.auditor.results import LiveFinding, SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry

MOST_SESSIONS = 5000
MOST_EVENTS = 500_000
# More than between two ticks: what lies beyond was not observed, as while a machine sleeps.
_LONGEST_TICK_MS = 2000.0
# An event that is under way when silence gets too long.
_UNDER_WAY_MS = 500.0
# Events that may be evaluated again: for each call, for each tick, and at most at once.
_PER_CALL, _PER_TICK, _MOST_CREDIT = 2, 500, 5000

_Reading = tuple[float, int, list[ReceivedEvent]]


class _FirstReader(EventReader):
    """A reader of exchanges as they come, which keeps what it read for the settled audit."""

    def __init__(self, settings: AuditSettings, schemas: RecordedSchemas | None) -> None:
        super().__init__(settings, schemas)
        self.readings: dict[int, _Reading] = {}

    def _events_of(self, entry: Entry, arrived_ms: float) -> list[ReceivedEvent]:
        read = super()._events_of(entry, arrived_ms)
        self.readings[id(entry)] = arrived_ms, self.learnt, read
        return read


class _SecondReader(EventReader):
    """A reader that reads exchanges anew only where their time, or the schemas in use, are others by now."""

    def __init__(self, settings: AuditSettings, schemas: RecordedSchemas | None, first: _FirstReader) -> None:
        super().__init__(settings, schemas)
        self._first = first

    def _events_of(self, entry: Entry, arrived_ms: float) -> list[ReceivedEvent]:
        known_ms, learnt, read = self._first.readings.pop(id(entry))
        return read if (known_ms, learnt) == (arrived_ms, self.learnt) else super()._events_of(entry, arrived_ms)


class _EagerAudit(RecordingsAudit):
    """An audit whose sessions are eager, and which notes those that something came for."""

    def __init__(self, settings: AuditSettings, reader: EventReader) -> None:
        super().__init__(settings, measure=None, reader=reader)
        self.touched = Touched()

    def _open(self, after: ClosedSession | None = None) -> OpenSession:
        return OpenSession(self._added, EagerSession(self._settings, self._reader, after, self.touched))

    def _close(self, session: OpenSession, sid: str | None = None) -> SessionResult:
        self.touched.events -= session.audit.size
        return super()._close(session, sid)

    def forget(self, sid: str) -> None:
        """Leave out a session, as far as it has come."""
        if session := self.session(sid):
            self.touched.events -= session.size
        super().forget(sid)

    def largest(self) -> str | None:
        """Return the open session with the most events; None if none is open."""
        sessions = [*self._running.items(), *self._ended.items()]
        return max(sessions, key=lambda item: item[1].audit.size)[0] if sessions else None

    def session(self, sid: str | None) -> EagerSession | None:
        """Return an open session."""
        found = self._find(sid)
        return found.audit if found and isinstance(found.audit, EagerSession) else None

    def compare(self, session: EagerSession) -> None:
        """Let a session and those that overlap with it have the hits of their comparisons as they stand."""
        found = self._find(session.known.session)
        if found is None or found.trace is None:
            return
        for overlap in found.trace.overlaps:
            hit = self._history.preview(overlap)
            for trace in (overlap.earlier, overlap.later):
                sid = trace.start.sid
                if other := self.session(sid):
                    other.compare(overlap, hit if hit and hit.event.sid == sid else None)

    def _find(self, sid: str | None) -> OpenSession | None:
        return (self._running.get(sid) or self._ended.get(sid)) if sid else None


class _SettledAudit(RecordingsAudit):
    """An audit that keeps the results of sessions that are over, each with the exchanges that it has."""

    def __init__(self, settings: AuditSettings, measure: Measure | None, reader: EventReader) -> None:
        super().__init__(settings, measure=measure, reader=reader)
        self.places: dict[int, list[Place]] = {}

    def _close(self, session: OpenSession, sid: str | None = None) -> SessionResult:
        result = super()._close(session, sid)
        self.places[id(result)] = session.audit.places
        return result


class LiveAudit:
    """The audit of calls while they come.

    It does no I/O and has no clock. Memory is bounded: sessions that are over go, and where more are open, or hold more
    events, than can be kept, whole sessions are left out.

    Args:
        settings: as for `RecordingsAudit`.
        schemas: as for `RecordingsAudit`.
        measure: as for `RecordingsAudit`.
        on_result: called with the result of each session that is over before `close`.
        most_sessions: how many sessions may be open.
        most_events: how many events they may hold together.

    Attributes:
        remaining: while and after `close` is read, the changes that no `add` or `tick` returned.
        left_out: the ids of sessions that were left out, the last of them.
        left_out_sessions: how many there were.
        left_out_calls: how many calls of them came after that.
    """

    def __init__(
        self,
        settings: AuditSettings | None = None,
        schemas: RecordedSchemas | None = None,
        measure: Measure | None = calculate,
        on_result: Callable[[SessionResult], None] | None = None,
        *,
        most_sessions: int = MOST_SESSIONS,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._settings = settings or AuditSettings()
        self._schemas = schemas
        self._measure = measure
        self._on_result = on_result
        self._most_sessions = most_sessions
        self._most_events = most_events
        self._reader = _FirstReader(self._settings, schemas)
        self._eager = _EagerAudit(self._settings, self._reader)
        self._queue = ArrivalQueue()
        self._settled = _SettledAudit(self._settings, measure, _SecondReader(self._settings, schemas, self._reader))
        self._findings = LiveFindings()
        self._stale: OrderedDict[EagerSession, None] = OrderedDict()
        # The sessions that may fall silent, by when that is looked at; numbered, so that they are never compared.
        self._watched: set[EagerSession] = set()
        self._due: list[tuple[float, int, EagerSession]] = []
        self._numbers = count()
        self._credit = _MOST_CREDIT
        self._now_ms: float | None = None
        self.remaining: list[LiveFinding] = []
        self.left_out: OrderedDict[str, None] = OrderedDict()
        self.left_out_sessions = self.left_out_calls = 0

    @property
    def open_sessions(self) -> int:
        """The number of sessions that may go on."""
        return self._settled.open_sessions

    def add(self, entry: Entry) -> list[LiveFinding]:
        """Take the next call, as soon as it was answered; return the findings that are new or changed."""
        sid = entry.exchange.session
        if sid and (sid in self.left_out or self._is_too_much(sid)):
            self.left_out_calls += 1
            return self._findings.take_changes()
        self._eager.add(entry)
        for session in self._eager.touched:
            session.quiet_since = self._findings.observed_ms
            if session not in self._watched:
                self._watch(session, LEAST_SILENCE_MS)
        self._findings.arrived_ms = max(self._findings.arrived_ms, self._reader.arrived_ms)
        self._credit = min(self._credit + _PER_CALL, _MOST_CREDIT)
        self._tell()
        for settled in self._queue.add(entry):
            for result in self._settle(settled):
                if self._on_result:
                    self._on_result(result)
        self._findings.confirm_settled()
        return self._findings.take_changes()

    def tick(self, now_ms: float) -> list[LiveFinding]:
        """Take the time, about four times a second; return the findings that are new or changed.

        Args:
            now_ms: up to when all calls were added, milliseconds since 1970.
        """
        passed = 0.0 if self._now_ms is None else now_ms - self._now_ms
        self._now_ms = now_ms
        self._findings.observed_ms += min(max(passed, 0.0), _LONGEST_TICK_MS)
        self._credit = min(self._credit + _PER_TICK, _MOST_CREDIT)
        self._note_silence()
        self._tell()
        self._findings.confirm_settled()
        return self._findings.take_changes()

    def result(self, sid: str) -> SessionResult | None:
        """Return the result of a session as if it ended now; None if it is not open."""
        session = self._eager.session(sid)
        return session.result_so_far(self._measure) if session else None

    def audit_again(self, entries: Iterable[Entry]) -> Iterator[SessionResult]:
        """Yield the results of sessions that are over, with the same settings; in any thread."""
        return audit(entries, self._settings, self._schemas, self._measure)

    def forget(self, sid: str) -> None:
        """Leave a session out, and all calls of it that are still to come."""
        if sid in self.left_out:
            return
        self.left_out[sid] = None
        self.left_out_sessions += 1
        if len(self.left_out) > MOST_REMEMBERED:
            self.left_out.popitem(last=False)
        self.restart(sid)

    def restart(self, sid: str) -> None:
        """Forget a session as far as it has come; calls of it that are still to come are audited anew."""
        if session := self._eager.session(sid):
            for entry in self._queue.remove(sid):
                self._reader.readings.pop(id(entry))
            self._findings.forget(session.known)
            self._stale.pop(session, None)
            self._watched.discard(session)
        self._eager.forget(sid)
        self._settled.forget(sid)

    def close(self) -> Iterator[SessionResult]:
        """Yield the results of the sessions that are left; then every finding is confirmed or withdrawn."""
        for entry in self._queue.close():
            for result in self._settle(entry):
                self.remaining += self._findings.take_changes()
                yield result
        for result in self._settled.close():
            self._confirm(result)
            self.remaining += self._findings.take_changes()
            yield result
        self._findings.close()
        self.remaining += self._findings.take_changes()

    def _watch(self, session: EagerSession, silent_ms: float) -> None:
        """Look at a session again when it has been silent for so long."""
        self._watched.add(session)
        due_ms = session.quiet_since + silent_ms + _UNDER_WAY_MS
        heapq.heappush(self._due, (due_ms, next(self._numbers), session))

    def _note_silence(self) -> None:
        now_ms = self._findings.observed_ms
        while self._due and self._due[0][0] <= now_ms:
            _, _, session = heapq.heappop(self._due)
            if session in self._watched:
                self._watched.remove(session)
                again_ms = session.note_silence(now_ms - session.quiet_since - _UNDER_WAY_MS)
                if again_ms is not None:
                    self._watch(session, again_ms)

    def _settle(self, entry: Entry) -> Iterator[SessionResult]:
        if entry.exchange.session in self.left_out:
            self._reader.readings.pop(id(entry))
            return
        for result in self._settled.add(entry):
            self._confirm(result)
            yield result

    def _confirm(self, result: SessionResult) -> None:
        self._findings.settle(result, self._settled.places.pop(id(result)))

    def _is_too_much(self, sid: str) -> bool:
        """Leave out a session that is one too many, or the largest one; return whether it is this one."""
        if self._eager.open_sessions >= self._most_sessions and not self._eager.session(sid):
            self.forget(sid)
        elif self._eager.touched.events >= self._most_events:
            self.forget(self._eager.largest() or sid)
        return sid in self.left_out

    def _tell(self) -> None:
        """Evaluate anew what has to be, as far as that is not too much at once, and tell what changed."""
        touched = self._eager.touched
        for session in tuple(touched):
            self._eager.compare(session)
        while touched:
            session, _ = touched.popitem()
            if session.known.is_stale:
                self._stale[session] = None
            else:
                session.tell(self._findings)
        while self._stale:
            session = next(iter(self._stale))
            if session.size > self._credit and self._credit < _MOST_CREDIT:
                break
            self._credit -= session.size
            del self._stale[session]
            session.evaluate_anew()
            session.tell(self._findings)
            touched.pop(session)
