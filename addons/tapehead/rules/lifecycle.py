"""What the session machine says: events that are slips where the session is, and what is left open at its end."""

from collections.abc import Iterator, Mapping

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step, Violation
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules.support.intervals import restarts
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of
from tapehead.text import quote

RULE_IDS: Mapping[ViolationKind, str] = {kind: kind.replace("_", "-") for kind in ViolationKind}
# What is wrong, after the event's name; {opened} is the event that opened what is open, {state} a state's name.
_MESSAGES = {
    "ad-outside-break": "no break is open; expected adBreakStart before it",
    "ad-break-not-open": "no break is open; expected adBreakStart before it",
    "ad-break-nested": "the break of {opened} is still open; expected adBreakComplete before it",
    "ad-break-empty": "the break of {opened} had no ad; expected an adStart in it",
    "ad-break-left-open": "the break of {opened} is still open; expected adBreakComplete before the session's end",
    "ad-not-open": "no ad is open; expected adStart before it",
    "ad-overlap": "the ad of {opened} is still open; expected adComplete or adSkip before it",
    "ad-left-open": "the ad of {opened} is still open; expected adComplete or adSkip before it",
    "chapter-overlap": "the chapter of {opened} is still open; expected chapterComplete or chapterSkip before it",
    "chapter-not-open": "no chapter is open; expected chapterStart before it",
    "chapter-left-open": "the chapter of {opened} is still open; expected chapterComplete or chapterSkip before it",
    "state-not-open": "params.media.state.name: the state {state} is not open; expected stateStart before it",
    "state-already-open": "params.media.state.name: the state {state} is open already; expected stateEnd before it",
    "event-after-complete": "it comes after sessionComplete; expected sessionComplete last",
    "event-after-end": "it comes after sessionEnd, which closed the session; expected nothing after it",
    "session-not-closed": "the last event; expected sessionComplete or sessionEnd",
}
# Rules that everything after the first place only follows from.
_ONCE = ("event-after-complete", "event-after-end")
_LEFT_OPEN = ("ad-break-left-open", "ad-left-open", "chapter-left-open")
_OPENERS = {"ad-break": "adBreakStart", "ad": "adStart", "chapter": "chapterStart"}


def check_moves(case: SessionView) -> Iterator[RuleHit]:
    """What the machine calls a slip, and at the end what silence leaves open."""
    last: dict[str, Event] = {}
    told: set[str] = set()
    spared = _LEFT_OPEN if restarts(case) else ()
    steps = [*case.steps, case.end] if case.opened else case.steps
    for step in steps:
        for violation in step.violations:
            rule = RULE_IDS[violation.kind]
            if rule not in told and not (step.event.type == "sessionEnd" and rule in spared):
                yield _found(case, step, violation, last)
            told.update({rule} & set(_ONCE))
        if step.event.type:
            last[step.event.type] = step.event


def _found(case: SessionView, step: Step, violation: Violation, last: Mapping[str, Event]) -> RuleHit:
    rule = RULE_IDS[violation.kind]
    kind = next((kind for kind in _OPENERS if rule.startswith(f"{kind}-")), "")
    opener = last.get(_OPENERS.get(kind, ""))
    opened = f"event {opener.index}" if opener else "an earlier event"
    message = _MESSAGES[rule].format(opened=opened, state=violation.name and quote(violation.name))
    silent = step is case.end and rule != "session-not-closed"
    subject = f"the session goes silent after {name_of(step.event)}" if silent else name_of(step.event)
    more = _count_after(case, rule) if rule in _ONCE else ""
    path = "params.media.state.name" if violation.name and step.event.type != "statesUpdate" else ""
    return RuleHit(rule, step.event, f"{subject}: {message}{more}", path)


def _count_after(case: SessionView, rule: str) -> str:
    """How many events break a rule of which only the first is told."""
    count = sum(RULE_IDS[violation.kind] == rule for step in case.steps for violation in step.violations)
    return f" ({count} such events)" if count > 1 else ""


def check_play(case: SessionView) -> Iterator[RuleHit]:
    """no-play: pings or ads, but never a play for the main content."""
    if case.start is None or any(_plays_content(step) for step in case.steps):
        return
    first = next((step.event for step in case.steps if step.event.type in ("ping", "adStart")), None)
    if first:
        message = f"{name_of(first)}: the session never plays main content; expected a play outside an ad break"
        yield RuleHit("no-play", first, message)


def _plays_content(step: Step) -> bool:
    return step.event.type == "play" and step.before.in_main_content


CHECKS = (check_moves, check_play)
