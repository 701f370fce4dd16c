"""The catalogue: its ids and grades are the contract, and every entry is complete."""

import ast
from collections.abc import Iterator, Set
from pathlib import Path

import msgspec
import pytest

from docs.rule_pages import render_catalogue
from support.paths import DATA, ROOT
from support.rule_pairs import SESSION_IDS
from support.sessions import Timeline
from tapehead.auditor.settings import read_settings
from tapehead.protocol.exchange import Severity
from tapehead.reports.rule_text import render_rules
from tapehead.reports.terminal_text import TextStyle
from tapehead.rules import catalog
from tapehead.rules.catalog import RULES
from tapehead.rules.support.rule import Rule
from tapehead.rules.support.session_check import Report, StepCheck, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.thresholds import Thresholds

PACKAGE = ROOT / "addons" / "tapehead"
# The contract: one rule a line, with its grade; of two grades the worse one is the catalogue's.
CONTRACT = dict(line.split() for line in (DATA / "rule_ids.txt").read_text().splitlines())
LETTERS = {"E": Severity.ERROR, "W": Severity.WARNING, "I": Severity.INFO}
GRADES = LETTERS | {grades: LETTERS[grades[-1]] for grades in ("I/W", "I/E", "W/E", "I/W/E")}
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


# ---- Where rules are ----


def test_no_rule_is_named_by_its_id_outside_its_definition() -> None:
    """A header and an outcome have the same names as rules."""
    names = RULES.keys() - {"content-type", "rejected"}
    assert [place for path in PACKAGE.rglob("*.py") for place in places_of_ids(path, names)] == []


def places_of_ids(path: Path, ids: Set[str]) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    rules = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Rule"]
    own = {id(node) for call in rules for node in ast.walk(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and str(node.value) in ids and id(node) not in own:
            yield f"{path}:{node.lineno}: {node.value!r}"


def test_every_rule_of_a_session_is_in_a_family_with_pairs() -> None:
    """`check_family` compares each family's pairs with its rules."""
    families = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    tried = "".join((PACKAGE / "rules" / f"{name}.py").read_text() for name in families - {"catalog", "body_extended"})
    assert [name for name in SESSION_IDS if f'id="{name}"' not in tried] == []


# ---- A new rule: one function and one entry ----

LONELY_PING = Rule(
    id="lonely-ping",
    severity=Severity.INFO,
    when="A session has a single ping.",
    why="It is a test.",
    fix="Send two.",
    bad="ping",
    good="ping, ping",
    source="Observed: in this test",
)


@step_check(LONELY_PING, types=("ping",))
def check_lonely_ping(_session: SessionView, report: Report) -> StepCheck:
    pings = []
    while step := (yield):
        pings.append(step.event)
    if len(pings) == 1:
        report(LONELY_PING.hit(pings[0], "ping: it is alone"))


def test_a_rule_that_is_added_is_known_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, LONELY_PING.id, LONELY_PING)
    monkeypatch.setattr(catalog, "SESSION_CHECKS", [*catalog.SESSION_CHECKS, check_lonely_ping])
    timeline = Timeline().row("play", "ping", "sessionEnd")

    (result,) = timeline.audit()
    assert [(found.rule, found.severity, found.message) for found in result.findings] == [
        ("lonely-ping", Severity.INFO, "ping: it is alone (event 2, 10.0 s in)")
    ]
    assert timeline.rules(read_settings({"rules": {"lonely-ping": "off"}})) == []
    assert "### lonely-ping\n\ninfo: A session has a single ping." in render_catalogue()
    assert "lonely-ping" in render_rules(TextStyle())
