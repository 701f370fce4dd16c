"""Rules on player states: what starts and ends them, their names, and how many a session may have."""

from tapehead.protocol import keys
from tapehead.protocol.exchange import Severity
from tapehead.protocol.parameters import STANDARD_SPELLINGS, STANDARD_STATES, STATE_NAME_PATTERN
from tapehead.protocol.session_machine import Step
from tapehead.protocol.transitions import ViolationKind
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView, name_of
from tapehead.rules.support.violations import ViolationRule, check_violations
from tapehead.text import quote

_STATE_EVENTS = ("stateStart", "stateEnd", "statesUpdate")
_STANDARD = {standard.lower(): standard for standard in STANDARD_STATES}


STATE_NOT_OPEN = Rule(
    id="state-not-open",
    severity=Severity.WARNING,
    when="A stateEnd came for a state that is not open.",
    why="It ends nothing; the state's time is not counted.",
    fix="Send stateStart first, with the same name.",
    bad="stateEnd mute",
    good="stateStart mute, stateEnd mute",
    source="Reference: player state, overview",
)


STATE_ALREADY_OPEN = Rule(
    id="state-already-open",
    severity=Severity.WARNING,
    when="A stateStart came for a state that is open.",
    why="The state's count goes up without a change, and its time is a guess.",
    fix="Send stateStart only when the player goes into the state.",
    bad="stateStart mute, stateStart mute",
    good="stateStart mute, stateEnd mute, stateStart mute",
    source="Reference: player state, overview",
)

VIOLATIONS = {
    ViolationKind.STATE_NOT_OPEN: ViolationRule(
        STATE_NOT_OPEN, f"params.{keys.STATE_NAME}: the state {{state}} is not open; expected stateStart before it"
    ),
    ViolationKind.STATE_ALREADY_OPEN: ViolationRule(
        STATE_ALREADY_OPEN,
        f"params.{keys.STATE_NAME}: the state {{state}} is open already; expected stateEnd before it",
    ),
}


@step_check(*(row.rule for row in VIOLATIONS.values()), types=("sessionEnd",), violations=True)
def check_switches(session: SessionView, report: Report) -> StepCheck:
    """Report player states that are started or ended twice."""
    return check_violations(session, report, VIOLATIONS)


TOO_MANY_STATES = Rule(
    id="too-many-states",
    severity=Severity.WARNING,
    when="An eleventh different state came in one session.",
    why="Only the first ten different states of a session are kept.",
    fix="Track ten states at most; put changing details into customMetadata.",
    bad="stateStart with eleven different names",
    good="stateStart with ten different names, as often as need be",
    source="Reference: player state, overview",
    options=("states",),
)


@step_check(TOO_MANY_STATES, types=_STATE_EVENTS)
def check_number(session: SessionView, report: Report) -> StepCheck:
    """Report the event with one player state more than a session may have."""
    limit = session.thresholds.states
    while step := (yield):
        number = len(step.after.known_states)
        if number > limit >= len(step.before.known_states):
            message = f"{name_of(step.event)}: different state number {number} of the session; expected {limit} at most"
            report(TOO_MANY_STATES.hit(step.event, message))
            return


STATE_NAME = Rule(
    id="state-name",
    severity=Severity.INFO,
    when="A state's name differs from a standard one only by case or separators.",
    why="It may be reported as a custom state, next to the standard one.",
    fix="Send fullScreen, closedCaptioning, mute, pictureInPicture or inFocus.",
    bad="stateStart full_screen",
    good="stateStart fullScreen",
    source="Reference: player state, overview",
    contradictions=(
        "fullScreen in the samples and in the SDK for Android, fullscreen on other pages and in the SDKs for "
        "JavaScript, iOS and Chromecast: both are fine."
    ),
)


def new_names(step: Step) -> list[str]:
    """Return the names of states that a step is the first to have."""
    before, after = step.before.known_states, step.after.known_states
    return [] if after is before else sorted(after - before)


@step_check(STATE_NAME, types=_STATE_EVENTS)
def check_names(_session: SessionView, report: Report) -> StepCheck:
    """Report names that differ from a standard one in case or punctuation."""
    path = f"params.{keys.STATE_NAME}"
    while step := (yield):
        for name in new_names(step):
            standard = _STANDARD.get("".join(letter for letter in name if letter.isalnum()).lower())
            if standard and name not in (standard, *STANDARD_SPELLINGS):
                message = f"{name_of(step.event)}: {path} is {quote(name)}; expected the standard name {standard}"
                report(STATE_NAME.hit(step.event, message, path))


STATE_FORMAT = Rule(
    id="state-format",
    severity=Severity.WARNING,
    when="A state's name has other characters than letters, digits, _ and ., or more than 64.",
    why="The vendor's SDKs refuse such a name; no report promises to show it.",
    fix="Name states with letters, digits, _ and . only.",
    bad='stateStart "picture in picture"',
    good='stateStart "pictureInPicture"',
    source="Observed: sources of the vendor's SDKs, StateInfo",
)


@step_check(STATE_FORMAT, types=_STATE_EVENTS)
def check_format(_session: SessionView, report: Report) -> StepCheck:
    """Report each name once that the vendor's SDKs would refuse; an empty one is for the schema."""
    path = f"params.{keys.STATE_NAME}"
    while step := (yield):
        for name in new_names(step):
            if name and not STATE_NAME_PATTERN.fullmatch(name):
                message = f"{name_of(step.event)}: {path} is {quote(name)}"
                message += "; expected 1 to 64 letters, digits, _ and ."
                report(STATE_FORMAT.hit(step.event, message, path))


STATES_UPDATE_UNDOCUMENTED = Rule(
    id="states-update-undocumented",
    severity=Severity.INFO,
    when="A statesUpdate came.",
    why="The endpoint's own reference does not list it: whether the states count is not promised.",
    fix="Send one stateStart or stateEnd for each state.",
    bad='statesUpdate "statesStart": [{"media.state.name": "mute"}]',
    good="stateStart mute",
    source="Reference: events request of the collection APIs, which lists nineteen types",
    contradictions="The overview of player states has samples of it; no SDK of the vendor sends it here.",
)


@step_check(STATES_UPDATE_UNDOCUMENTED, types=("statesUpdate",))
def check_updates(_session: SessionView, report: Report) -> StepCheck:
    """Report the first statesUpdate of a session."""
    if step := (yield):
        message = "statesUpdate: only the overview of player states names this type; expected stateStart or stateEnd"
        report(STATES_UPDATE_UNDOCUMENTED.hit(step.event, message))
