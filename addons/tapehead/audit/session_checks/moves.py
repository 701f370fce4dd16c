"""What the session machine says: events that are slips where the session is, and what is left open at its end."""

from collections.abc import Iterator, Mapping

from tapehead.audit.case import Case, Found, name_of
from tapehead.audit.session_checks.times import restarts
from tapehead.complaints import quote
from tapehead.event import Event
from tapehead.parameters import STANDARD_STATES
from tapehead.session import Slip, Step

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


def check_moves(case: Case) -> Iterator[Found]:
    """What the machine calls a slip, and at the end what silence leaves open."""
    last: dict[str, Event] = {}
    told: set[str] = set()
    spared = _LEFT_OPEN if restarts(case) else ()
    steps = [*case.steps, case.end] if case.opened else case.steps
    for step in steps:
        for slip in step.slips:
            if slip.rule not in told and not (step.event.type == "sessionEnd" and slip.rule in spared):
                yield _found(case, step, slip, last)
            told.update({slip.rule} & set(_ONCE))
        if step.event.type:
            last[step.event.type] = step.event


def _found(case: Case, step: Step, slip: Slip, last: Mapping[str, Event]) -> Found:
    kind = next((kind for kind in _OPENERS if slip.rule.startswith(f"{kind}-")), "")
    opener = last.get(_OPENERS.get(kind, ""))
    opened = f"event {opener.index}" if opener else "an earlier event"
    message = _MESSAGES[slip.rule].format(opened=opened, state=slip.name and quote(slip.name))
    silent = step is case.end and slip.rule != "session-not-closed"
    subject = f"the session goes silent after {name_of(step.event)}" if silent else name_of(step.event)
    more = _count_after(case, slip.rule) if slip.rule in _ONCE else ""
    path = "params.media.state.name" if slip.name and step.event.type != "statesUpdate" else ""
    return Found(slip.rule, step.event, f"{subject}: {message}{more}", path)


def _count_after(case: Case, rule: str) -> str:
    """How many events break a rule of which only the first is told."""
    count = sum(slip.rule == rule for step in case.steps for slip in step.slips)
    return f" ({count} such events)" if count > 1 else ""


def check_play(case: Case) -> Iterator[Found]:
    """no-play: pings or ads, but never a play for the main content."""
    if case.start is None or any(_plays_content(step) for step in case.steps):
        return
    first = next((step.event for step in case.steps if step.event.type in ("ping", "adStart")), None)
    if first:
        message = f"{name_of(first)}: the session never plays main content; expected a play outside an ad break"
        yield Found("no-play", first, message)


def _plays_content(step: Step) -> bool:
    return step.event.type == "play" and step.before.in_main_content


def check_states(case: Case) -> Iterator[Found]:
    """too-many-states and state-name: what names the player states have."""
    limit = case.thresholds.states
    for step in case.steps:
        known = step.after.known_states
        if known is step.before.known_states:
            continue
        for new in sorted(known - step.before.known_states):
            yield from _check_state_name(step.event, new)
        if len(known) > limit >= len(step.before.known_states):
            message = (
                f"{name_of(step.event)}: different state number {len(known)} of the session; expected {limit} at most"
            )
            yield Found("too-many-states", step.event, message)


_STANDARD = {standard.lower(): standard for standard in STANDARD_STATES}


def _check_state_name(event: Event, state: str) -> Iterator[Found]:
    bare = "".join(letter for letter in state if letter.isalnum()).lower()
    standard = _STANDARD.get(bare)
    if standard and state != standard:
        message = f"{name_of(event)}: params.media.state.name is {quote(state)}; expected the standard name {standard}"
        yield Found("state-name", event, message, "params.media.state.name")


CHECKS = (check_moves, check_play, check_states)
