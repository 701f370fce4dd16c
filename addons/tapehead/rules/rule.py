"""What an entry of the catalogue says."""

from typing import NamedTuple

from tapehead.exchange import Severity


class Rule(NamedTuple):
    """One entry of the catalogue.

    Attributes:
        id: the name that people silence, re-grade and search for; never reused.
        severity: the grade of its findings, unless a finding says otherwise.
        when: when it fires, one sentence.
        why: what it does to the reported numbers.
        fix: what to change in a player.
        source: the page of the reference that says so, or what was observed.
    """

    id: str
    severity: Severity
    when: str
    why: str
    fix: str
    source: str
