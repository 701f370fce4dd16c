"""The audit of one session with each event taken at once, in the order that the events have so far.

What it finds is what the audit would find if the session ended now, but for what only its end shows. Where an event
comes that belongs before others, the session is evaluated anew when its reader says so.
"""

from collections.abc import Iterator, Sequence
from math import inf

from tapehead.auditor.evaluation import AT_ONCE, ClosedSession, Measure, SessionEvaluation
from tapehead.auditor.live_findings import KnownFindings, LiveFindings
from tapehead.auditor.received_events import EventReader, ReceivedEvent
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.session_audit import SessionAudit
from tapehead.auditor.settings import AuditSettings
from tapehead.rules.completion import nothing_followed
from tapehead.rules.pings import silence_hit
from tapehead.rules.response import REJECTED
from tapehead.rules.support.intervals import MINUTE_MS
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_trace import Overlap

# So much silence shows nothing yet, whatever the settings.
LEAST_SILENCE_MS = 1000.0


class Touched(dict["EagerSession", None]):
    """The sessions that something came for, in that order.

    Attributes:
        events: the number of events that open sessions hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events = 0


class EagerSession(SessionAudit):
    """The audit of one session, whose findings are told as soon as they hold.

    Args:
        settings: the settings.
        reader: reads and checks exchanges.
        after: the ending of a session that is over, if its late events are audited.
        touched: where the session notes itself when something comes for it.

    Attributes:
        known: the findings of it that were told.
        is_closed: whether all of it was evaluated, as if nothing more came.
        quiet_since: when its last event came, by the clock that the reader observes.
    """

    def __init__(
        self,
        settings: AuditSettings,
        reader: EventReader,
        after: ClosedSession | None,
        touched: Touched,
    ) -> None:
        super().__init__(settings, reader=reader, measure=None, after=after, hold_ms=AT_ONCE)
        self._touched = touched
        self._told = 0
        self._is_anew = False
        self._silence: RuleHit | None = None
        self.known = KnownFindings(None)
        self.is_closed = False
        self.quiet_since = 0.0
        self._comparisons: dict[Overlap, RuleHit] = {}

    def add_events(self, received: Sequence[ReceivedEvent]) -> list[SessionFinding]:
        """Take the events of the next exchange."""
        self._received += received
        self._touched[self] = None
        self._touched.events += len(received)
        self._silence = None
        for each in received:
            if each.event:
                self.opened = self.opened or each.opens_session
                self.ended = self.ended or each.event.type == "sessionEnd"
                self.known.session = each.event.sid
        self.known.events = len(self._received)
        self.known.is_stale = self.known.is_stale or self.is_closed
        if self.known.is_stale:
            return []
        if self._evaluation is None:
            self._evaluation = SessionEvaluation(self._settings, self._after, AT_ONCE)
        wrong = [self._evaluation.hold(each) for each in received]
        if any(wrong):
            self.known.is_stale = True
        else:
            self._release(self._evaluation)
        return []

    def add_hit(self, hit: RuleHit) -> list[SessionFinding]:
        """Take a hit of a rule on several sessions, at an event of this one."""
        self._outside.append(hit)
        self._touched[self] = None
        if self._evaluation and not self.known.is_stale:
            self._evaluation.add_hit(hit)
            self._evaluation.release(final=self.is_closed)
        return []

    def compare(self, overlap: Overlap, hit: RuleHit | None) -> None:
        """Take the hit of a comparison with another session as it stands; None if it is none, or one of the other's."""
        if self._comparisons.get(overlap) == hit:
            return
        self._touched[self] = None
        if hit:
            self._comparisons[overlap] = hit
        else:
            del self._comparisons[overlap]

    def close(self) -> SessionResult:
        """Evaluate all of it, as nothing more comes."""
        self._touched[self] = None
        if self.known.is_stale or self._evaluation is None:
            self.evaluate_anew()
        self._close()
        return self._evaluation_of().result(None)

    def evaluate_anew(self) -> None:
        """Evaluate the session in the order that its events have by now."""
        self._touched[self] = None
        self.known.is_stale = self.is_closed = False
        self._is_anew, self._told = True, 0
        evaluation = self._evaluation = SessionEvaluation(self._settings, self._after, AT_ONCE)
        for received in self._received:
            evaluation.hold(received)
        for hit in self._outside:
            evaluation.add_hit(hit)
        self._release(evaluation)
        self.known.is_stale = False

    def result_so_far(self, measure: Measure | None) -> SessionResult:
        """Return the result as if the session ended now."""
        audit = SessionAudit(self._settings, reader=self._reader, measure=measure, after=self._after, hold_ms=inf)
        audit.add_events(self._received)
        for hit in self._outside:
            audit.add_hit(hit)
        return audit.close()

    def tell(self, findings: LiveFindings) -> None:
        """Tell what the session's findings are now."""
        evaluation = self._evaluation
        if evaluation is None or self.known.is_stale:
            return
        proven = evaluation.findings[self._told :]
        self._told += len(proven)
        silence = evaluation.finding_of(self._silence) if self._silence else None
        findings.update(self.known, proven, self._unproven(evaluation), silence, anew=self._is_anew)
        self._is_anew = False

    def note_silence(self, silent_ms: float) -> float | None:
        """Take for how long no event came; return how much silence shows more, or None if none does.

        When the back end has closed a session, what is left open is left open: that is what its end shows.
        """
        checks = self._evaluation.checks if self._evaluation else None
        if self.is_closed or self._after or checks is None or not checks.view.steps:
            return None
        view, limits = checks.view, checks.view.thresholds
        idle_ms = limits.idle_minutes * MINUTE_MS
        closed_ms = min(idle_ms, max(0.0, limits.stalled_minutes * MINUTE_MS - view.intervals.rest_ms))
        gap_ms = limits.ping_gap_seconds * 1000
        if self.known.is_stale or silent_ms < min(gap_ms, closed_ms):
            return max(silent_ms + LEAST_SILENCE_MS, min(gap_ms, closed_ms))
        self._touched[self] = None
        if silent_ms >= closed_ms:
            self._silence = None
            self._close()
            return None
        if view.opened and not self._evaluation_of().is_gone:
            is_alone = len(view.arrived) == 1 and view.start is not None
            self._silence = nothing_followed(view.first) if is_alone else silence_hit(view)
        return closed_ms

    def _release(self, evaluation: SessionEvaluation) -> None:
        evaluation.release()
        self.known.is_stale = evaluation.is_out_of_order
        if self.ended and not self.known.is_stale:
            # A refusal that was told may have the end as its reason.
            if not self._is_anew and any(finding.rule == REJECTED.id for finding in evaluation.findings):
                self.known.is_stale = True
            else:
                self._close()

    def _close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._evaluation_of().release(final=True)

    def _evaluation_of(self) -> SessionEvaluation:
        if self._evaluation is None:
            raise ValueError("no exchange was added to the session")
        return self._evaluation

    def _unproven(self, evaluation: SessionEvaluation) -> Iterator[tuple[SessionFinding, bool]]:
        yield from evaluation.unproven()
        for overlap, hit in tuple(self._comparisons.items()):
            if overlap.is_decided:
                del self._comparisons[overlap]
            elif (own := evaluation.locate(hit)) and (finding := evaluation.finding_of(own)):
                yield finding, True
