"""Reports to the journal of sessions and calls that the audit could not keep up with."""

import threading
from collections.abc import Iterable
from itertools import islice

from tapehead.journal.audit_loader import AuditLoader
from tapehead.journal.backlog import Backlog
from tapehead.journal.journal import Journal


class LeftOutReport:
    """A report to the journal of the sessions and calls that the backlog and the audit leave out.

    Args:
        journal: gets it.
        backlog: leaves out what finds no room.
        loader: loads the audit, which leaves out sessions by limits of its own.
        lock: held while the audit is used.

    Attributes:
        calls_of_backlog: the number of calls that the backlog left out and that the journal was told of.
    """

    def __init__(self, journal: Journal, backlog: Backlog, loader: AuditLoader, lock: threading.Lock) -> None:
        self._journal, self._backlog, self._loader, self._lock = journal, backlog, loader, lock
        self.calls_of_backlog = self._calls = self._without_session = 0
        # How many sessions that the audit left out are told, those that it was told to forget included.
        self._sessions = 0

    def send(self) -> None:
        """Tell the journal what was left out since the last time."""
        backlog, of_backlog = self._backlog, self._backlog.left_out_calls
        # Read later than the number of all, so that none of them is taken for one of a session.
        without_session = backlog.left_out_without_session
        with self._lock:
            audit = self._loader.load() if backlog.newly_left_out else self._loader.audit
            calls = of_backlog + (audit.left_out_calls if audit else 0)
            sids = [backlog.newly_left_out.popleft() for _ in range(len(backlog.newly_left_out))]
            if audit:
                # The audit has limits of its own: what it left out besides what it was told to forget.
                count, self._sessions = audit.left_out_sessions - self._sessions, audit.left_out_sessions
                own = list(islice(reversed(audit.left_out), count))
                for sid in sids:
                    before = audit.left_out_sessions
                    audit.forget(sid)
                    self._sessions += audit.left_out_sessions - before
                sids += own
        new_calls, self._calls = calls - self._calls, calls
        new_without_session, self._without_session = without_session - self._without_session, without_session
        if new_calls > 0 or new_without_session > 0:
            self._journal.leave_out(None, new_calls, new_without_session)
        for sid in sids:
            self._journal.leave_out(sid, 0)
        self.calls_of_backlog = of_backlog

    def follow_again(self, sids: Iterable[str] | None) -> None:
        """Leave sessions out no longer, unless that has yet to be told; None for all; while the lock is held."""
        sids = None if sids is None else set(sids)
        self._backlog.follow_again(sids)
        if audit := self._loader.audit:
            told = len(audit.left_out) - (audit.left_out_sessions - self._sessions)
            for sid in list(islice(audit.left_out, max(0, told))):
                if sids is None or sid in sids:
                    del audit.left_out[sid]
