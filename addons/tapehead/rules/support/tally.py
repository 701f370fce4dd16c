"""Hits that have one cause, reported as one."""

from collections.abc import Iterator

from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_check import Report, report_all
from tapehead.rules.support.session_view import SessionView


class Tally:
    """The first of several hits with one cause, and their number.

    Args:
        session: the session, whose hit is pending until it is reported.
        noun: the plural of what is counted, for the end of the message.
    """

    def __init__(self, session: SessionView, noun: str) -> None:
        self._noun = noun
        self._first: RuleHit | None = None
        self._number = 0
        session.pending.append(self._hits)

    def add(self, hit: RuleHit) -> None:
        """Count a hit."""
        self._first = self._first or hit
        self._number += 1

    def report(self, report: Report) -> None:
        """Report the first hit, if any, with the number of all."""
        report_all(self._hits(), report)

    def _hits(self) -> Iterator[RuleHit]:
        if self._first is None:
            return
        more = f" ({self._number} such {self._noun})" if self._number > 1 else ""
        yield self._first._replace(message=f"{self._first.message}{more}")
