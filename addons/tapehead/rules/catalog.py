"""The catalogue of rules: one entry each, with what it means for the reported numbers and how to fix it.

Ids and severities are a contract with the people who script against them: an id is never reused, wording may change.
Rules of one exchange are in `rules.exchange`; those of the session as a whole in `rules.session` (its life),
`rules.parts` (ads, chapters, states) and `rules.clock` (pings, timestamps, playheads).
"""

from tapehead.protocol.exchange import Finding, Severity
from tapehead.rules.support.rule import Rule
from tapehead.rules.texts_clock import CLOCK_RULES
from tapehead.rules.texts_exchange import EXCHANGE_RULES
from tapehead.rules.texts_parts import PART_RULES
from tapehead.rules.texts_session import SESSION_RULES

__all__ = ["RULES", "Rule", "finding"]

RULES: dict[str, Rule] = {rule.id: rule for rule in (*EXCHANGE_RULES, *SESSION_RULES, *PART_RULES, *CLOCK_RULES)}


def finding(rule: str, path: str, message: str, severity: Severity | None = None) -> Finding:
    """A finding of `rule`, graded as the catalogue says unless `severity` says otherwise.

    Raises:
        KeyError: the catalogue has no such rule.
    """
    return Finding(rule, severity or RULES[rule].severity, path, message)
