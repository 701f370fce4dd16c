"""The data of the journal: the latest calls, sessions and findings, in bounded memory; for one thread at a time."""

import bisect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from tapehead.auditor.results import EventRef, SessionFinding
from tapehead.journal.conditions import Counts
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.rows import AnsweredRow, CallFinding, CallRow, FindingRow
from tapehead.journal.run_counts import RunCounts
from tapehead.journal.stored_rows import Limits, NewFinding, StoredCall, StoredFinding
from tapehead.journal.tracked_session import TrackedSession
from tapehead.protocol.events import Event, events_of
from tapehead.protocol.exchange import Exchange, is_foreign
from tapehead.protocol.routes import SESSION_CREATED, Call
from tapehead.text import shorten

CONFIRMED, WITHDRAWN = "confirmed", "withdrawn"
MOST_TEXT = 2_000

# Returns the name of the recording that holds a call, and the line there; None while none holds it.
PlaceOf = Callable[[int], tuple[str, int] | None]


class JournalStore:
    """The data of the journal.

    Attributes:
        change: the number of the latest change.
        calls: by their numbers, in the order in which they came.
        sessions, findings: by their numbers, in order of their latest change.
        counts: the counts of everything since the last reset.
        keys: the counts of the calls with each key; the one that was used last stands last.
        run: the counts of the whole run.
        gone: the number of calls that were removed since there was no room.
        place_of: returns the place of a call in a recording, by its number.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self.change = self.gone = 0
        self.run = RunCounts()
        # Not a dict, whose first item takes the longer to find the more were removed before it.
        self.calls: OrderedDict[int, StoredCall] = OrderedDict()
        self.sessions: OrderedDict[int, TrackedSession] = OrderedDict()
        self.findings: OrderedDict[int, StoredFinding] = OrderedDict()
        self.place_of: PlaceOf = lambda _number: None
        self.counts = Counts(latest=now)
        self.keys: OrderedDict[str, Counts] = OrderedDict()
        self._limits = limits
        self._by_sid: dict[str, int] = {}
        # Sessions with calls before the run, by their ids.
        self._earlier: dict[str, TrackedSession] = {}
        # Sessions that ended and have calls in memory, in that order.
        self._ended: OrderedDict[int, None] = OrderedDict()
        self._last_call = self._last_session = self._last_finding = 0
        self._size = 0
        # The numbers of findings by those that the audit gave them.
        self._numbers: dict[int, int] = {}
        self._last_cleared = 0  # the last call before the latest reset
        # The latest changes of what was found on calls, by their numbers, in that order.
        self._found: OrderedDict[int, int] = OrderedDict()
        # The calls in order of time: their changes, and their numbers, with some that are gone.
        self._changes: list[int] = []
        self._order: list[int] = []

    def session(self, sid: str) -> TrackedSession | None:
        """Return the latest session with that id."""
        return self.sessions.get(self._by_sid.get(sid, 0))

    @property
    def sessions_begun(self) -> int:
        """The number of sessions of the whole run."""
        return self._last_session

    def latest(self, sessions: int, findings: int) -> tuple[list[TrackedSession], list[FindingRow]]:
        """Return the sessions and the findings that changed last, at most so many, the latest first."""
        found = (self.finding_row(each) for each in reversed(self.findings.values()) if each.row.state != WITHDRAWN)
        return list(islice(reversed(self.sessions.values()), sessions)), list(islice(found, findings))

    # ---- Calls ----

    def add(self, exchange: Exchange, line: bytes, now: float, *, is_audited: bool) -> StoredCall:
        """Add a call with its line that came at `now`, monotonic; `is_audited` if its findings come from the audit."""
        self.change += 1
        self._last_call += 1
        events = list(events_of(exchange, 0.0))
        session = self._session_of(exchange, events, now, is_audited=is_audited)
        answered = exchange.answered
        key = exchange.test_key or (session.key if session else "")
        event = events[0] if len(events) == 1 and not events[0].in_array else Event()
        types = [shorten(each.type_name) for each in events]
        row = CallRow(
            number=self._last_call,
            session=exchange.session,
            key=key,
            index=session.add(exchange, event) if session else None,
            type=shorten(event.type_name) or f"({exchange.call})",
            playhead=event.playhead,
            ts=event.ts,
            started=exchange.started,
            elapsed_ms=exchange.elapsed_ms,
            status=exchange.response.status if exchange.response else None,
            error=exchange.error,
            answered=AnsweredRow(answered.outcome, answered.reason) if answered and answered.outcome else None,
            findings=[CallFinding(each.rule, each.severity, each.path, each.message) for each in exchange.findings],
        )
        number = session.number if session else None
        call = StoredCall(row=row, change=self.change, session=number, line=line, order=exchange.order)
        outcome = answered.outcome if answered else ""
        self.run.add_call(row.type, row.status, row.elapsed_ms / 1000, outcome)
        if exchange.call is not Call.PREFLIGHT:  # the browser sends it, not the player
            self._count(row, session, types, now)
        self._keep(call, session)
        if not is_audited or not (session is None or session.is_audited):
            self._add_own(call)
        self._make_room()
        return call

    def _session_of(
        self, exchange: Exchange, events: list[Event], now: float, *, is_audited: bool
    ) -> TrackedSession | None:
        sid, status = exchange.session, exchange.response.status if exchange.response else None
        known = self.session(sid) if sid else None
        if known and is_foreign(exchange, known.key):
            return None
        opens = exchange.call is Call.SESSION and not (events and events[0].in_array)
        if opens and (known is None or (status == SESSION_CREATED and known.counts.calls)):
            known = None
        elif known or exchange.call is not Call.EVENT or sid is None:
            return known
        self._last_session += 1
        session = TrackedSession(self._last_session, sid, exchange.test_key, now, is_audited=is_audited)
        self.sessions[session.number] = session
        if sid:
            self._by_sid[sid] = session.number
        if not opens and (earlier := self._earlier.get(sid or "")):
            session.go_on(earlier)
        return session

    def note_earlier(self, exchange: Exchange) -> None:
        """Take a call from before the run, which tells of a session that may go on."""
        if exchange.session is None:
            return
        event = next(events_of(exchange, 0.0), None)
        if event is None or event.in_array:
            return
        earlier = self._earlier.get(exchange.session)
        if earlier is None or exchange.call is Call.SESSION:
            earlier = TrackedSession(0, exchange.session, "", 0.0, is_audited=False)
            self._earlier[exchange.session] = earlier
        earlier.add(exchange, event)
        if session := self.session(exchange.session):
            session.go_on(earlier)
            self.change += 1
            self.touch(session)

    def _count(self, row: CallRow, session: TrackedSession | None, types: list[str], now: float) -> None:
        is_new = session is not None and not session.counts.calls
        for counts in self._scopes(row.key, session, now):
            counts.add_call(row, types, now, is_new=is_new)

    def _scopes(self, key: str, session: TrackedSession | None, now: float) -> Iterator[Counts]:
        yield self.counts
        if session:
            yield session.counts
        if key:
            counts = self.keys.get(key)
            if counts is None:
                counts = self.keys[key] = Counts(latest=now)
                if len(self.keys) > self._limits.keys:
                    self.keys.popitem(last=False)
            self.keys.move_to_end(key)
            yield counts

    def _keep(self, call: StoredCall, session: TrackedSession | None) -> None:
        self.calls[call.row.number] = call
        self._size += call.size
        self._changes.append(self.change)
        self._order.append(call.row.number)
        if session:
            session.calls.append(call.row.number)
            self.touch(session)
            if session.is_over:
                self._ended[session.number] = None

    def touch(self, session: TrackedSession) -> None:
        """Count the latest change as one of a session."""
        session.change = self.change
        self.sessions.move_to_end(session.number)

    def calls_after(self, change: int) -> Iterator[StoredCall]:
        """Yield the calls that came after a change, in order."""
        first = bisect.bisect_right(self._changes, change)
        return (self.calls[number] for number in self._order[first:] if number in self.calls)

    def calls_found_on(self, after: int, until: int) -> list[StoredCall]:
        """Return the calls from before a change whose findings changed between it and another, the latest first."""
        chosen = []
        for number, change in reversed(self._found.items()):
            if change <= after:
                break
            if change <= until and self.calls[number].change <= after:
                chosen.append(self.calls[number])
        return chosen

    def matching(self, rows: RowFilter) -> list[StoredCall]:
        """Return all calls that a filter asks for, as far as that is not by their findings."""
        after, key, sid, kind = rows.after, rows.key, rows.session, rows.type
        return [
            call
            for number, call in self.calls.items()
            if number > after
            and key in (None, call.row.key)
            and sid in (None, call.row.session)
            and kind in (None, call.row.type)
        ]

    # ---- Room ----

    def _make_room(self) -> None:
        while len(self.calls) > self._limits.calls or self._size > self._limits.size:
            if self._ended:
                number, _ = self._ended.popitem(last=False)
                if session := self.sessions.get(number):
                    self._drop_calls(session)
            else:
                self._drop(next(iter(self.calls)))
        while len(self.sessions) > self._limits.sessions:
            ended = next((number for number in self._ended if number in self.sessions), None)
            self._drop_session(self.sessions[next(iter(self.sessions)) if ended is None else ended])
        while len(self.findings) > self._limits.findings:
            self._drop_finding(next(iter(self.findings)))
        if len(self._order) > 2 * len(self.calls) + 1_000:
            kept = [(change, number) for change, number in zip(self._changes, self._order, strict=True)]
            kept = [pair for pair in kept if pair[1] in self.calls]
            self._changes, self._order = [pair[0] for pair in kept], [pair[1] for pair in kept]

    def _drop(self, number: int) -> None:
        call = self.calls.pop(number)
        self._found.pop(number, None)
        self._size -= call.size
        self.gone += 1
        if (session := self.sessions.get(call.session or 0)) and session.calls and session.calls[0] == number:
            session.calls.popleft()

    def _drop_calls(self, session: TrackedSession) -> None:
        while session.calls:
            number = session.calls.popleft()
            if number in self.calls:
                self._drop(number)

    def _drop_session(self, session: TrackedSession) -> None:
        self._drop_calls(session)
        self._ended.pop(session.number, None)
        del self.sessions[session.number]
        for number in list(session.findings):
            self._drop_finding(number)
        if session.sid and self._by_sid.get(session.sid) == session.number:
            del self._by_sid[session.sid]

    def _drop_finding(self, number: int) -> None:
        if found := self.findings.pop(number, None):
            self._numbers.pop(found.source, None)
            if session := self.sessions.get(found.session or 0):
                session.findings.discard(number)

    # ---- Findings ----

    def note_audited(self, call_number: int) -> None:
        """Take the findings on a call from the audit from now on."""
        if (call := self.calls.get(call_number)) and call.found is None:
            call.found = []
            if call.row.findings:  # which are no longer shown
                self.change += 1
                self._note_found(call)

    def _note_found(self, call: StoredCall) -> None:
        self._found[call.row.number] = self.change
        self._found.move_to_end(call.row.number)

    def apply(self, finding: NewFinding, now: float) -> None:
        """Add a finding of the audit, or change its state; not one on a call that a reset removed."""
        number, line = self._numbers.get(finding.number), finding.finding.line
        if number is None and line <= self._last_cleared and line not in self.calls:
            return
        self.change += 1
        if number is None:
            self._last_finding += 1
            number = self._numbers[finding.number] = self._last_finding
        self._put(number, finding.state, finding.sid, finding.finding, now, finding.number)
        self._make_room()

    def _add_own(self, call: StoredCall) -> None:
        row = call.row
        event = None if row.index is None else EventRef(row.index, row.type, row.playhead, row.ts)
        for own in row.findings:
            self._last_finding += 1
            found = SessionFinding(
                rule=own.rule,
                severity=own.severity,
                message=own.message,
                path=own.path,
                event=event,
                line=row.number,
                recording="",
            )
            self._put(self._last_finding, CONFIRMED, row.session, found, self.counts.latest)

    def _put(
        self, number: int, state: str, sid: str | None, found: SessionFinding, now: float, source: int = 0
    ) -> None:
        call = self.calls.get(found.line)
        session = self.sessions.get(call.session or 0) if call else self.session(sid) if sid else None
        before = self.findings.pop(number, None)
        key = call.row.key if call else session.key if session else before.row.key if before else ""
        row = FindingRow(
            number=number,
            state=state,
            session=sid,
            key=key,
            rule=found.rule,
            severity=found.severity,
            message=shorten(found.message, MOST_TEXT),
            path=shorten(found.path, MOST_TEXT),
            event=found.event,
            call=found.line or None,
        )
        place = session.number if session else None
        finding = StoredFinding(row=row, session=place, change=self.change, source=source)
        self.findings[number] = finding
        if call:
            self._note_found(call)
            if number not in (call.found or ()):
                call.found = [*(call.found or ()), number]
        if session:
            session.findings.add(number)
            self.touch(session)
        if state == CONFIRMED and (before is None or before.row.state != CONFIRMED):
            self.run.add_finding(found.rule, found.severity)
        counted = before.counted if before else ()
        if state != WITHDRAWN:
            finding.counted = counted or tuple(self._scopes(key, session, now))
        if bool(counted) != bool(finding.counted):
            for counts in counted or finding.counted:
                counts.findings.add(found.severity, -1 if counted else 1)

    def finding_row(self, finding: StoredFinding) -> FindingRow:
        """Return the row of a finding, with the place that its call has by now."""
        place = self.place_of(finding.row.call or 0)
        return msgspec.structs.replace(finding.row, recording=place[0], line=place[1]) if place else finding.row

    def row_of(self, call: StoredCall) -> CallRow:
        """Return the row of a call, without messages; with the findings of the audit, or its own until then."""
        if call.found is None:
            return call.row
        rows = [self.findings[number].row for number in call.found if number in self.findings]
        found = [CallFinding(row.rule, row.severity, row.path, row.message) for row in rows if row.state != WITHDRAWN]
        return msgspec.structs.replace(call.row, findings=found)

    # ---- Reset ----

    def clear(self, now: float) -> None:
        """Remove everything; numbers go on."""
        self.change += 1
        self._last_cleared = self._last_call
        for kept in (self.calls, self.sessions, self.findings, self.keys, self._by_sid, self._ended, self._numbers):
            kept.clear()
        self._found.clear()
        self._changes.clear()
        self._order.clear()
        self.gone = self._size = 0
        self.counts = Counts(latest=now)

    def remove(self, key: str) -> list[str]:
        """Remove everything with a key, and return the ids of its sessions."""
        self.change += 1
        self._last_cleared = self._last_call
        counts = self.keys.pop(key, None)
        sessions = [session for session in self.sessions.values() if session.key == key]
        gone = self.gone
        for session in sessions:
            self._drop_session(session)
        for number in [number for number, call in self.calls.items() if call.row.key == key]:
            self._drop(number)
        for number in [number for number, found in self.findings.items() if found.row.key == key]:
            self._drop_finding(number)
        self.gone = gone  # they were not removed for lack of room
        if counts:
            self.counts.subtract(counts)
            for event_type, last in counts.last.items():
                if self.counts.last.get(event_type) == last:
                    left = (number for number, call in reversed(self.calls.items()) if call.row.type == event_type)
                    self.counts.last[event_type] = next(left, 0)
        return [session.sid for session in sessions if session.sid]
