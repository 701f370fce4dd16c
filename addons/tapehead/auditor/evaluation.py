"""One pass over the events of a session: from what arrived to findings, in the grades of the settings in use.

Findings are numbered by the order of arrival, and recordings hold exchanges in the order of their answers. So an
event waits until the ones that arrived before it are likely to be answered, too.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any, NamedTuple, Protocol

import msgspec

from tapehead.auditor.received_events import ReceivedEvent
from tapehead.auditor.refusals import Refusal, Refusals
from tapehead.auditor.results import EventRef, Outcome, SessionFinding, SessionResult, find_outcome
from tapehead.auditor.settings import AuditSettings, Policy
from tapehead.protocol import keys
from tapehead.protocol.backend_limits import Timeouts
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, seconds_in
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import SESSION_GONE, Call
from tapehead.protocol.session_machine import Step
from tapehead.rules.catalog import RULES
from tapehead.rules.lifecycle import late_checks
from tapehead.rules.response import REJECTED
from tapehead.rules.session_checks import SessionChecks
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.timeouts import EXPIRED_IDLE, EXPIRED_STALLED
from tapehead.rules.values import CLOCK_SKEW, TIMESTAMP_UNIT

# A time before all events can be taken back by this, and is still a number to compare with.
AT_ONCE = -1e18


class Measure(Protocol):
    """A function that calculates metrics, such as `metrics.calculator.calculate`."""

    def __call__(self, events: Iterable[Event], *, timeouts: Timeouts) -> dict[str, Any]:
        """Return the metrics of a session's events."""


class ClosedSession(NamedTuple):
    """The memory of a session that is over: whether it ended, or else fell silent."""

    ended: bool


class SessionEvaluation:
    """The evaluation of a session, of the late events of one, or of exchanges of none.

    Args:
        settings: the settings.
        after: the ending of the session whose late events these are; None for a session itself.
        hold_ms: how long an event waits for others that arrived before it and are answered later, in milliseconds;
            AT_ONCE if all are taken in the order that they have so far.

    Attributes:
        findings: the findings so far, in the order in which they were proven.
    """

    def __init__(self, settings: AuditSettings, after: ClosedSession | None, hold_ms: float) -> None:
        self._settings = settings
        self._after = after
        self._hold_ms = hold_ms
        self._latest_ms = self._frontier_ms = -inf
        self._latest_order = 0
        self._held: list[ReceivedEvent] = []
        self._bare: list[ReceivedEvent] = []
        self._outside: list[RuleHit] = []
        self._first: ReceivedEvent | None = None
        self._events: list[Event] = []
        # An ordered set: the keys count.
        self._recordings: dict[str, None] = {}
        self._sources: dict[str, None] = {}
        self._policy: Policy | None = None
        self._checks: SessionChecks | None = None
        # The rules that one finding of the session was enough for.
        self._once: set[str] = set()
        self._refusals = Refusals(is_late=after is not None)
        self._has_expired = self._is_gone = self._has_wrong_unit = False
        self.findings: list[SessionFinding] = []

    def hold(self, received: ReceivedEvent) -> bool:
        """Take what arrived, in any order; return whether it came too late to be put in its place."""
        event = received.event
        if event is None:
            self._bare.append(received)
            return False
        if event.arrived_ms > self._latest_ms and event.call is Call.EVENT:
            self._held.append(received)
            is_early = event.arrived_ms < self._frontier_ms and self._hold_ms != AT_ONCE
            self._latest_ms, self._latest_order = event.arrived_ms, event.order or 0
            return is_early
        insort(self._held, received, key=arrival_order)
        latest, arrived = (self._latest_ms, self._latest_order), (event.arrived_ms, event.order or 0)
        self._latest_ms, self._latest_order = max(latest, arrived)
        if received.opens_session or self._hold_ms == AT_ONCE:
            return bool(self._events) and (received.opens_session or arrived < latest)
        return event.arrived_ms < self._frontier_ms

    @property
    def is_out_of_order(self) -> bool:
        """True if an event was taken that the back end takes before one that was taken already."""
        return self._checks is not None and self._checks.is_out_of_order

    @property
    def checks(self) -> SessionChecks | None:
        """The checks of the session; None before its first event."""
        return self._checks

    @property
    def is_gone(self) -> bool:
        """True if an event was answered that the session is unknown."""
        return self._is_gone

    def add_hit(self, hit: RuleHit) -> None:
        """Take a hit of a rule on several sessions, at an event of this one."""
        self._outside.append(hit)

    def release(self, *, final: bool = False) -> None:
        """Evaluate the events that waited long enough; all, if `final`."""
        self._frontier_ms = inf if final else self._latest_ms - self._hold_ms
        if self._frontier_ms == -inf:
            return
        count = 0
        for received in self._held:
            if not final and arrival_order(received)[:2] > (True, self._frontier_ms):
                break
            if received.event:
                self._evaluate(received.event, received)
            count += 1
        del self._held[:count]
        if self._checks:
            if final:
                self._checks.close()
            else:
                self._checks.settle(self._frontier_ms)
            self._take_hits(self._checks)
            self._take_outside_hits(self._checks)
        if self._bare and (self._policy or final):
            self._first = self._first or self._bare[0]
            self._policy = self._policy or self._settings.policy(path=self._first.recording)
            for received in self._bare:
                self._note_origin(received)
                for finding in received.findings:
                    self._add(finding.rule, finding.severity, finding.message, finding.path, None, received)
            self._bare.clear()

    def unproven(self) -> Iterator[tuple[SessionFinding, bool]]:
        """Yield the findings that hold as it stands, each with whether another one may still explain it."""
        if checks := self._checks:
            for hits, may_go in ((checks.held, True), (checks.pending(), False)):
                for hit in hits:
                    if finding := self.finding_of(hit):
                        yield finding, may_go

    def finding_of(self, hit: RuleHit) -> SessionFinding | None:
        """Return the finding of a hit at an event that was released; None if its rule is off."""
        event = hit.event
        prefix = f"[{event.index}]." if event.in_array and hit.path else ""
        message = with_place(hit.message, event, self._checks.first_ts if self._checks else None)
        return self._finding(
            hit.rule.id, hit.severity, message, f"{prefix}{hit.path}", self._events[event.index], event
        )

    def _evaluate(self, event: Event, received: ReceivedEvent) -> None:
        if self._checks is None or self._policy is None:
            player, channel = (event.text(f"{keys.MEDIA_PREFIX}{key}") or "" for key in ("playerName", "channel"))
            self._first, self._policy = received, self._settings.policy(player, channel, received.recording)
            checks = None if self._after is None else late_checks(ended=self._after.ended)
            self._checks = SessionChecks(event, self._policy.thresholds, checks)
        if len(self._events) != event.index:
            event = msgspec.structs.replace(event, index=len(self._events))
        self._events.append(event)
        self._note_origin(received)
        is_gone = event.status in SESSION_GONE
        if received.findings:
            # Clocks are judged over the session; the others only follow from the finding before.
            skipped = {CLOCK_SKEW.id}
            skipped |= {TIMESTAMP_UNIT.id} if self._has_wrong_unit else set()
            skipped |= {REJECTED.id} if self._is_gone and is_gone else set()
            for finding in received.findings:
                if finding.rule == REJECTED.id and finding.rule not in skipped:
                    self._refusals.hold(Refusal(finding, event, received))
                elif finding.rule not in skipped:
                    if RULES[finding.rule].once:
                        if finding.rule in self._once:
                            continue
                        self._once.add(finding.rule)
                    message = with_place(finding.message, event, self._events[0].ts)
                    self._add(finding.rule, finding.severity, message, finding.path, event, received)
            self._has_wrong_unit = any(finding.rule == TIMESTAMP_UNIT.id for finding in received.findings)
        else:
            self._has_wrong_unit = False
        self._is_gone = self._is_gone or is_gone
        self._checks.add(event)

    def _note_origin(self, received: ReceivedEvent) -> None:
        self._recordings[received.recording] = None
        if received.source:
            self._sources[received.source] = None

    def _take_hits(self, checks: SessionChecks) -> None:
        for hit in checks.hits:
            event = hit.event
            self._has_expired = self._has_expired or hit.rule in (EXPIRED_IDLE, EXPIRED_STALLED)
            prefix = f"[{event.index}]." if event.in_array and hit.path else ""
            message = with_place(f"{hit.message}{self._refusals.explain(hit)}", event, checks.first_ts)
            self._add(hit.rule.id, hit.severity, message, f"{prefix}{hit.path}", self._events[event.index], event)
        checks.hits.clear()
        for finding, event, received in self._refusals.release(checks, self._frontier_ms):
            message = with_place(finding.message, event, checks.first_ts)
            self._add(finding.rule, finding.severity, message, finding.path, event, received)

    def _take_outside_hits(self, checks: SessionChecks) -> None:
        """Take the hits at events that were released by now."""
        for hit in tuple(self._outside):
            if own := self.locate(hit):
                message = with_place(hit.message, own.event, checks.first_ts)
                self._add(hit.rule.id, hit.severity, message, hit.path, own.event, own.event)
                self._outside.remove(hit)

    def locate(self, hit: RuleHit) -> RuleHit | None:
        """Return a hit of a rule on several sessions at the event as this one numbers it; None if it still waits."""
        place = hit.event.recording, hit.event.line
        event = next((event for event in self._events if (event.recording, event.line) == place), None)
        return hit._replace(event=event) if event else None

    def _add(
        self,
        rule: str,
        severity: Severity,
        message: str,
        path: str,
        event: Event | None,
        source: ReceivedEvent | Event,
    ) -> None:
        """Add a finding, unless its rule is off."""
        if finding := self._finding(rule, severity, message, path, event, source):
            self.findings.append(finding)

    def _finding(
        self,
        rule: str,
        severity: Severity,
        message: str,
        path: str,
        event: Event | None,
        source: ReceivedEvent | Event,
    ) -> SessionFinding | None:
        graded = self._policy.grade(rule, severity) if self._policy else severity
        if not graded:
            return None
        return SessionFinding(
            rule=rule,
            severity=graded,
            message=message,
            path=path,
            event=EventRef(event.index, event.type, event.playhead, event.ts) if event else None,
            line=source.line,
            recording=source.recording,
        )

    def result(self, measure: Measure | None) -> SessionResult:
        """Return the result, once all events are released, with metrics by `measure`.

        Raises:
            ValueError: nothing was received.
        """
        first, checks = self._first, self._checks
        if first is None:
            raise ValueError("no exchange was added to the session")
        ranks = {rule: rank for rank, rule in enumerate(RULES)}
        findings = sorted(
            self.findings, key=lambda finding: (finding.event.index if finding.event else -1, ranks[finding.rule])
        )
        outcome, start = Outcome.NONE, checks.view.start if checks else None
        steps = tuple(as_sent(step, self._events) for step in checks.view.steps) if checks else ()
        if checks:
            late = self._after is not None
            outcome = Outcome.LATE_EVENTS if late else find_outcome(checks.view, steps, expired=self._has_expired)
        named = {key: (start.text(f"{keys.MEDIA_PREFIX}{key}") if start else None) or "" for key in _NAMES}
        return SessionResult(
            id=self._events[0].sid if checks else None,
            recording=first.recording,
            recordings=tuple(self._recordings),
            sources=tuple(self._sources),
            line=first.line,
            media_id=named["id"],
            media_name=named["name"],
            player=named["playerName"],
            channel=named["channel"],
            started=first.started,
            outcome=outcome,
            findings=findings,
            metrics=self._metrics(measure, outcome, checks) if checks and measure else {},
            steps=steps,
            events=len(self._events),
        )

    def _metrics(self, measure: Measure, outcome: Outcome, checks: SessionChecks) -> dict[str, Any]:
        never_open = outcome is Outcome.UNKNOWN_SESSION and all(event.type != "sessionStart" for event in self._events)
        if never_open or outcome in (Outcome.LATE_EVENTS, Outcome.START_REFUSED, Outcome.START_UNANSWERED):
            return {}
        events = (self._events[step.event.index] for step in checks.view.steps)
        return measure(events, timeouts=checks.view.thresholds.timeouts)


def as_sent(step: Step, events: Sequence[Event]) -> Step:
    """Return a step with its event's type as the player sent it, where the checks took it for another one."""
    event, sent = step.event, events[step.event.index]
    if event is sent or (event.type == sent.type and event.saved == sent.saved):
        return step
    return msgspec.structs.replace(step, event=msgspec.structs.replace(event, type=sent.type, saved=sent.saved))


_NAMES = ("id", "name", "playerName", "channel")


def arrival_order(received: ReceivedEvent) -> tuple[bool, float, int]:
    """Return the sort key of an event in the order of arrival; the one that opens the session is the first."""
    event = received.event
    return not received.opens_session, event.arrived_ms if event else 0, (event.order or 0) if event else 0


def with_place(message: str, event: Event, begun: int | None) -> str:
    """Return a message with the number, type and time of its event, by which `show` lists it.

    Args:
        message: what is wrong; most messages name the type of the event.
        event: the event.
        begun: the first ts of the session, milliseconds since 1970.
    """
    named = f" {event.type}" if event.type in EVENT_TYPES and event.type not in message else ""
    seconds = seconds_in(event, begun)
    time = "" if seconds is None else f", {seconds:.1f} s in"
    return f"{message} (event {event.index}{named}{time})"
