"""Findings that only show a fault that the test itself asked for."""

from typing import Protocol

from tapehead.answers import Outcome
from tapehead.rules.cors import CORS_REFUSED
from tapehead.rules.response import NO_LOCATION, NO_RESPONSE, REJECTED, UNEXPECTED_STATUS

# The rules on answers; all others are on what the player sent.
_RULES = frozenset(rule.id for rule in (CORS_REFUSED, NO_LOCATION, NO_RESPONSE, REJECTED, UNEXPECTED_STATUS))
_DELAY = "fault: delay:"


class Origin(Protocol):
    """The origin of an answer, as `Answered` or a row of the journal has it."""

    @property
    def outcome(self) -> str:
        """The kind of answer, as `Outcome`."""

    @property
    def reason(self) -> str:
        """The reason for it."""


def shows_fault(rule: str, answered: Origin | None) -> bool:
    """Return whether a finding is about an answer that a fault gave, which tells nothing about the player.

    Args:
        rule: the rule of the finding.
        answered: the origin of the answer to the call that the finding is on.
    """
    if rule not in _RULES or answered is None or answered.outcome != Outcome.FAULT:
        return False
    return not answered.reason.startswith(_DELAY)  # the answer itself was the endpoint's
