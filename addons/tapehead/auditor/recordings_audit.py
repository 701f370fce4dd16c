"""The audit of recordings: exchanges of any number of sessions in, one result for each session out.

It takes exchanges in the order of time and keeps only sessions that may go on: one that ended goes after two minutes,
one that fell silent after a day, or when a thousand sessions are open and it has been silent for half an hour. Of the
sessions that are gone it remembers the latest, so that what still comes for them is no unknown session. All times are
the recordings' own.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from tapehead.auditor.arrival_order import sort_by_arrival
from tapehead.auditor.evaluation import ClosedSession, Measure
from tapehead.auditor.received_events import EventReader, ReceivedEvent, RecordedSchemas
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.session_audit import SessionAudit
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.visitor_history import VisitorHistory
from tapehead.metrics.calculator import calculate
from tapehead.protocol import keys
from tapehead.protocol.arrival import LONGEST_ANSWER_MS
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Entry, Exchange, is_foreign
from tapehead.protocol.routes import SESSION_CREATED, Call
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_trace import SessionTrace
from tapehead.rules.support.thresholds import Thresholds

ENDED_MS = 2 * 60_000
SILENT_MS = 25 * 60 * 60_000
QUIET_MS = 30 * 60_000
MOST_OPEN = 1000
MOST_REMEMBERED = 100_000
# More than sums of times are off by rounding.
_MOMENT_MS = 1
# The events with which a session begins or ends.
_ENDS = ("sessionStart", "sessionEnd")
_ENDED, _SILENT = ClosedSession(ended=True), ClosedSession(ended=False)


class OpenSession:
    """A session that may go on.

    Attributes:
        number: how many exchanges had come when it began; sorts sessions.
        key: the key of its test; empty if it has none.
        audit: its audit.
        touched_ms: when an exchange of it was answered last.
        trace: the memory of it for comparison with other sessions; None if nobody knows whose it is.
    """

    __slots__ = ("audit", "key", "number", "touched_ms", "trace")

    def __init__(self, number: int, audit: SessionAudit) -> None:
        self.number = number
        self.audit = audit
        self.key = ""
        self.touched_ms = 0.0
        self.trace: SessionTrace | None = None


class Endings:
    """The endings of the sessions that were over last, by their ids.

    Args:
        most: how many are kept; at least the last half of them.
    """

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        # By the hashes of ids, which take a third of their memory; the older half goes as a whole.
        self._older: dict[int, ClosedSession] = {}
        self._newer: dict[int, ClosedSession] = {}

    def note(self, sid: str, ending: ClosedSession) -> None:
        """Take the ending of a session."""
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}
        self._newer[hash(sid)] = ending

    def of(self, sid: str) -> ClosedSession | None:
        """Return the latest ending of a session; None if it is not known to be over."""
        key = hash(sid)
        return self._newer.get(key) or self._older.get(key)

    def forget(self, sid: str) -> None:
        """Forget a session, which has begun again."""
        for endings in (self._newer, self._older):
            endings.pop(hash(sid), None)


class RecordingsAudit:
    """The audit of recordings, one exchange after the other.

    Args:
        settings: the settings; defaults, if None.
        schemas: the schemas in use by endpoint, as `recorded_schemas` finds them; more are learnt on the way.
        measure: what calculates metrics; None for no metrics.
        on_finding: called with each finding as soon as it is proven.
        reader: reads and checks exchanges; one for these settings and schemas, if None.
    """

    def __init__(
        self,
        settings: AuditSettings | None = None,
        schemas: RecordedSchemas | None = None,
        measure: Measure | None = calculate,
        on_finding: Callable[[SessionFinding], None] | None = None,
        reader: EventReader | None = None,
    ) -> None:
        self._settings = settings or AuditSettings()
        self._reader = reader or EventReader(self._settings, schemas)
        self._measure = measure
        self._on_finding = on_finding
        # Where only results are wanted, sessions are evaluated when they close, which takes less memory.
        self._hold_ms = LONGEST_ANSWER_MS if on_finding else inf
        self._running: OrderedDict[str, OpenSession] = OrderedDict()
        self._ended: OrderedDict[str, OpenSession] = OrderedDict()
        self._endings = Endings(MOST_REMEMBERED)
        self._history = VisitorHistory(self._limits_of)
        # When a session may be over, unless another one begins or ends before.
        self._due_ms = -inf
        self._added = 0

    @property
    def open_sessions(self) -> int:
        """The number of sessions that are kept because they may go on."""
        return len(self._running) + len(self._ended)

    def add(self, entry: Entry) -> list[SessionResult]:
        """Take the next exchange; return the results of the sessions that are over by now."""
        self._added += 1
        received = self._reader.read(entry)
        goes_on = self._extend(entry.exchange, received)
        results = [] if goes_on else list(self._assign(entry, received))
        if self._history.is_waiting:
            self._add_hits(self._history.decide(self._reader.arrived_ms))
        if not goes_on or self._reader.arrived_ms > self._due_ms:
            results += self._sweep()
        return results

    def forget(self, sid: str) -> None:
        """Leave out a session, as far as it has come."""
        session = self._running.pop(sid, None) or self._ended.pop(sid, None)
        if session and session.trace:
            self._history.forget(session.trace)

    def close(self) -> Iterator[SessionResult]:
        """Yield the results of the sessions that are left, in the order in which they began."""
        left = [*self._ended.values(), *self._running.values()]
        left.sort(key=lambda session: session.number, reverse=True)
        self._add_hits(self._history.decide(inf))
        self._ended.clear()
        self._running.clear()
        while left:  # one after the other, so that none is kept longer than its result
            yield self._close(left.pop())

    def _extend(self, exchange: Exchange, received: Sequence[ReceivedEvent]) -> bool:
        """Add what most exchanges are, an event with which a session goes on, as `_assign` does; return whether."""
        sid, event = exchange.session, received[0].event
        session = self._running.get(sid) if sid else None
        if (
            sid is None
            or session is None
            or event is None
            or event.call is not Call.EVENT
            or event.type in _ENDS
            or exchange.answered
            or session.touched_ms < self._reader.arrived_ms - SILENT_MS
        ):
            return False
        if findings := session.audit.add_events(received):
            self._report(findings)
        session.touched_ms = max(session.touched_ms, self._reader.clock_ms)
        self._running.move_to_end(sid)
        if session.trace:
            session.trace.add(event)
        return True

    def _assign(self, entry: Entry, received: Sequence[ReceivedEvent]) -> Iterator[SessionResult]:
        """Add the events of an exchange to their session; yield the results of those that it shows to be over."""
        sid, event = entry.exchange.session, received[0].event
        session = (self._running.get(sid) or self._ended.get(sid)) if sid else None
        if event is None and session is not None:
            if received[0].findings:
                self._report(session.audit.add_events(received))
        elif event is None or sid is None or event.in_array or (session and is_foreign(entry.exchange, session.key)):
            if event or received[0].findings:
                session = self._open()
                self._report(session.audit.add_events(received))
                yield self._close(session)
        else:
            opens = received[0].opens_session
            # Independent of which other sessions were recorded.
            over_ms = self._reader.arrived_ms - (ENDED_MS if sid in self._ended else SILENT_MS)
            if session and ((opens and session.audit.opened) or session.touched_ms < over_ms):
                self._running.pop(sid, None)
                self._ended.pop(sid, None)
                yield self._close(session, sid)
                session = None
            if opens:
                self._endings.forget(sid)
            session = self._add(sid, session, received)
            session.key = session.key or entry.exchange.test_key
            self._trace(session, entry.exchange, event)

    def _trace(self, session: OpenSession, exchange: Exchange, event: Event) -> None:
        """Take an event of a session for comparison with other sessions."""
        if event.type == "sessionStart" and event.status == SESSION_CREATED:
            session.trace = self._history.begin(exchange, event)
        elif session.trace:
            session.trace.add(event)

    def _open(self, after: ClosedSession | None = None) -> OpenSession:
        audit = SessionAudit(
            self._settings, reader=self._reader, measure=self._measure, after=after, hold_ms=self._hold_ms
        )
        return OpenSession(self._added, audit)

    def _add(self, sid: str, session: OpenSession | None, received: Sequence[ReceivedEvent]) -> OpenSession:
        if session is None:
            session = self._running[sid] = self._open(self._endings.of(sid))
        self._report(session.audit.add_events(received))
        session.touched_ms = max(session.touched_ms, self._reader.clock_ms)
        if sid in self._running:
            if any(each.event and each.event.type == "sessionEnd" for each in received):
                self._ended[sid] = self._running.pop(sid)
            else:
                self._running.move_to_end(sid)
        else:
            self._ended.move_to_end(sid)
        return session

    def _sweep(self) -> Iterator[SessionResult]:
        """Close the sessions that are over by the recordings' clock; those with the latest exchanges stand last."""
        clock_ms, self._due_ms = self._reader.arrived_ms, inf
        while self._ended:
            if _first(self._ended).touched_ms >= clock_ms - ENDED_MS:
                self._due_ms = _first(self._ended).touched_ms + ENDED_MS - _MOMENT_MS
                break
            sid, session = self._ended.popitem(last=False)
            yield self._close(session, sid)
        while self._running:
            patience_ms = QUIET_MS if self.open_sessions > MOST_OPEN else SILENT_MS
            if _first(self._running).touched_ms >= clock_ms - patience_ms:
                self._due_ms = min(self._due_ms, _first(self._running).touched_ms + patience_ms - _MOMENT_MS)
                return
            sid, session = self._running.popitem(last=False)
            yield self._close(session, sid)

    def _close(self, session: OpenSession, sid: str | None = None) -> SessionResult:
        if sid is not None:
            self._endings.note(sid, _ENDED if session.audit.ended else _SILENT)
        if session.trace:
            self._add_hits(self._history.close(session.trace), session)
        result = session.audit.close()
        self._report(session.audit.remaining)
        return result

    def _add_hits(self, hits: Iterable[RuleHit], closing: OpenSession | None = None) -> None:
        """Add hits of rules on several sessions, each to the session that its event belongs to."""
        for hit in hits:
            sid = hit.event.sid or ""
            is_own = closing is not None and closing.trace is not None and closing.trace.start.sid == sid
            if session := closing if is_own else self._running.get(sid) or self._ended.get(sid):
                self._report(session.audit.add_hit(hit))

    def _limits_of(self, start: Event) -> Thresholds:
        player, channel = (start.text(key) or "" for key in (keys.MEDIA_PLAYER_NAME, keys.MEDIA_CHANNEL))
        return self._settings.policy(player, channel, start.recording).thresholds

    def _report(self, findings: Iterable[SessionFinding]) -> None:
        if self._on_finding:
            for finding in findings:
                self._on_finding(finding)


def _first(sessions: OrderedDict[str, OpenSession]) -> OpenSession:
    return next(iter(sessions.values()))


def audit(
    entries: Iterable[Entry],
    settings: AuditSettings | None = None,
    schemas: RecordedSchemas | None = None,
    measure: Measure | None = calculate,
    on_finding: Callable[[SessionFinding], None] | None = None,
) -> Iterator[SessionResult]:
    """Yield the results of all sessions in some recordings, as they close.

    Args:
        entries: the exchanges, in the order of time.
        settings: as for `RecordingsAudit`.
        schemas: as for `RecordingsAudit`.
        measure: as for `RecordingsAudit`.
        on_finding: as for `RecordingsAudit`.
    """
    driver = RecordingsAudit(settings, schemas, measure, on_finding)
    for entry in sort_by_arrival(entries):
        yield from driver.add(entry)
    yield from driver.close()
