"""The journal of one run with what fills it: a recording or a pipeline in memory, and the audit."""

import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Self

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.internal_errors import InternalErrors
from tapehead.journal.audit_thread import AuditThread, OnFindings, OnWait
from tapehead.journal.call_capture import AnsweredCall, CallCapture
from tapehead.journal.duty_cycle import DutyCycle, NoPauses
from tapehead.journal.journal import Journal
from tapehead.journal.stored_rows import Limits
from tapehead.protocol.exchange import Entry, Severity
from tapehead.recording.capture import CapturedCall
from tapehead.recording.paths import name_of
from tapehead.recording.pseudonym_keys import KEY_BYTES
from tapehead.recording.recorder_settings import StoreSettings

if TYPE_CHECKING:
    from tapehead.auditor.live_audit import LiveAudit
    from tapehead.auditor.received_events import RecordedSchemas
    from tapehead.auditor.settings import AuditSettings
    from tapehead.recording.pipeline import ExchangePipeline, OnStored
    from tapehead.recording.recorder import Recorder


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the journal of a run.

    Attributes:
        store: the recording; None to keep calls in memory alone.
        audit: returns the settings of the audit, and does not fail; None for no audit.
        schemas: the schemas that the endpoint is known to use.
        keep_ids, redact_keys: without a recording, as in `StoreSettings`.
        pseudonym_key: without a recording, the secret key of the pseudonyms; None for one of this run alone.
        limits: what is kept in memory at most.
        has_pauses: whether the audit pauses while the process is busy.
    """

    store: StoreSettings | None = None
    audit: "Callable[[], AuditSettings] | None" = None
    schemas: "RecordedSchemas | None" = None
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    pseudonym_key: bytes | None = None
    limits: Limits = Limits()
    has_pauses: bool = True


class AuditVerdict(msgspec.Struct, kw_only=True):
    """The verdict of the audit on a run.

    Attributes:
        sessions: the number of sessions that were audited.
        findings: the number of findings of each severity.
        left_out_sessions: the number of sessions that the audit could not keep up with.
        is_complete: whether everything else was audited.
        ended_early: whether the audit ended before it had all calls.
    """

    sessions: int = 0
    findings: Counter[Severity] = msgspec.field(default_factory=Counter)
    left_out_sessions: int = 0
    is_complete: bool = True
    ended_early: bool = False

    def add(self, result: SessionResult, is_of_run: Callable[[str, int], bool]) -> None:
        """Add the result of a session, with what was found on the calls of this run, if it has any."""
        found = [each for each in result.findings if is_of_run(each.recording, each.line)]
        places = ((step.event.recording, step.event.line) for step in result.steps)
        if found or is_of_run(result.recording, result.line) or any(is_of_run(*place) for place in places):
            self.sessions += 1
            self.findings.update(finding.severity for finding in found)


class JournalRun:
    """A journal that is being filled, inside a `with` block.

    Args:
        settings: the settings.
        warn: called with one line about each problem of the recording, in any thread.
        internal_errors: records what fails.
        on_stored: more subscribers to the exchanges.
        on_findings: called with findings that are new or changed.
        ending: returns a context manager for the end, given what ends the audit early; it gives what is called while
            the end waits for the audit.
        begin_export: begins to export metrics of the journal, and returns what ends that, after everything else.

    Attributes:
        journal: the journal.
        recording: the path of the recording; None without one.
        recorder: writes it.
        thread: audits the calls, and without a recording makes their exchanges; `with` starts it.
        capture: takes the calls of a server.
        verdict: what the audit found, complete after the block; None without an audit.

    Raises:
        RecordingError: the recording cannot be written.
    """

    def __init__(
        self,
        settings: JournalSettings,
        warn: Callable[[str], None],
        internal_errors: InternalErrors,
        on_stored: "Sequence[OnStored]" = (),
        on_findings: OnFindings | None = None,
        ending: Callable[[Callable[[], None]], AbstractContextManager[OnWait]] = lambda _give_up: nullcontext(_ignore),
        begin_export: Callable[[Journal], Callable[[], None]] | None = None,
    ) -> None:
        self._begin_export, self._end_export = begin_export, _do_nothing
        self._ending, self._internal_errors = ending, internal_errors
        store, is_audited = settings.store, settings.audit is not None
        self.journal = Journal(settings.limits)
        self.recording = store.out if store else None
        self.verdict = AuditVerdict() if is_audited else None
        self._subscribers = [*on_stored, self.journal.add]
        self.recorder: Recorder | None = None
        if store:
            from tapehead.recording import recorder  # with what a run that records nothing does not need

            self.recorder = recorder.Recorder(store, warn, internal_errors, self._subscribers)
            self.journal.writer, self.journal.is_recorded = self.recorder.writer, True
        self._settings = settings
        self.thread = AuditThread(
            self.journal,
            self._make_audit if is_audited else None,
            internal_errors,
            process=None if store else self._process,
            recording=name_of(store.out) if store else "",
            lines_before=self.recorder.lines_before if self.recorder else 0,
            earlier=self._earlier_calls,
            on_findings=on_findings,
            duty_cycle=DutyCycle() if settings.has_pauses else NoPauses(),
        )
        self.journal.attach(self.thread, self.recorder.place_of if self.recorder else None)
        self.capture = CallCapture(self._take, None if self.recorder else self.thread.leaves_out)
        self.journal.follow(self.capture)
        self._lost_here = 0

    def _count(self, result: SessionResult) -> None:
        if self.verdict:
            self.verdict.add(result, self.thread.is_of_run)

    def _make_audit(self) -> "LiveAudit":
        from tapehead.auditor.live_audit import LiveAudit
        from tapehead.recording import pipeline  # noqa: F401 - the first call needs it, too

        settings = self._settings
        return LiveAudit(settings.audit and settings.audit(), settings.schemas, on_result=self._count)

    @cached_property
    def _pipeline(self) -> "ExchangePipeline":
        """The pipeline of a journal without a recording; it takes long to load, and the first call needs it."""
        from tapehead.recording.pipeline import ExchangePipeline
        from tapehead.redaction.redactor import Redactor

        redactor, settings = None, self._settings
        if not settings.keep_ids:
            key = settings.pseudonym_key or secrets.token_bytes(KEY_BYTES)
            redactor = Redactor(key, settings.redact_keys)
        return ExchangePipeline(redactor, self._internal_errors, self._subscribers)

    def _process(self, call: CapturedCall) -> None:
        """Have the pipeline process a call, large ones as well, in the thread that calls it."""
        prepared = self._pipeline.process_captured(call)
        if callable(prepared):
            prepared()()

    def _earlier_calls(self) -> list[Entry]:
        store, recorder = self._settings.store, self.recorder
        if not (store and store.append and recorder):
            return []
        from tapehead.recording.earlier_calls import earlier_calls

        return earlier_calls(store.out, recorder.lines_before, time.time())

    def _take(self, call: AnsweredCall) -> Awaitable[None] | None:
        if self.recorder:
            return self.recorder.writer.store(call.captured(), call.size)
        self.thread.put_captured(call)
        return None

    # ---- As the store of a proxy ----

    def store(self, call: CapturedCall, size: int) -> Awaitable[None] | None:
        """Store a call; return what its answer has to wait for, until that is done or has taken too long."""
        if self.recorder:
            return self.recorder.writer.store(call, size)
        self.thread.put_captured(call)
        return None

    def put(self, call: CapturedCall, size: int) -> None:
        """Store a call soon."""
        if self.recorder:
            self.recorder.writer.put(call, size)
        else:
            self.thread.put_captured(call)

    # ---- As that of several processes ----

    def leave_out(self, sid: str | None, calls: int = 1) -> None:
        """Leave a session out of the audit, as some calls of it did not come; None for calls of none."""
        self._lost_here += calls
        backlog = self.thread.backlog
        if not self.recorder:
            if backlog.is_left_out(sid):
                backlog.count_left_out(calls)
            else:
                backlog.lose(sid, calls)

    def note_lost(self, calls: int) -> None:
        """Take note at the end of how many calls did not come, as processes counted them."""
        calls = max(calls, self._lost_here)  # a process that died may not have told its last count
        if self.recorder:
            self.recorder.writer.note_lost(calls)
        else:
            self.thread.backlog.count_left_out(calls - self._lost_here)

    # ----

    def __enter__(self) -> Self:
        """Begin to audit."""
        self.thread.start()
        if self._begin_export:
            self._end_export = self._begin_export(self.journal)
        return self

    def __exit__(self, *_: object) -> None:
        """Store and audit what waits, and end the waits of readers."""
        self.close()

    def close(self) -> None:
        """Store and audit what waits, and end the waits of readers; no more calls come."""
        if self.recorder:
            self.recorder.close()
        with self._ending(self.thread.give_up) as on_wait:
            is_whole = self.thread.close(on_wait)
            for result in self.thread.results() if self.verdict else ():
                self._count(result)
                if self.thread.is_over:
                    is_whole = False
                    break
        if self.verdict:
            self.verdict.left_out_sessions = self.journal.left_out_in_run
            self.verdict.ended_early = not is_whole
            # An error anywhere may have cost a call.
            self.verdict.is_complete = is_whole and not self._internal_errors.count
        self.journal.close()
        self._end_export()


def _do_nothing() -> None:
    """End nothing."""


def _ignore(_waiting: int) -> None:
    """Show nobody how many calls wait."""
