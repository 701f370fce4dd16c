"""The audit of one session as a stream: exchanges in, findings as they are proven, the result at the end.

A finding waits until the order of the events that it depends on is settled. Recordings hold exchanges in the order of
their answers, so an event waits `hold_ms` for those that arrived before it; and the back end sorts by ts what comes
within 5 seconds or 10 events. Findings that count what follows ("12 such events") or miss something in the session as
a whole are only proven at its end.

An exchange that was answered later than `hold_ms` allows changes what came after it. The result is right nevertheless:
the session is evaluated anew, at most as often as its length doubles. Findings that were returned before and do not
hold any more are not part of the result.
"""

from collections import Counter
from collections.abc import Sequence
from math import inf

from tapehead.auditor.evaluation import ClosedSession, Measure, SessionEvaluation
from tapehead.auditor.received_events import EventReader, ReceivedEvent
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.rules.support.rule import RuleHit

HOLD_MS = 3000


class SessionAudit:
    """The audit of one session, exchange by exchange.

    Memory grows with the session alone, and the time that `add` takes does not grow with it.

    Args:
        settings: the settings; defaults, if None.
        reader: reads and checks exchanges, and may know recorded schemas; one for these settings, if None.
        measure: what calculates metrics; None for no metrics.
        after: the ending of a session that is over, if its late events are audited.
        hold_ms: how long an event waits for others that arrived before it and are answered later, in milliseconds of
            the recording; infinite if only the result is wanted, which takes less memory.

    Attributes:
        opened: whether an event came by a call that opens sessions.
        ended: whether a sessionEnd came.
        remaining: after `close`, the findings that no `add` returned.
    """

    __slots__ = (
        "_after",
        "_evaluated",
        "_evaluation",
        "_hold_ms",
        "_is_stale",
        "_measure",
        "_outside",
        "_reader",
        "_received",
        "_returned",
        "_returned_before",
        "_settings",
        "_taken",
        "ended",
        "opened",
        "remaining",
    )

    def __init__(
        self,
        settings: AuditSettings | None = None,
        *,
        reader: EventReader | None = None,
        measure: Measure | None = calculate,
        after: ClosedSession | None = None,
        hold_ms: float = HOLD_MS,
    ) -> None:
        self._settings = settings or AuditSettings()
        self._reader = reader or EventReader(self._settings)
        self._measure = measure
        self._after = after
        self._hold_ms = hold_ms
        self._received: list[ReceivedEvent] = []
        self._evaluation: SessionEvaluation | None = None
        # The number of events when the session was evaluated anew last, and whether that is to be done again.
        self._evaluated = 0
        self._is_stale = False
        self._outside: list[RuleHit] = []
        self._taken = 0
        self._returned: list[SessionFinding] = []
        self._returned_before: Counter[SessionFinding] | None = None
        self.opened = False
        self.ended = after is not None and after.ended
        self.remaining: list[SessionFinding] = []

    @property
    def size(self) -> int:
        """The number of its events."""
        return len(self._received)

    @property
    def places(self) -> list[tuple[str, int]]:
        """The exchanges of its events, each by recording and line."""
        return [(each.recording, each.line) for each in self._received]

    def add(self, entry: Entry | Exchange) -> list[SessionFinding]:
        """Take the session's next exchange, in the order of answers or arrival; return the findings that it proves."""
        if isinstance(entry, Exchange):
            entry = Entry(len(self._received) + 1, entry)
        return self.add_events(self._reader.read(entry))

    def add_events(self, received: Sequence[ReceivedEvent]) -> list[SessionFinding]:
        """Take the events of the next exchange, which are read already; return the findings that they prove."""
        self._received += received
        for each in received:
            if each.event:
                self.opened = self.opened or each.opens_session
                self.ended = self.ended or each.event.type == "sessionEnd"
        if self._hold_ms == inf:
            return []
        if self._evaluation is None:
            self._evaluation = SessionEvaluation(self._settings, self._after, self._hold_ms)
        for each in received:
            self._is_stale = self._evaluation.hold(each) or self._is_stale
        if self._is_stale:
            if len(self._received) < 2 * self._evaluated:
                return []
            self._evaluation = self._evaluate_anew()
        self._evaluation.release()
        return self._take_findings(self._evaluation)

    def add_hit(self, hit: RuleHit) -> list[SessionFinding]:
        """Take a hit of a rule on several sessions, at an event of this one; return the findings that it proves."""
        self._outside.append(hit)
        if self._evaluation is None or self._is_stale:
            return []
        self._evaluation.add_hit(hit)
        self._evaluation.release()
        return self._take_findings(self._evaluation)

    def close(self) -> SessionResult:
        """Return the result; the session gets no more exchanges.

        Raises:
            ValueError: no exchange was added.
        """
        evaluation = self._evaluate_anew() if self._is_stale or self._evaluation is None else self._evaluation
        evaluation.release(final=True)
        self.remaining = self._take_findings(evaluation)
        return evaluation.result(self._measure)

    def _evaluate_anew(self) -> SessionEvaluation:
        evaluation = self._evaluation = SessionEvaluation(self._settings, self._after, self._hold_ms)
        for received in self._received:
            evaluation.hold(received)
        for hit in self._outside:
            evaluation.add_hit(hit)
        self._evaluated = len(self._received)
        self._is_stale = False
        self._taken = 0
        self._returned_before = Counter(self._returned) if self._returned else None
        return evaluation

    def _take_findings(self, evaluation: SessionEvaluation) -> list[SessionFinding]:
        """Return the findings that were not returned before."""
        findings = evaluation.findings[self._taken :]
        self._taken += len(findings)
        if self._returned_before:
            known, findings = findings, []
            for finding in known:
                if self._returned_before[finding] > 0:
                    self._returned_before[finding] -= 1
                else:
                    findings.append(finding)
        self._returned += findings
        return findings
