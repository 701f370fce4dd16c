"""The types of rules: a catalogue entry, and one place in a session where a rule fails."""

from typing import NamedTuple

import msgspec

from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Finding, Severity


class Rule(msgspec.Struct, frozen=True, eq=False, kw_only=True):
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
        once: whether one finding a session says all, where each of its exchanges may break the rule.
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
    once: bool = False

    def finding(self, path: str, message: str, severity: Severity | None = None) -> Finding:
        """Return a finding in one exchange, at `path` in its body; the severity is the rule's unless given."""
        return Finding(self.id, severity or self.severity, path, message)

    def hit(self, event: Event, message: str, path: str = "", severity: Severity | None = None) -> "RuleHit":
        """Return a hit at an event of a session; the severity is the rule's unless given."""
        return RuleHit(self, event, message, path, severity or self.severity)


class RuleHit(NamedTuple):
    """A place where a rule of the session failed.

    Attributes:
        rule: the rule.
        event: the event at that place.
        message: what is wrong, without the place.
        path: the place in the event's body; empty for the event as a whole.
        severity: the grade before settings change it.
    """

    rule: Rule
    event: Event
    message: str
    path: str
    severity: Severity


def sections_of(rule: Rule) -> list[tuple[str, str]]:
    """Return the parts of a rule's explanation, each with its title; empty ones left out."""
    sections = [
        ("Why it matters", rule.why),
        ("How to fix it", rule.fix),
        ("Wrong", rule.bad),
        ("Right", rule.good),
        ("Where the documents disagree", rule.contradictions),
        ("Thresholds that tune it", ", ".join(rule.options)),
        ("Source", rule.source),
    ]
    return [(title, text) for title, text in sections if text]
