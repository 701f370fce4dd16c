"""The catalogue: its ids and grades are the contract, and every entry is complete."""

import msgspec
import pytest

from support.paths import DATA
from tapehead.protocol.exchange import Severity
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.thresholds import Thresholds

# The contract: one rule a line, with its grade; of two grades the worse one is the catalogue's.
CONTRACT = dict(line.split() for line in (DATA / "rule_ids.txt").read_text().splitlines())
GRADES = {"E": Severity.ERROR, "W": Severity.WARNING, "I": Severity.INFO, "W/E": Severity.ERROR}
LIMITS = {field.encode_name for field in msgspec.structs.fields(Thresholds)}


def test_catalogue_is_the_contract() -> None:
    assert {rule.id: rule.severity for rule in RULES.values()} == {name: GRADES[g] for name, g in CONTRACT.items()}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_entries_are_complete(rule: Rule) -> None:
    for text in (rule.when, rule.why, rule.fix):
        assert text.endswith(".")
    assert rule.bad
    assert rule.good
    assert rule.bad != rule.good
    assert rule.source.startswith(("Reference: ", "Observed: "))
    assert not rule.contradictions or rule.contradictions.endswith(".")


def test_options_are_the_limits_that_exist() -> None:
    assert {option for rule in RULES.values() for option in rule.options} == LIMITS
