"""The audit of a run, in a thread of its own, at a pace that slows down no answer."""

import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from tapehead.auditor.results import LiveFinding, SessionResult
from tapehead.internal_errors import InternalErrors, Messages
from tapehead.journal.audit_interface import AuditState
from tapehead.journal.audit_loader import AuditLoader
from tapehead.journal.backlog import Backlog
from tapehead.journal.call_capture import AnsweredCall
from tapehead.journal.duty_cycle import DutyCycle, give_way
from tapehead.journal.journal import Journal
from tapehead.journal.left_out_report import LeftOutReport
from tapehead.journal.stored_rows import new_finding
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.routes import Call
from tapehead.recording.capture import CapturedCall

if TYPE_CHECKING:
    from tapehead.auditor.live_audit import LiveAudit

OnFindings = Callable[[Sequence[LiveFinding]], None]
# Called now and then at the end, with the number of calls that wait.
OnWait = Callable[[int], None]
TICK_SECONDS = 0.25
# The time that the answer of the first call has before anything is loaded for the audit of that call.
FIRST_ANSWER_SECONDS = 0.05
# The audit is loaded that long after calls can come, if none does.
IDLE_SECONDS = 0.5
# The time that the end of a run takes for what is not audited yet, and the part of it for calls that wait; the results
# of the sessions that are left have the rest.
CLOSE_SECONDS, _WAITING_PART = 30.0, 2 / 3
# The time that a reader waits while the audit is at work on one call.
LOCK_SECONDS = 5.0
_STEP_SECONDS = 0.1


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    """A call that waits: its exchange and number; or a call whose exchange is to be made."""

    sid: str | None
    size: int
    call: Exchange | CapturedCall | AnsweredCall | None = None
    number: int = 0


class AuditThread:
    """A thread that audits the calls of a journal; where nothing is recorded, it makes their exchanges, too.

    Args:
        journal: gets the findings.
        make_audit: returns a new audit; None for none, where the thread only makes exchanges.
        internal_errors: records what fails.
        process: has an exchange made of a captured call and published, to the journal among others.
        recording: the name of the recording, by which settings may differ.
        lines_before: the number of lines that it had at the start.
        earlier: returns calls from before the start; sessions that go on began with them.
        on_findings: called with findings that are new or changed.
        backlog: the bounds of what waits.
        duty_cycle: the pace.
    """

    def __init__(
        self,
        journal: Journal,
        make_audit: "Callable[[], LiveAudit] | None",
        internal_errors: InternalErrors,
        *,
        process: Callable[[CapturedCall], object] | None = None,
        recording: str = "",
        lines_before: int = 0,
        earlier: Callable[[], Iterable[Entry]] = tuple,
        on_findings: OnFindings | None = None,
        backlog: Backlog | None = None,
        duty_cycle: DutyCycle | None = None,
    ) -> None:
        self._journal = journal
        self._internal_errors = internal_errors
        self._process_captured = process
        self._recording = recording
        self._lines_before = lines_before
        self._earlier = earlier
        self._on_findings = on_findings
        self.backlog = backlog or Backlog()
        self._duty_cycle = duty_cycle or DutyCycle()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        # Held while the audit is used.
        self._lock = threading.Lock()
        self._loader = AuditLoader(make_audit)
        self._left_out = LeftOutReport(journal, self.backlog, self._loader, self._lock)
        self._progress = threading.Condition()
        self._settling = 0
        self._closing = threading.Event()
        self._given_up = self._is_done = self._has_ended = self._has_begun = False
        self._loads_at = math.inf
        # The end has waited for long enough: nothing more is told.
        self._is_late, self._ends_at = False, math.inf
        # Ends a pause: a reader waits, or the run ends.
        self._is_awaited = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tapehead-audit", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def load_soon(self) -> None:
        """Load the audit while no call comes yet; otherwise, the first call has it loaded."""
        self._loads_at = time.monotonic() + IDLE_SECONDS

    # ---- In the thread that answers, or in the writer's ----

    def follows(self, sid: str | None) -> bool:
        """Return whether a session is audited, or any if it is None."""
        if not self._loader.has_audit or self._has_died:
            return False
        audit = self._loader.audit
        return sid is None or not (self.backlog.is_left_out(sid) or (audit and sid in audit.left_out))

    def put(self, number: int, exchange: Exchange, size: int) -> None:
        """Audit a call of the journal soon; at once in this thread."""
        sid, opens = exchange.session, exchange.call is Call.SESSION
        if threading.get_ident() == self._thread.ident:
            self._add(number, exchange)
        elif self._loader.has_audit and self.backlog.admit(sid, size, opens=opens):
            self._queue.put(_Waiting(sid, size, exchange, number))

    def leaves_out(self, sid: str) -> bool:
        """Return whether a call is of a session that is left out, which counts it."""
        return self.backlog.leaves_out(sid)

    def put_captured(self, call: CapturedCall | AnsweredCall) -> None:
        """Make an exchange of a call soon, and audit it."""
        sid = call.sid
        if self.backlog.leaves_out(sid):
            return
        size = call.size
        if self.backlog.admit(sid, size, opens=call.route.call is Call.SESSION):
            self._queue.put(_Waiting(sid, size, call))

    # ---- In any thread ----

    @property
    def is_behind(self) -> bool:
        """True if so much waits that sessions may soon be left out."""
        return self.backlog.is_filling

    def state(self) -> AuditState:
        """Return how far the audit is."""
        backlog = self.backlog
        waiting, is_running = backlog.received - backlog.taken, self._thread.is_alive()
        return AuditState(self._loader.has_audit, is_running, waiting, backlog.left_out_calls)

    def is_of_run(self, recording: str, line: int) -> bool:
        """Return whether the audit's name of a place is that of a call of this run."""
        return recording == self._recording and line > self._lines_before

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until what came so far is audited, or told to be left out, without pauses; return whether it is.

        It is not where the thread has died.
        """
        backlog, deadline = self.backlog, time.monotonic() + timeout_seconds
        wanted, left_out = backlog.received, backlog.left_out_calls

        def is_settled() -> bool:
            return backlog.taken >= wanted and self._left_out.calls_of_backlog >= left_out

        with self._progress:
            self._settling += 1
            self._is_awaited.set()
            if self._left_out.calls_of_backlog < left_out:
                self._queue.put(_IDLE)
            try:
                self._progress.wait_for(
                    lambda: is_settled() or self._has_ended or not self._thread.is_alive(),
                    deadline - time.monotonic(),
                )
                return is_settled() or (self._is_done and not self._given_up)
            finally:
                self._settling -= 1
                if not self._settling and not self._closing.is_set():
                    self._is_awaited.clear()

    def result(self, sid: str) -> SessionResult | None:
        """Return the result of a session as if it ended now; None if it is not known, left out, or not to be had."""
        with self._locked() as is_locked:
            if not is_locked or self.backlog.is_left_out(sid) or not (audit := self._loader.load()):
                return None
            return audit.result(sid)

    def audit_again(self, calls: Iterable[tuple[int, Exchange]]) -> Iterator[SessionResult]:
        """Yield the results of sessions that are over, given their calls, with the settings of the run."""
        from tapehead.auditor.recordings_audit import audit

        entries = (Entry(number, exchange, self._recording) for number, exchange in calls)
        with self._locked() as is_locked:
            own = self._loader.load() if is_locked else self._loader.audit
        return own.audit_again(entries) if own else audit(entries)

    def follow_again(self, sids: Iterable[str] | None) -> None:
        """Leave sessions out no longer, unless that has yet to be told; None for all."""
        with self._locked() as is_locked:
            if is_locked:
                self._left_out.follow_again(sids)

    def forget(self, sids: Iterable[str]) -> None:
        """Forget sessions as far as they have come: neither findings nor results of that come any more."""
        with self._locked() as is_locked:
            if is_locked and (audit := self._loader.audit):
                for sid in sids:
                    audit.restart(sid)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the audit; yield whether that is so, which it is not where it hangs."""
        is_locked = self._lock.acquire(timeout=LOCK_SECONDS)
        try:
            yield is_locked
        finally:
            if is_locked:
                self._lock.release()

    def give_up(self) -> None:
        """End soon, without what waits; it may be called while `close` runs, by a signal handler as well."""
        self._given_up = True

    @property
    def is_over(self) -> bool:
        """True if nothing more is to be audited: it was given up, or the end has taken all of its time."""
        return self._given_up or time.monotonic() >= self._ends_at

    def close(self, on_wait: OnWait = lambda _waiting: None) -> bool:
        """Audit what waits, for a while, and end; return whether all of it was."""
        with self._progress:
            self._closing.set()
            self._is_awaited.set()
        self._queue.put(None)
        began = time.monotonic()
        self._ends_at = began + CLOSE_SECONDS
        deadline = began + CLOSE_SECONDS * _WAITING_PART
        while self._thread.is_alive() and not self._given_up and time.monotonic() < deadline:
            self._thread.join(_STEP_SECONDS)
            on_wait(self.backlog.received - self.backlog.taken)
        is_whole = self._is_done and not (self._thread.is_alive() or self._given_up)
        self._is_late = not is_whole
        if self._is_late and self._thread.ident is not None:
            self._thread.join(_STEP_SECONDS)
        return is_whole

    def results(self) -> Iterator[SessionResult]:
        """Yield the results of the sessions that are left, after `close`; none if the audit hangs."""
        with self._locked() as is_locked:
            if not is_locked or not (audit := self._loader.audit):
                return
            try:
                yield from audit.close()
            except Exception as error:  # noqa: BLE001 - the other results are of use
                self._fail(error)
            self._publish(audit.remaining)

    @property
    def _has_died(self) -> bool:
        return self._has_ended and not self._is_done

    # ---- In its own thread ----

    def _run(self) -> None:
        try:
            self._duty_cycle.start()
            self._add_earlier()
            due: float | None = time.monotonic() + TICK_SECONDS
            while not (self._given_up or self._is_late or due is None):
                try:
                    due = self._step(due)
                except Exception as error:  # noqa: BLE001 - the next step may succeed
                    self._fail(error)
                    self._closing.wait(_STEP_SECONDS)
            self._is_done = True
        finally:
            self._has_ended = True
            with self._progress:
                self._progress.notify_all()

    def _step(self, due: float) -> float | None:
        """Take the next call, if one comes before a tick is due; return when the next tick is, None at the end."""
        began = time.perf_counter()
        try:
            waiting = self._queue.get(timeout=max(0.0, due - time.monotonic()))
        except queue.Empty:
            waiting = _IDLE
        idle = time.perf_counter() - began
        if waiting is None:
            try:
                self._left_out.send()
            except Exception as error:  # noqa: BLE001 - it is the end all the same
                self._fail(error)
            return None
        if waiting is not _IDLE:
            if not self._has_begun:
                self._has_begun = True
                self._is_awaited.wait(FIRST_ANSWER_SECONDS)
            self._work(waiting)
        if self._settling:
            self._left_out.send()
            with self._progress:
                self._progress.notify_all()
        if time.monotonic() >= due:
            due = time.monotonic() + TICK_SECONDS
            self._tick()
        self._duty_cycle.note_idle(idle)
        self._rest()
        return due

    def _fail(self, error: Exception, messages: Messages | None = None) -> None:
        self._internal_errors.record("the audit", error, messages)

    def _rest(self) -> None:
        if self._closing.is_set():
            return
        if not self._is_awaited.is_set() and (pause := self._duty_cycle.pause()):
            began = time.perf_counter()
            self._is_awaited.wait(pause)
            self._duty_cycle.note_idle(min(pause, time.perf_counter() - began))
        else:
            give_way()

    def _add_earlier(self) -> None:
        """Have the journal and the audit know the sessions that go on; findings on earlier calls were told before."""
        try:
            for entry in self._earlier():
                self._journal.note_earlier(entry.exchange)
                with self._lock:
                    if audit := self._loader.load():
                        audit.add(entry)
                self._rest()
        except Exception as error:  # noqa: BLE001 - sessions that begin are audited all the same
            self._fail(error)

    def _work(self, waiting: _Waiting) -> None:
        is_left_out = self.backlog.is_left_out(waiting.sid)
        call = waiting.call
        try:
            if call is None or is_left_out:
                return
            if isinstance(call, Exchange):
                self._add(waiting.number, call)
            elif self._process_captured:
                self._process_captured(call.captured() if isinstance(call, AnsweredCall) else call)
        except Exception as error:  # noqa: BLE001 - it costs this session alone
            self._fail(error)
            if waiting.sid:
                self.backlog.leave_out(waiting.sid)
        finally:
            self.backlog.finish(waiting.size, is_left_out=is_left_out)

    def _add(self, number: int, exchange: Exchange) -> None:
        if not self._loader.has_audit:
            return
        found: list[LiveFinding] = []
        try:
            with self._lock:
                if audit := self._loader.load():
                    found = audit.add(Entry(self._lines_before + number, exchange, self._recording))
        except Exception as error:  # noqa: BLE001 - it costs this session alone
            self._fail(error, lambda: (exchange.request, exchange.response))
            if exchange.session:
                self.backlog.leave_out(exchange.session)
        self._publish(found, audited=number)

    def _tick(self) -> None:
        self._left_out.send()
        if not self.backlog.is_empty:
            return  # what seems to be silence may be among what waits
        self._journal.note_silence()
        with self._lock:
            audit = self._loader.load() if time.monotonic() >= self._loads_at else self._loader.audit
            found = audit.tick(time.time() * 1000) if audit else []
        self._publish(found)

    def _publish(self, found: Sequence[LiveFinding], audited: int | None = None) -> None:
        if self._is_late and threading.get_ident() == self._thread.ident:
            return
        found = [each for each in found if self.is_of_run(each.finding.recording, each.finding.line)]
        try:
            self._journal.apply((new_finding(each, self._lines_before) for each in found), audited=audited)
            if found and self._on_findings:
                self._on_findings(found)
        except Exception as error:  # noqa: BLE001 - the results have them all the same
            self._fail(error)


_IDLE = _Waiting(None, 0)
