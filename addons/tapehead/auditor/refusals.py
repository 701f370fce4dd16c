"""Refusals by the endpoint that wait for the finding that explains them."""

from collections.abc import Iterator
from itertools import islice
from math import inf
from typing import NamedTuple

from tapehead.auditor.received_events import ReceivedEvent
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Finding
from tapehead.protocol.routes import SESSION_GONE
from tapehead.protocol.transitions import Life
from tapehead.rules.delivery import DOWNLOADED_FLAG, SESSION_START_MISPLACED, UNKNOWN_SESSION
from tapehead.rules.lifecycle import EVENT_AFTER_END
from tapehead.rules.session_checks import SessionChecks
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.timeouts import EXPIRED_IDLE, EXPIRED_STALLED, SESSION_TOO_LONG

# The rules of the session that explain why the endpoint refused the event of a hit.
EXPLAINING = (
    SESSION_START_MISPLACED,
    DOWNLOADED_FLAG,
    UNKNOWN_SESSION,
    EVENT_AFTER_END,
    EXPIRED_IDLE,
    EXPIRED_STALLED,
    SESSION_TOO_LONG,
)


class Refusal(NamedTuple):
    """The finding that an event was refused."""

    finding: Finding
    event: Event
    received: ReceivedEvent


class Refusals:
    """The refusals of a session until it is clear whether another finding explains them.

    Args:
        is_late: whether the session was over long before.
    """

    def __init__(self, *, is_late: bool) -> None:
        self._is_late = is_late
        self._waiting: dict[int, Refusal] = {}
        self._after_end: Refusal | None = None
        self._expiries: set[int] = set()
        self._has_expired = False
        self._passed = 0

    def hold(self, refusal: Refusal) -> None:
        """Take a refusal."""
        self._waiting[refusal.event.index] = refusal

    def explain(self, hit: RuleHit) -> str:
        """Return what the message of a hit says of the refusal of its event; empty if it does not explain one."""
        if hit.rule not in EXPLAINING:
            return ""
        index = hit.event.index
        if hit.rule in (EXPIRED_IDLE, EXPIRED_STALLED):
            self._expiries.add(index)
        refusal = self._waiting.pop(index, None)
        # Events after the end are reported once the session closes.
        if refusal is None and self._after_end and hit.rule is EVENT_AFTER_END:
            refusal = self._after_end if self._after_end.event.index == index else None
        return f"; {refusal.finding.message}" if refusal else ""

    def release(self, checks: SessionChecks, frontier_ms: float) -> Iterator[Refusal]:
        """Yield the refusals that nothing explains now that no event arrives any more before `frontier_ms`.

        Args:
            checks: the checks of the session, whose hits so far have been given to `explain`.
            frontier_ms: in milliseconds since 1970; infinite at the session's end.
        """
        if not (self._waiting or self._expiries):
            self._passed = len(checks.view.steps)
        for step in islice(checks.view.steps, self._passed, None):
            refusal = self._waiting.get(step.event.index)
            if refusal and frontier_ms < refusal.event.answered_ms:
                return  # a sessionEnd may still come that was in flight with it
            self._passed += 1
            self._has_expired = self._has_expired or step.event.index in self._expiries
            if refusal:
                del self._waiting[step.event.index]
                if step.before.life is Life.ENDED:
                    self._after_end = self._after_end or refusal
                elif not self._is_explained(refusal.event, checks):
                    yield refusal
        if frontier_ms == inf:
            yield from (each for each in self._waiting.values() if not self._is_explained(each.event, checks))
            self._waiting.clear()

    def _is_explained(self, event: Event, checks: SessionChecks) -> bool:
        """Return whether the session was over for the back end, or its end was in flight with a refused event."""
        if event.status not in SESSION_GONE:
            return False
        ends = (other for other in checks.view.arrived if other.type == "sessionEnd" and other.index != event.index)
        return self._has_expired or self._is_late or any(end.arrived_ms < event.answered_ms for end in ends)
