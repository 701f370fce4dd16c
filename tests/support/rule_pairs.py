"""Sessions that fire a rule of the session, each with its nearest neighbour that does not."""

import inspect
import re
from collections import Counter
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

from support.paths import DATA
from support.sessions import BEGIN_MS, START, Timeline, body_of
from tapehead.protocol.routes import Call
from tapehead.rules.catalog import RULES, SESSION_CHECKS
from tapehead.rules.values import CLOCK_SKEW

MINUTE, HOUR = 60, 3600
# Rules whose findings have other grades than the catalogue's, which is the worst.
GRADED = {line.split()[0] for line in (DATA / "rule_ids.txt").read_text().splitlines() if "/" in line.split()[1]} | {
    "metadata-key",
    "bad-value",
}
# clock-skew is tried with the rules of one exchange.
SESSION_IDS = {rule.id for check in SESSION_CHECKS for rule in check.rules} - {CLOCK_SKEW.id}


class Pair(NamedTuple):
    """A session in which `rule` fails in one place, and one that is like it and fine."""

    rule: str
    bad: Timeline
    good: Timeline

    def check(self) -> None:
        """Fail unless the rule fires once in the bad session, and not in the good one."""
        assert Counter(self.bad.rules())[self.rule] == 1
        assert self.rule not in self.good.rules()


def check_family(module: ModuleType, pairs: Iterable[Pair]) -> None:
    """Fail unless `pairs` try every rule of the session in `module`, and findings have the grade of the catalogue."""
    assigned = re.findall(r"^([A-Z_]+) = Rule\(", inspect.getsource(module), re.MULTILINE)
    assert {pair.rule for pair in pairs} == {getattr(module, name).id for name in assigned} & SESSION_IDS
    findings = [each for pair in pairs for result in pair.bad.audit() for each in result.findings]
    # What a finding is graded by is tried with its rule.
    assert all(each.severity is RULES[each.rule].severity for each in findings if each.rule not in GRADED)


def timeline() -> Timeline:
    """Return a timeline that has begun."""
    return Timeline().start()


def row(*event_types: str) -> Timeline:
    """Return a timeline with these events, five seconds apart."""
    return Timeline().row(*event_types)


def array(*event_types: str, call: Call = Call.DOWNLOADED, step: float = 50, **params: Any) -> Timeline:
    """Return a timeline of one request that holds these events, `step` seconds apart."""
    start = START | {f"media.{key}": value for key, value in params.items()}
    bodies = [
        body_of(name, index * step, BEGIN_MS + index * step * 1000, start if name == "sessionStart" else None)
        for index, name in enumerate(event_types)
    ]
    return Timeline(sid=None).raw(bodies, call, status=201)
