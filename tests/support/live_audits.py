"""Live audits of exchanges, and what they say at the end."""

from collections.abc import Iterable

from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.results import FindingState, LiveFinding, SessionResult
from tapehead.protocol.exchange import Entry


class Listener:
    """Keeps what a live audit says: the latest of each finding, and how it came to that."""

    def __init__(self, **options: object) -> None:
        self.results: list[SessionResult] = []
        self.audit = LiveAudit(on_result=self.results.append, **options)  # type: ignore[arg-type]
        self.latest: dict[int, LiveFinding] = {}
        self.history: dict[int, list[FindingState]] = {}

    def hear(self, changes: Iterable[LiveFinding]) -> list[LiveFinding]:
        """Take changes, and return them."""
        told = list(changes)
        for change in told:
            self.latest[change.number] = change
            self.history.setdefault(change.number, []).append(change.state)
        return told

    def add(self, *entries: Entry) -> list[LiveFinding]:
        """Add calls; return what changed."""
        return [change for entry in entries for change in self.hear(self.audit.add(entry))]

    def tick(self, now_ms: float) -> list[LiveFinding]:
        """Let time pass; return what changed."""
        return self.hear(self.audit.tick(now_ms))

    def close(self) -> list[SessionResult]:
        """Close the audit; return all results."""
        self.results += self.audit.close()
        self.hear(self.audit.remaining)
        return self.results

    def standing(self, *states: FindingState) -> list[LiveFinding]:
        """The findings that are in one of these states; all that are not withdrawn, if none are given."""
        wanted = states or (FindingState.PROVISIONAL, FindingState.CONFIRMED)
        return [each for each in self.latest.values() if each.state in wanted]
