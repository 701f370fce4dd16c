"""The audit of recordings for the page: all of it is known before the page is opened."""

from collections.abc import Iterable, Iterator
from itertools import count

import msgspec

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import FindingState, SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.journal.audit_interface import AuditState
from tapehead.journal.journal import Journal
from tapehead.journal.stored_rows import Limits, NewFinding
from tapehead.protocol.exchange import Entry, Exchange, encode

LIMITS = Limits(calls=200_000, size=400_000_000, sessions=20_000, findings=200_000)
# Sessions that did not end have been silent for long.
_LONG_AFTER = 1e9


class StoredAudit:
    """The results of sessions that are over, by session id."""

    def __init__(self) -> None:
        self.results: dict[str, SessionResult] = {}

    def follows(self, sid: str | None) -> bool:
        """Return True: every session is audited."""
        return True

    def put(self, number: int, exchange: Exchange, size: int) -> None:
        """Do nothing: calls are audited as they are read."""

    def settle(self, timeout_seconds: float) -> bool:
        """Return True: nothing is pending."""
        return True

    def result(self, sid: str) -> SessionResult | None:
        """Return the result of a session."""
        return self.results.get(sid)

    def audit_again(self, calls: Iterable[tuple[int, Exchange]]) -> Iterator[SessionResult]:
        """Yield nothing: all results are known."""
        yield from ()

    def state(self) -> AuditState:
        """Return that all calls are audited."""
        return AuditState(is_wanted=True, is_running=True)

    def follow_again(self, sids: Iterable[str] | None) -> None:
        """Do nothing: every session is audited."""

    def forget(self, sids: Iterable[str]) -> None:
        """Do nothing: the recordings stay."""


def journal_of(entries: Iterable[Entry], settings: AuditSettings, limits: Limits = LIMITS) -> Journal:
    """Return a journal of the exchanges of some recordings, with the findings of their audit; both within limits."""
    known, now = StoredAudit(), [0.0]
    journal = Journal(limits, is_audited=True, clock=lambda: now[0])
    places: dict[tuple[str, int], int] = {}
    by_number: dict[int, tuple[str, int]] = {}
    journal.attach(known, by_number.get)

    def adding() -> Iterator[Entry]:
        for number, entry in enumerate(entries, start=1):
            journal.add(entry.exchange, encode(entry.exchange))
            journal.apply([], audited=number)
            by_number[number] = place = entry.recording, entry.line
            places[place] = number
            if len(by_number) > 2 * limits.calls:
                for gone in [each for each in by_number if not journal.has_call(each)]:
                    places.pop(by_number.pop(gone), None)
            yield entry

    numbers = count(1)
    for result in audit(adding(), settings):
        if result.id:
            known.results[result.id] = result
            if len(known.results) > 2 * limits.sessions:
                known.results = {sid: each for sid, each in known.results.items() if journal.session(sid)}
        found = (
            msgspec.structs.replace(each, line=places.get((each.recording, each.line), 0)) for each in result.findings
        )
        journal.apply([NewFinding(next(numbers), FindingState.CONFIRMED, result.id, each) for each in found])
    now[0] = _LONG_AFTER
    return journal
