"""The journal of a run: calls, sessions and findings in bounded memory, for any number of readers in any thread.

The writer's thread adds each call, the audit's thread the findings. A call's rows stay until there is no room: those of
the sessions that ended first go first, then the oldest; counts stay. A reader is told of each change, and gets rows
that changed by the number of the last change that it has seen.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from copy import copy
from itertools import batched, islice
from typing import TYPE_CHECKING, Any

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.journal.audit_interface import Audit, AuditState
from tapehead.journal.conditions import CallsInFlight, ChangeSignal, Condition, Counts, Subscriber, Subscribers
from tapehead.journal.journal_rows import ROWS_AT_ONCE, JournalRows
from tapehead.journal.row_filter import ALL, PREFLIGHT, RowFilter
from tapehead.journal.rows import Changes, Totals
from tapehead.journal.run_counts import RunCounts
from tapehead.journal.store import JournalStore, PlaceOf
from tapehead.journal.stored_rows import Limits, NewFinding, latest_of
from tapehead.protocol.exchange import Entry, Exchange

if TYPE_CHECKING:
    from tapehead.recording.writer import BackgroundWriter
    from tapehead.replay.engine_control import EngineControl

# The longest time that a query waits for what came before it.
SETTLE_SECONDS = 2.0
# Threads of waits on an event loop, which each wait for that; they are made when they are needed.
SETTLE_THREADS = 40
# Calls that a reader of changes gets at once.
MOST_AT_ONCE = 500
# Sessions that were left out and are named.
MOST_NAMED = 20


class Journal(JournalRows):
    """The calls, sessions and findings of a run.

    Args:
        limits: what is kept at most.
        is_audited: whether an audit is going to be attached; without one, findings are those of single calls.
        clock: returns the time in seconds; it is never set back.

    Attributes:
        left_out_in_run: the number of sessions that were left out, those before a reset included.
        left_out_without_session: the number of calls that were left out and belong to no session.
        writer: stores the calls in a recording; None where none is made.
        is_recorded: whether calls that the audit leaves out are kept all the same, as where all are recorded.
        control: the engine that answers the calls; None where none does.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        is_audited: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(JournalStore(limits or Limits(), clock()), clock)
        self._is_audited = is_audited
        self._audit: Audit | None = None
        self._changes, self._ends_of_calls = Subscribers(), Subscribers()
        self._left_out: dict[str, None] = {}
        self._left_out_calls = self.left_out_without_session = self._left_out_sessions = self._resets = 0
        self._is_closed = False
        # Of its own: many waits would take all of the few threads that a loop has for everything.
        self._settling = ThreadPoolExecutor(SETTLE_THREADS, "tapehead-settle")
        self._in_flight: list[CallsInFlight] = []
        self.left_out_in_run = 0
        self.writer: BackgroundWriter[Any] | None = None
        self.is_recorded = False
        self.control: EngineControl | None = None

    def attach(self, audit: Audit, place_of: PlaceOf | None = None) -> None:
        """Have the calls audited from now on; `place_of` returns where a recording holds them."""
        self._audit, self._store.place_of = audit, place_of or self._store.place_of

    def follow(self, calls: CallsInFlight) -> None:
        """Have waits for silence wait for the end of calls in flight."""
        self._in_flight.append(calls)
        calls.on_end = self._ends_of_calls.tell

    @property
    def is_audited(self) -> bool:
        """True if calls are audited."""
        return self._audit.follows(None) if self._audit else self._is_audited

    @property
    def is_closed(self) -> bool:
        """True if no more calls come."""
        return self._is_closed

    @property
    def audit_state(self) -> AuditState | None:
        """The state of the audit; None without one."""
        return self._audit.state() if self._audit else None

    def run_counts(self) -> tuple[RunCounts, int]:
        """Return the counts of the whole run, whatever was reset, and its number of sessions."""
        with self._lock:
            return self._store.run.copy(), self._store.sessions_begun

    # ---- In the threads of the writer and the audit ----

    def add(self, exchange: Exchange, line: bytes) -> None:
        """Add an exchange as it is stored, and its line; it subscribes to a pipeline."""
        is_audited = self._audit.follows(exchange.session) if self._audit else self._is_audited
        with self._lock:
            call = self._store.add(exchange, line, self._clock(), is_audited=is_audited)
        self._changes.tell()
        if self._audit:
            self._audit.put(call.row.number, exchange, len(line))

    def note_earlier(self, exchange: Exchange) -> None:
        """Take a call from before the run, of a session that may go on."""
        with self._lock:
            self._store.note_earlier(exchange)

    def apply(self, findings: Iterable[NewFinding], audited: int | None = None) -> None:
        """Add findings of the audit, or change their state; `audited` is the number of the call that was audited."""
        with self._lock:
            before = self._store.change
            if audited is not None:
                self._store.note_audited(audited)
            for finding in findings:
                self._store.apply(finding, self._clock())
            has_changed = self._store.change != before
        if has_changed:
            self._changes.tell()

    def leave_out(self, sid: str | None, calls: int = 1, without_session: int = 0) -> None:
        """Count calls that the audit leaves out, and their session, of which no further calls are audited.

        Args:
            sid: the session; None for calls of any sessions.
            calls: the number of the calls.
            without_session: how many of them belong to no session.
        """
        with self._lock:
            self._store.change += 1
            self._left_out_calls += calls
            self.left_out_without_session += without_session
            if sid and sid not in self._left_out:
                self._left_out_sessions += 1
                self.left_out_in_run += 1
                if len(self._left_out) < MOST_NAMED:
                    self._left_out[sid] = None
            if sid and (session := self._store.session(sid)) and session.is_audited:
                session.is_audited = False
                self._store.touch(session)
        self._changes.tell()

    def note_silence(self) -> None:
        """Count it as a change that sessions have fallen silent; called now and then."""
        now, found = self._clock(), False
        with self._lock:
            sessions = list(self._store.sessions.values())
        for some in batched(sessions, ROWS_AT_ONCE):  # so that calls that come meanwhile are not kept waiting
            with self._lock:
                for session in some:
                    if session.was_silent or session.number not in self._store.sessions or not session.is_silent(now):
                        continue
                    session.was_silent = found = True
                    self._store.change += 1
                    self._store.touch(session)
        if found:
            self._changes.tell()

    # ---- Readers ----

    def totals(self, key: str | None = None) -> Totals:
        """Return the counts; if a key is given, of its calls, sessions, misses and findings, and the rest of all."""
        with self._lock:
            counts = self._counts_of(None, key) or Counts(latest=0)
            store = self._store
            return Totals(
                calls=counts.calls,
                refused=counts.refused,
                sessions=counts.sessions,
                misses=counts.misses,
                findings=copy(counts.findings),
                left_out_calls=self._left_out_calls,
                left_out_sessions=self._left_out_sessions,
                left_out=list(self._left_out),
                gone=store.gone,
                resets=self._resets,
            )

    def recording(self, rows: RowFilter = ALL) -> tuple[list[bytes], Totals]:
        """Return calls as `lines` does, and the counts at that moment."""
        with self._lock:
            return self.lines(rows), self.totals()

    def result(self, sid: str) -> SessionResult | None:
        """Return the audit of a session as if it ended now; of one that is over, that of its calls in memory."""
        if self._audit and (result := self._audit.result(sid)):
            return result
        from tapehead.auditor.recordings_audit import audit

        calls = self.exchanges(sid)
        results = self._audit.audit_again(calls) if self._audit else audit(Entry(*call) for call in calls)
        return next((result for result in results if result.id == sid), None)

    @property
    def change(self) -> int:
        """The number of the latest change."""
        return self._store.change

    def since(self, change: int, limit: int = MOST_AT_ONCE) -> Changes:
        """Return the rows that are new or have changed after a change, of new calls at most `limit`."""
        now = self._clock()
        with self._lock:
            store = self._store
            if change > store.change:
                change = 0
            calls = list(islice(store.calls_after(change), limit + 1))
            is_last = len(calls) <= limit
            calls = calls[:limit]
            latest = store.change if is_last else calls[-1].change
            calls = [*reversed(store.calls_found_on(change, latest)), *calls]
            sessions = latest_of(reversed(store.sessions.values()), change, latest)
            found = latest_of(reversed(store.findings.values()), change, latest)
            totals = self.totals()
        return Changes(
            sessions=list(self._in_parts(sessions, lambda session: session.row(now))),
            calls=list(self._in_parts(calls, store.row_of)),
            findings=list(self._in_parts(found, store.finding_row)),
            totals=totals,
            change=latest,
            is_last=is_last,
        )

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called after each change, in any thread, where it must not wait; return what ends that."""
        return self._changes.add(subscriber)

    def settle(self, timeout_seconds: float = SETTLE_SECONDS) -> bool:
        """Wait until what came so far is in the journal and audited; return whether it is."""
        return self._audit.settle(timeout_seconds) if self._audit else True

    async def settle_async(self, timeout_seconds: float = SETTLE_SECONDS) -> bool:
        """Wait as `settle` does, on an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._settling, self.settle, timeout_seconds)

    def wait(self, condition: Condition, timeout_seconds: float) -> bool:
        """Wait until a condition holds, and return whether it does; the journal's end ends the wait, too.

        What was answered before counts, which takes a moment to be there, also where there is no time to wait.
        """
        deadline, has_waited = self._clock() + timeout_seconds, True
        signal = threading.Event()
        with self._telling(signal.set):
            while has_waited:  # for silence, until it holds at once: what was answered may be on its way
                self.settle()
                has_waited = False
                while (left := self._remaining(condition := self._rebased(condition))) > 0:
                    remaining_seconds = min(left, deadline - self._clock())
                    if remaining_seconds <= 0 or self._is_closed:
                        return False
                    has_waited = condition.is_of_silence
                    signal.wait(min(remaining_seconds, threading.TIMEOUT_MAX))
                    signal.clear()
        return True

    async def wait_async(self, condition: Condition, timeout_seconds: float) -> bool:
        """Wait as `wait` does, on an event loop."""
        deadline, has_waited = self._clock() + timeout_seconds, True
        signal = ChangeSignal()
        with self._telling(signal):
            while has_waited:
                await self.settle_async()
                has_waited = False
                while (left := self._remaining(condition := self._rebased(condition))) > 0:
                    remaining_seconds = min(left, deadline - self._clock())
                    if remaining_seconds <= 0 or self._is_closed:
                        return False
                    has_waited = condition.is_of_silence
                    await signal.wait(remaining_seconds)
        return True

    @contextmanager
    def _telling(self, signal: Subscriber) -> Iterator[None]:
        with ExitStack() as ends:
            for subscribers in (self._changes, self._ends_of_calls):
                ends.callback(subscribers.add(signal))
            yield

    def after(self, condition: Condition, number: int) -> Condition:
        """Return a condition on events or calls that counts only those after the call with a number.

        For a number of calls, those that have left memory by now count as from before it.
        """
        before = 0
        with self._lock:
            if condition.kind == "calls":
                counts = self._counts_of(condition.session, condition.key)
                rows = RowFilter(after=number, key=condition.key, session=condition.session)
                later = sum(call.row.type != PREFLIGHT for call in self._stored(rows))
                before = max(0, (counts.calls if counts else 0) - later)
            return msgspec.structs.replace(condition, after=number, before=before, resets=self._resets)

    def reset(self, key: str | None = None, *, forget: bool = False) -> None:
        """Remove everything that came so far; of one key, if one is given.

        The audit goes on with the sessions, unless it is to `forget` those of that key.

        Raises:
            ValueError: it is to forget sessions, but no key is given.
        """
        if forget and key is None:
            raise ValueError("the audit can forget the sessions of one key only: give the key")
        self.settle()
        sids = None
        with self._lock:
            self._resets += 1
            if key is None:
                self._store.clear(self._clock())
                self._left_out.clear()
                self._left_out_calls = self.left_out_without_session = self._left_out_sessions = 0
            else:
                of_key = [each for each in self._store.sessions.values() if each.key == key]
                left_out = {each.sid for each in of_key if each.sid and self.is_audited and not each.is_audited}
                self._left_out_sessions = max(0, self._left_out_sessions - len(left_out))
                if not self._left_out_sessions:
                    self._left_out_calls = self.left_out_without_session
                for sid in left_out:
                    self._left_out.pop(sid, None)
                sids = self._store.remove(key)
        if self._audit and forget and sids is not None:
            self._audit.forget(sids)
        elif self._audit:
            self._audit.follow_again(sids)
        self._changes.tell()

    def close(self) -> None:
        """End all waits."""
        self._is_closed = True
        self._changes.tell()

    def _rebased(self, condition: Condition) -> Condition:
        """Return a condition that counts anew after a reset, which took away what it does not count."""
        is_old = condition.after is not None and condition.resets != self._resets
        return self.after(condition, condition.after or 0) if is_old else condition

    def _remaining(self, condition: Condition) -> float:
        if condition.is_of_silence and any(it.has_call(condition.key, condition.session) for it in self._in_flight):
            return math.inf
        with self._lock:
            return condition.remaining(self._counts_of(condition.session, condition.key), self._clock())

    def _counts_of(self, sid: str | None, key: str | None) -> Counts | None:
        if sid:
            session = self._store.session(sid)
            return session.counts if session and key in (None, session.key) else None
        return self._store.keys.get(key) if key else self._store.counts
