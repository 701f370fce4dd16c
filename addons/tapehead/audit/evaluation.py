"""The verdict on one session: from what arrived to its findings, in the words and grades of the settings in use."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from tapehead.audit.results import EventRef, Outcome, SessionFinding, SessionResult, find_outcome
from tapehead.audit.settings import Policy, Settings
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Finding
from tapehead.protocol.limits import Timeouts
from tapehead.protocol.routes import Call
from tapehead.rules.catalog import RULES
from tapehead.rules.delivery import check_refused, check_repeats
from tapehead.rules.session_rules import check_session
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of


class Measure(Protocol):
    """A function that calculates metrics, such as `metrics.calculator.calculate`."""

    def __call__(self, events: Iterable[Event], *, timeouts: Timeouts) -> dict[str, Any]:
        """Return the metrics of a session's events."""


_RANKS = {rule: rank for rank, rule in enumerate(RULES)}
# Judged over the session, so that its limit can differ from player to player.
_JUDGED_HERE = frozenset({"clock-skew"})
_REFUSED = (404, 410)


class ReceivedEvent(NamedTuple):
    """An event as it arrived, with the findings of its exchange; or the findings of an exchange without events."""

    started: str
    event: Event | None
    findings: tuple[Finding, ...]
    recording: str
    line: int


class ClosedSession(NamedTuple):
    """What is remembered of a session that is gone: whether it ended, or else fell silent."""

    ended: bool


class SessionEvents:
    """What arrived of one session.

    Attributes:
        number: how many exchanges had come when it began; sorts sessions.
        arrivals: in the order of the recording's lines.
        touched_ms: when it was last heard of.
        after: the ending of the session whose late events these are; None for a session itself.
    """

    def __init__(self, number: int, after: ClosedSession | None = None) -> None:
        self.number = number
        self.arrivals: list[ReceivedEvent] = []
        self.touched_ms = 0.0
        self.after = after

    def events(self) -> list[tuple[Event, ReceivedEvent]]:
        """The events as they arrived, indexed; the one that opened the session is the first."""
        held = [(arrival.event, arrival) for arrival in self.arrivals if arrival.event]
        held.sort(key=lambda pair: (not opens_session(pair[0]), pair[0].arrived_ms))
        return [(msgspec.structs.replace(event, index=index), arrival) for index, (event, arrival) in enumerate(held)]


def opens_session(event: Event) -> bool:
    """Whether an event came by the call that opens sessions."""
    return event.call is not Call.EVENT


class SessionEvaluator:
    """Makes results of records.

    Args:
        settings: what users set.
        measure: what makes metrics of a session's events in their audited order; None for none.
    """

    def __init__(self, settings: Settings, measure: Measure | None = None) -> None:
        self._settings = settings
        self._measure = measure

    def judge(self, record: SessionEvents) -> SessionResult:
        """The result for a session, for the late events of one, or for exchanges of none."""
        held = record.events()
        first = held[0][1] if held else record.arrivals[0]
        if not held:
            graded = self._grade(self._settings.policy(path=first.recording), _bare_findings(record))
            return _result(None, first, Outcome.NONE, graded)
        case, policy = self._open(held, first.recording)
        found = list(_find_late(case, record.after) if record.after else check_session(case))
        outcome = Outcome.LATE if record.after else find_outcome(case, frozenset(each.rule for each in found))
        raw = [event for event, _ in held]
        findings = [*_bare_findings(record), *_exchange_findings(held), *_session_findings(case, raw, found)]
        return _result(case, first, outcome, self._grade(policy, findings), self._metrics(case, raw, outcome))

    def _open(self, held: Sequence[tuple[Event, ReceivedEvent]], recording: str) -> tuple[SessionView, Policy]:
        player, channel = (held[0][0].text(f"media.{key}") or "" for key in ("playerName", "channel"))
        policy = self._settings.policy(player, channel, recording)
        return SessionView([event for event, _ in held], policy.thresholds), policy

    def _metrics(self, case: SessionView, raw: Sequence[Event], outcome: Outcome) -> dict[str, Any]:
        never_open = outcome is Outcome.REFUSED and all(event.type != "sessionStart" for event in raw)
        if self._measure is None or never_open or outcome in (Outcome.LATE, Outcome.REJECTED, Outcome.NO_ANSWER):
            return {}
        thresholds = case.thresholds
        timeouts = Timeouts(thresholds.idle_minutes, thresholds.stalled_minutes)
        return self._measure((raw[step.event.index] for step in case.steps), timeouts=timeouts)

    def _grade(self, policy: Policy, findings: Iterable[SessionFinding]) -> list[SessionFinding]:
        graded = ((each, policy.grade(each.rule, each.severity)) for each in findings)
        kept = [msgspec.structs.replace(each, severity=severity) for each, severity in graded if severity]
        return sorted(kept, key=lambda each: (each.event.index if each.event else -1, _RANKS[each.rule]))


def _find_late(case: SessionView, ending: ClosedSession) -> Iterator[RuleHit]:
    """What is wrong with events that come for a session that is long gone."""
    event = case.arrived[0]
    if not ending.ended:
        message = f"{name_of(event)}: the session had been silent for more than a day; expected a new session"
        yield RuleHit("expired-idle", event, message)
    elif late := next((each for each in case.arrived if each.type != "sessionEnd"), None):
        message = f"{name_of(late)}: it comes after sessionEnd, which closed the session; expected nothing after it"
        yield RuleHit("event-after-end", late, message)
    yield from check_repeats(case)
    yield from check_refused(case)


def _session_findings(case: SessionView, raw: Sequence[Event], found: Iterable[RuleHit]) -> Iterator[SessionFinding]:
    begun = next((event.ts for event in case.arrived if event.ts is not None), None)
    for each in found:
        where = _where(each.event, begun)
        prefix = f"[{each.event.index}]." if each.event.in_array and each.path else ""
        yield SessionFinding(
            rule=each.rule,
            severity=each.severity or RULES[each.rule].severity,
            message=f"{each.message} {where}",
            path=f"{prefix}{each.path}",
            event=_place(raw[each.event.index]),
            line=each.event.line,
            recording=each.event.recording,
        )


def _exchange_findings(held: Sequence[tuple[Event, ReceivedEvent]]) -> Iterator[SessionFinding]:
    """What the rules of one exchange say, without what only follows from the finding before it."""
    before: set[str] = set()
    refused, begun = False, held[0][0].ts
    for event, arrival in held:
        told = _JUDGED_HERE | before | ({"rejected"} if refused and event.status in _REFUSED else set())
        for each in arrival.findings:
            if each.rule not in told:
                yield _exchange_finding(each, arrival, event, _where(event, begun))
        before = {each.rule for each in arrival.findings if each.rule == "timestamp-unit"}
        refused = refused or event.status in _REFUSED


def _bare_findings(record: SessionEvents) -> Iterator[SessionFinding]:
    for arrival in record.arrivals:
        if arrival.event is None:
            yield from (_exchange_finding(each, arrival, None, "") for each in arrival.findings)


def _exchange_finding(finding: Finding, arrival: ReceivedEvent, event: Event | None, where: str) -> SessionFinding:
    return SessionFinding(
        rule=finding.rule,
        severity=finding.severity,
        message=f"{finding.message} {where}".rstrip(),
        path=finding.path,
        event=_place(event) if event else None,
        line=arrival.line,
        recording=arrival.recording,
    )


def _place(event: Event) -> EventRef:
    return EventRef(event.index, event.type, event.playhead, event.ts)


def _where(event: Event, begun: int | None) -> str:
    """An event's place in its session, for the end of a message."""
    if event.ts is None or begun is None:
        return f"(event {event.index})"
    return f"(event {event.index}, {(event.ts - begun) / 1000:.1f} s in)"


def _result(
    case: SessionView | None,
    first: ReceivedEvent,
    outcome: Outcome,
    findings: list[SessionFinding],
    metrics: dict[str, Any] | None = None,
) -> SessionResult:
    start = case.start if case else None
    named = {
        key: (start.text(f"media.{key}") if start else None) or "" for key in ("id", "name", "playerName", "channel")
    }
    return SessionResult(
        id=case.arrived[0].sid if case else None,
        recording=first.recording,
        line=first.line,
        media_id=named["id"],
        media_name=named["name"],
        player=named["playerName"],
        channel=named["channel"],
        started=first.started,
        outcome=outcome,
        findings=findings,
        metrics=metrics or {},
        steps=tuple(case.steps) if case else (),
        events=len(case.arrived) if case else 0,
    )
