"""Hits that have one cause, reported as one."""

from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_check import Report


class Tally:
    """The first of several hits with one cause, and their number.

    Args:
        noun: the plural of what is counted, for the end of the message.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._first: RuleHit | None = None
        self._number = 0

    def add(self, hit: RuleHit) -> None:
        """Count a hit."""
        self._first = self._first or hit
        self._number += 1

    def report(self, report: Report) -> None:
        """Report the first hit, if any, with the number of all."""
        if self._first:
            more = f" ({self._number} such {self._noun})" if self._number > 1 else ""
            report(self._first._replace(message=f"{self._first.message}{more}"))
