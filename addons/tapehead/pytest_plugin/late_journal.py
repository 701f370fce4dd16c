"""The journal of a run of tests, made when the first call comes: loading it takes longer than starting the endpoint."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable
from threading import Lock, Thread
from typing import TYPE_CHECKING

from tapehead.internal_errors import InternalErrors
from tapehead.journal.call_capture import AnsweredCall, CallCapture
from tapehead.pytest_plugin.audit_settings import audit_settings

if TYPE_CHECKING:
    from tapehead.journal.audit_thread import AuditThread
    from tapehead.journal.journal import Journal
    from tapehead.journal.journal_run import JournalRun

# Calls that may wait for the journal to be made.
MOST_WAITING = 1_000
# The longest time that an answer waits for it, or while the audit is behind, and how often that is looked at.
MOST_SECONDS, STEP_SECONDS = 20.0, 0.01


class LateJournal:
    """The journal, and what takes the calls for it.

    Args:
        internal_errors: records what fails.
        pseudonym_key: as in `JournalSettings`.

    Attributes:
        capture: takes the calls of a server.
    """

    def __init__(self, internal_errors: InternalErrors, pseudonym_key: bytes | None = None) -> None:
        self.capture = CallCapture(self._take)
        self._internal_errors = internal_errors
        self._pseudonym_key = pseudonym_key
        self._run: JournalRun | None = None
        self._making, self._lock = Lock(), Lock()
        # How many came with each key.
        self._counts: Counter[str] = Counter()
        # The calls that came before it was made.
        self._waiting: list[AnsweredCall] = []
        self._failure: Exception | None = None

    def journal(self) -> "Journal":
        """Return the journal.

        Raises:
            Exception: it could not be made, now or when the first call came.
        """
        with self._making:
            if self._failure:
                raise self._failure
            if self._run is None:
                self._run = self._make()
        return self._run.journal

    def count(self, key: str) -> int:
        """Return how many calls with a key came so far."""
        with self._lock:
            return self._counts[key]

    def forget(self, key: str) -> None:
        """Forget the calls with a key."""
        self.journal().reset(key, forget=True)
        with self._lock:
            del self._counts[key]

    def _make_soon(self) -> None:
        try:
            self.journal()
        except Exception as error:  # noqa: BLE001 - the player gets its answers all the same
            with self._lock:
                self._failure = error
                self._waiting.clear()
            self._internal_errors.record("making the journal", error)

    def close(self) -> None:
        """End the audit, if it began."""
        with self._making:
            if self._run:
                self._run.close()

    def _take(self, call: AnsweredCall) -> Awaitable[None] | None:
        with self._lock:
            if call.answer:
                self._counts[call.answer.key] += 1
            if self._failure:
                return None  # whoever reads the journal is told
            if self._run is None:
                if not self._waiting:
                    Thread(target=self._make_soon, name="tapehead-journal", daemon=True).start()
                self._waiting.append(call)
                return self._wait_for_journal() if len(self._waiting) > MOST_WAITING else None
        self._run.thread.put_captured(call)
        return wait_for_audit(self._run.thread) if self._run.thread.is_behind else None

    async def _wait_for_journal(self) -> None:
        """Hold an answer back until the journal is made, for a while."""
        deadline = time.monotonic() + MOST_SECONDS
        while not (self._run or self._failure) and time.monotonic() < deadline:
            await asyncio.sleep(STEP_SECONDS)

    def _make(self) -> "JournalRun":
        from tapehead.auditor.settings import AuditSettings
        from tapehead.journal.journal_run import JournalRun, JournalSettings
        from tapehead.journal.stored_rows import Limits

        settings_of_audit = audit_settings() or AuditSettings()
        settings = JournalSettings(
            audit=lambda: settings_of_audit,
            pseudonym_key=self._pseudonym_key,
            limits=Limits(calls=200_000, size=256_000_000, sessions=20_000),
            has_pauses=False,
        )
        run = JournalRun(settings, lambda _warning: None, self._internal_errors)
        run.journal.follow(self.capture)
        run.thread.start()
        with self._lock:
            for call in self._waiting:
                run.thread.put_captured(call)
            self._run = run
        return run


async def wait_for_audit(thread: "AuditThread") -> None:
    """Hold an answer back until the audit has caught up, for a while: a test wants all of its calls."""
    deadline = time.monotonic() + MOST_SECONDS
    while thread.is_behind and time.monotonic() < deadline:
        await asyncio.sleep(STEP_SECONDS)
