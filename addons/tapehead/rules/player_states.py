"""Rules on player states: names, and how many a session may have."""

from collections.abc import Iterator

from tapehead.protocol.events import Event
from tapehead.protocol.parameters import STANDARD_STATES
from tapehead.rules.support.session_view import RuleHit, SessionView, name_of
from tapehead.text import quote


def check_states(case: SessionView) -> Iterator[RuleHit]:
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
            yield RuleHit("too-many-states", step.event, message)


_STANDARD = {standard.lower(): standard for standard in STANDARD_STATES}


def _check_state_name(event: Event, state: str) -> Iterator[RuleHit]:
    bare = "".join(letter for letter in state if letter.isalnum()).lower()
    standard = _STANDARD.get(bare)
    if standard and state != standard:
        message = f"{name_of(event)}: params.media.state.name is {quote(state)}; expected the standard name {standard}"
        yield RuleHit("state-name", event, message, "params.media.state.name")


CHECKS = (check_states,)
