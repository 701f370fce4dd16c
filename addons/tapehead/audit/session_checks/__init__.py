"""The rules of the session as a whole: each module has those of one concern, `check_session` asks them all."""

from collections.abc import Callable, Iterator

from tapehead.audit.case import Case, Found
from tapehead.audit.session_checks import delivery, moves, parts, playheads, times

Check = Callable[[Case], Iterator[Found]]

CHECKS: tuple[Check, ...] = (*delivery.CHECKS, *moves.CHECKS, *parts.CHECKS, *times.CHECKS, *playheads.CHECKS)


def check_session(case: Case) -> Iterator[Found]:
    """Every place where a rule of the session fails."""
    for check in CHECKS:
        yield from check(case)
