"""The audit as the journal uses it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Exchange


class AuditState(NamedTuple):
    """The state of the audit of a run.

    Attributes:
        is_wanted: whether calls are audited at all.
        is_running: whether its thread is at work, or waits for calls.
        waiting: the number of calls that wait.
        left_out: the number of calls that were left out since the start.
    """

    is_wanted: bool
    is_running: bool
    waiting: int = 0
    left_out: int = 0


class Audit(Protocol):
    """The audit of the calls of a journal, in a thread of its own."""

    def follows(self, sid: str | None) -> bool:
        """Return whether a session is audited."""
        ...

    def put(self, number: int, exchange: Exchange, size: int) -> None:
        """Audit a call soon."""
        ...

    def settle(self, timeout_seconds: float) -> bool:
        """Wait until what came so far is audited, and return whether it is."""
        ...

    def result(self, sid: str) -> SessionResult | None:
        """Return the result of a session as if it ended now; None if it is over."""
        ...

    def audit_again(self, calls: Iterable[tuple[int, Exchange]]) -> Iterator[SessionResult]:
        """Yield the results of sessions that are over, given their calls, with the settings of the run."""
        ...

    def state(self) -> AuditState:
        """Return how far it is."""
        ...

    def follow_again(self, sids: Iterable[str] | None) -> None:
        """Leave sessions out no longer; None for all."""
        ...

    def forget(self, sids: Iterable[str]) -> None:
        """Forget sessions as far as they have come."""
        ...
