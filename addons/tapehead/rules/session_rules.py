"""The rules of the session as a whole: each module has those of one concern, `check_session` asks them all."""

from collections.abc import Callable, Iterator

from tapehead.rules import ads, delivery, lifecycle, pings, player_states, playhead, timeouts, timestamps
from tapehead.rules.support.session_view import RuleHit, SessionView

Check = Callable[[SessionView], Iterator[RuleHit]]

FAMILIES = (delivery, lifecycle, player_states, ads, timestamps, timeouts, pings, playhead)
CHECKS: tuple[Check, ...] = tuple(check for family in FAMILIES for check in family.CHECKS)


def check_session(case: SessionView) -> Iterator[RuleHit]:
    """Every place where a rule of the session fails."""
    for check in CHECKS:
        yield from check(case)
