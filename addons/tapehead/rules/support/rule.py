"""What an entry of the catalogue says."""

from typing import NamedTuple

from tapehead.protocol.exchange import Severity


class Rule(NamedTuple):
    """One entry of the catalogue.

    Attributes:
        id: the name that people silence, re-grade and search for; never reused.
        severity: the grade of its findings, unless a finding says otherwise.
        when: when it fires, one sentence.
        why: what it does to the reported numbers.
        fix: what to change in a player.
        bad: a payload or a row of events on which it fires.
        good: the same, mended.
        source: the page of the reference that says so, or what was observed.
        contradictions: where the documents disagree, and what tapehead makes of it; empty if they do not.
        options: the thresholds that tune it.
    """

    id: str
    severity: Severity
    when: str
    why: str
    fix: str
    bad: str
    good: str
    source: str
    contradictions: str = ""
    options: tuple[str, ...] = ()
