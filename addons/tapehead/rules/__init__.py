"""The catalogue of rules: one entry each, with what it means for the reported numbers and how to fix it.

Ids and severities are a contract with the people who script against them: an id is never reused, wording may change.
Rules of one exchange are in `rules.exchange`.
"""

from tapehead.exchange import Finding, Severity
from tapehead.rules.exchange import EXCHANGE_RULES
from tapehead.rules.rule import Rule

__all__ = ["RULES", "Rule", "finding"]

RULES: dict[str, Rule] = {rule.id: rule for rule in EXCHANGE_RULES}


def finding(rule: str, path: str, message: str, severity: Severity | None = None) -> Finding:
    """A finding of `rule`, graded as the catalogue says unless `severity` says otherwise.

    Raises:
        KeyError: the catalogue has no such rule.
    """
    return Finding(rule, severity or RULES[rule].severity, path, message)
