"""The journal of a run of tests, made when the first call comes: loading it takes longer than starting the endpoint."""

from collections.abc import Awaitable
from threading import Lock, Thread
from typing import TYPE_CHECKING

from tapehead.internal_errors import InternalErrors
from tapehead.journal.call_capture import CallCapture
from tapehead.pytest_plugin.audit_settings import audit_settings
from tapehead.recording.capture import CapturedCall

if TYPE_CHECKING:
    from tapehead.journal.journal import Journal
    from tapehead.journal.journal_run import JournalRun


class LateJournal:
    """The journal, and what takes the calls for it.

    Args:
        internal_errors: records what fails.
        pseudonym_key: as in `JournalSettings`.

    Attributes:
        capture: takes the calls of a server.

    Raises:
        UsageError: the settings file has an error in it.
    """

    def __init__(self, internal_errors: InternalErrors, pseudonym_key: bytes | None = None) -> None:
        self.capture = CallCapture(self._take)
        self._settings = audit_settings()
        self._internal_errors = internal_errors
        self._pseudonym_key = pseudonym_key
        self._run: JournalRun | None = None
        self._making, self._lock = Lock(), Lock()
        # The calls that came before it was made.
        self._waiting: list[CapturedCall] = []

    def journal(self) -> "Journal":
        """Return the journal."""
        with self._making:
            if self._run is None:
                self._run = self._make()
        return self._run.journal

    def close(self) -> None:
        """End the audit, if it began."""
        with self._making:
            if self._run:
                self._run.close()

    def _take(self, call: CapturedCall) -> Awaitable[None] | None:
        with self._lock:
            if self._run is None:
                if not self._waiting:
                    Thread(target=self.journal, name="tapehead-journal", daemon=True).start()
                self._waiting.append(call)
                return None
        self._run.thread.put_captured(call)
        return None

    def _make(self) -> "JournalRun":
        from tapehead.auditor.settings import AuditSettings
        from tapehead.journal.journal_run import JournalRun, JournalSettings

        settings = JournalSettings(audit=self._settings or AuditSettings(), pseudonym_key=self._pseudonym_key)
        run = JournalRun(settings, lambda _warning: None, self._internal_errors)
        run.thread.start()
        with self._lock:
            for call in self._waiting:
                run.thread.put_captured(call)
            self._run = run
        return run
