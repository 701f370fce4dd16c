"""Rules on a session's life: whether it plays, how it closes, what comes after its end."""

from collections.abc import Iterator, Mapping

from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import SESSION_GONE
from tapehead.protocol.session_machine import Step, is_unknown
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules import delivery
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_check import (
    EventCheck,
    Report,
    RowPings,
    SessionCheck,
    StepCheck,
    arrival_check,
    report_all,
    start_check,
    step_check,
)
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.support.violations import ViolationRule
from tapehead.rules.timeouts import EXPIRED_IDLE

NO_PLAY = Rule(
    id="no-play",
    severity=Severity.WARNING,
    when="The session has pings or ads, but never a play for the main content.",
    why="It counts as a drop before start: no content start, no content time, no progress markers.",
    fix="Send play at the first frame of the main content, after the pre-roll if there is one.",
    bad="sessionStart, ping, ping, sessionEnd",
    good="sessionStart, play, ping, ping, sessionEnd",
    source="Reference: play; metrics, content-starts; metrics, drops-before-start",
    contradictions=(
        "The pages do not say whether a play inside an ad break counts. Here it does not: the vendor's "
        "SDK sends one after every adStart. A viewer who leaves in the pre-roll does not fire this rule."
    ),
)


@step_check(NO_PLAY, row_pings=RowPings.LAST)
def check_play(session: SessionView, report: Report) -> StepCheck:
    """Report pings or ads in a session that never plays main content, as far as bodies were saved.

    One that ends in an ad break may have been about to.
    """
    if session.start is None:
        return
    first: Event | None = None
    in_break = False
    while step := (yield):
        in_break = step.after.in_break or (in_break and step.event.type == "sessionEnd")
        if is_unknown(step.event) or (step.event.type == "play" and step.before.in_main_content):
            return
        if first is None and step.event.type in ("ping", "adStart"):
            first = step.event
    if first and not in_break:
        message = f"{name_of(first)}: the session never plays main content; expected a play outside an ad break"
        report(NO_PLAY.hit(first, message))


EVENT_AFTER_END = Rule(
    id="event-after-end",
    severity=Severity.ERROR,
    when="Anything but a second sessionEnd came after sessionEnd.",
    why="sessionEnd closes the session at once; everything after it is dropped.",
    fix="Send sessionEnd last, when the viewer leaves; open a new session to go on.",
    bad="sessionStart, play, sessionEnd, ping",
    good="sessionStart, play, ping, sessionEnd",
    source="Reference: session end",
    contradictions="One page says that such events are silently dropped, another that the endpoint answers 410.",
)


EVENT_AFTER_COMPLETE = Rule(
    id="event-after-complete",
    severity=Severity.WARNING,
    when="play or chapters came after sessionComplete (a post-roll of ads: an information).",
    why="The content already counts as completed; what follows adds time to a session that is over for the viewer.",
    fix="Send sessionComplete after everything else, post-rolls too; start a new session to play again.",
    bad="sessionStart, play, sessionComplete, chapterComplete",
    good="sessionStart, play, chapterComplete, sessionComplete",
    source="Reference: session complete",
    contradictions=(
        "One page says that sessionComplete leaves the session open, another that its record is "
        "written when the session ends. So this is a warning, and an information for ads."
    ),
)


SESSION_NOT_CLOSED = Rule(
    id="session-not-closed",
    severity=Severity.INFO,
    when="The session has no sessionComplete and no sessionEnd.",
    why="It is reported only after the 10 minutes of its timeout, and without a content complete.",
    fix="Send sessionComplete when the content ends, sessionEnd when the viewer leaves.",
    bad="sessionStart, play, ping",
    good="sessionStart, play, ping, sessionComplete",
    source="Reference: session complete; session end; timeout conditions",
    contradictions="One page prefers that sessions time out, another wants sessionComplete before sessionEnd.",
)

VIOLATIONS = {
    ViolationKind.EVENT_AFTER_END: ViolationRule(
        EVENT_AFTER_END, "it comes after sessionEnd, which closed the session; expected nothing after it"
    ),
    ViolationKind.EVENT_AFTER_COMPLETE: ViolationRule(
        EVENT_AFTER_COMPLETE, "it comes after sessionComplete; expected sessionComplete last"
    ),
    ViolationKind.SESSION_NOT_CLOSED: ViolationRule(
        SESSION_NOT_CLOSED, "the last event; expected sessionComplete or sessionEnd"
    ),
}


@step_check(*(row.rule for row in VIOLATIONS.values()), types=("sessionEnd",), violations=True)
def check_end(session: SessionView, report: Report) -> StepCheck:
    """Report the first event after the end and how many there are, and a session without an end."""
    late: dict[tuple[ViolationKind, Severity], list[Event]] = {}
    session.pending.append(lambda: _late_hits(late))
    while step := (yield):
        for violation in step.violations:
            if row := VIOLATIONS.get(violation.kind):
                severity = Severity.INFO if _is_post_roll(step, violation.kind) else row.rule.severity
                late.setdefault((violation.kind, severity), []).append(step.event)
    # A session that the back end no longer knows needs no end.
    if session.end and not any(event.status in SESSION_GONE for event in session.arrived):
        for violation in session.end.violations:
            if row := VIOLATIONS.get(violation.kind):
                late[violation.kind, row.rule.severity] = [session.end.event]
    report_all(_late_hits(late), report)


def _late_hits(late: Mapping[tuple[ViolationKind, Severity], list[Event]]) -> Iterator[RuleHit]:
    """Yield the hit at the first of the events of each kind and grade, with their number."""
    for (kind, severity), events in late.items():
        more = f" ({len(events)} such events)" if len(events) > 1 else ""
        message = f"{name_of(events[0])}: {VIOLATIONS[kind].message}{more}"
        yield VIOLATIONS[kind].rule.hit(events[0], message, severity=severity)


def _is_post_roll(step: Step, kind: ViolationKind) -> bool:
    """Return whether an event after sessionComplete belongs to ads; the vendor's SDKs send play within them."""
    if kind is not ViolationKind.EVENT_AFTER_COMPLETE:
        return False
    in_ads = not step.before.in_main_content and step.event.type == "play"
    return in_ads or event_type_of(step.event.type).family == "ads"


def late_checks(*, ended: bool) -> tuple[SessionCheck, ...]:
    """Return the checks for events that come for a session that is long gone.

    Args:
        ended: whether it ended; else it had fallen silent.
    """

    def check_silent(session: SessionView, report: Report) -> None:
        first = session.first
        message = f"{name_of(first)}: the session had been silent for more than a day; expected a new session"
        report(EXPIRED_IDLE.hit(first, message))

    def check_ended(_session: SessionView, report: Report) -> EventCheck:
        while event := (yield):
            if event.type != "sessionEnd":
                message = f"{name_of(event)}: {VIOLATIONS[ViolationKind.EVENT_AFTER_END].message}"
                report(EVENT_AFTER_END.hit(event, message))
                return

    gone = arrival_check(EVENT_AFTER_END)(check_ended) if ended else start_check(EXPIRED_IDLE)(check_silent)
    return (gone, delivery.check_repeats, delivery.check_refused)
