"""Results of the audit of one session: its outcome, findings and metrics."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import SESSION_CREATED, SESSION_GONE
from tapehead.protocol.session_machine import Step
from tapehead.protocol.transitions import TABLE, Life, find_transition

if TYPE_CHECKING:
    from tapehead.rules.support.session_view import SessionView


class Outcome(StrEnum):
    """The outcome of a session: the one name that every report, page and document has for it."""

    COMPLETED = "completed"  # sessionComplete came
    ENDED = "ended"  # sessionEnd came, and no sessionComplete
    SILENT = "silent"  # neither came; the back end closes it by its timeout
    END_NOT_SAVED = "end not saved"  # neither came, but the last event's body was not saved: it may have been one
    TIMED_OUT = "timed out"  # the back end had closed it before its last events came
    UNKNOWN_SESSION = "unknown session"  # the endpoint answered 404 or 410 before the session's end
    START_REFUSED = "start refused"  # the endpoint did not open it
    START_UNANSWERED = "start unanswered"  # the sessionStart got no answer
    LATE_EVENTS = "late events"  # events of a session that was over long before, and has a result of its own
    NONE = "no session"  # exchanges of no session at all, such as a refused preflight


class EventRef(msgspec.Struct, frozen=True):
    """The event that a finding is about, as the player sent it."""

    index: int
    type: str | None
    playhead: float | None
    ts: int | None


class SessionFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One place in a session where a rule failed.

    Attributes:
        rule: the rule's id.
        severity: its grade, by the settings in use.
        message: what is wrong, and where in the session.
        path: the place in the body; empty for the event as a whole.
        event: the event; None for an exchange without one.
        line: the number of the recording's line.
        recording: the name of that recording, which may be another one than the session began in.
    """

    rule: str
    severity: Severity
    message: str
    path: str
    event: EventRef | None
    line: int
    recording: str


class FindingState(StrEnum):
    """The state of a finding while its session may go on."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class LiveFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it is now.

    Attributes:
        number: its number in this run, which stays the same.
        state: its state; a late answer may withdraw what was confirmed.
        session: the session id; None if the session never got one.
        finding: the finding; its text may change from one time to the next.
        of_call: whether the check of the call alone says so, too.
    """

    number: int
    state: FindingState
    session: str | None
    finding: SessionFinding
    of_call: bool


class SessionResult(msgspec.Struct, frozen=True, kw_only=True):
    """The audit of one session.

    Attributes:
        id: the session id; None if the session never got one.
        recording: the name of the recording in which it began.
        recordings: the names of all recordings that hold exchanges of it, in the order in which it reached them.
        sources: the HAR files, flow files and proxies that its exchanges came from, as far as they are known.
        line: the line on which it began.
        media_id, media_name, player, channel: from its sessionStart; empty where that has none.
        started: the time of its first request, as recorded.
        outcome: its outcome.
        findings: in the order of the events.
        metrics: the metrics that Adobe would report; empty where there is no session to report.
        steps: its events with the states of the session machine before and after each.
    """

    id: str | None
    recording: str
    recordings: tuple[str, ...]
    sources: tuple[str, ...] = ()
    line: int
    media_id: str
    media_name: str
    player: str
    channel: str
    started: str
    outcome: Outcome
    findings: list[SessionFinding]
    metrics: dict[str, Any]
    steps: tuple[Step, ...]
    events: int

    def report(self) -> dict[str, Any]:
        """Return the session as in the JSON report."""
        shown = ("id", "recording", "media_id", "media_name", "player", "started", "events", "outcome")
        fields = ("rule", "severity", "message", "path", "event", "line")
        plain = map(msgspec.to_builtins, self.findings)
        findings = [{name: finding[name] for name in fields} for finding in plain]
        return {name: getattr(self, name) for name in shown} | {"findings": findings, "metrics": self.metrics}


def find_outcome(session: "SessionView", steps: Sequence[Step], *, expired: bool) -> Outcome:
    """Return the outcome of a session, to which refused events do not count, as they do not to its metrics.

    Args:
        session: the session.
        steps: its events, with their types as the player sent them.
        expired: whether the back end had closed it before its last events came.
    """
    if session.start is not None and session.start.status is None:
        return Outcome.START_UNANSWERED
    if session.start is not None and (session.start.status != SESSION_CREATED or not session.opened):
        return Outcome.START_REFUSED
    if expired:
        return Outcome.TIMED_OUT
    if any(step.event.status in SESSION_GONE and step.before.life is not Life.ENDED for step in steps):
        return Outcome.UNKNOWN_SESSION
    life: StrEnum = Life.OPEN
    for step in steps:
        if step.event.type in _ENDINGS and (step.event.status or 0) < 400:
            life = find_transition("life", life, step.event.type or "").to
        if life in _LAST:
            return _LAST[life]
    last = steps[-1].after
    return Outcome.END_NOT_SAVED if last.may_be_over and last.blind else Outcome.SILENT


# The events by which a session's life goes on from being open.
_ENDINGS = frozenset(TABLE["life"][Life.OPEN])
_LAST: dict[StrEnum, Outcome] = {Life.COMPLETED: Outcome.COMPLETED, Life.ENDED: Outcome.ENDED}
