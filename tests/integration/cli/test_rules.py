"""The command `rules`: the list of rules, and the explanation of one."""

import pytest

from tapehead.cli.app import run
from tapehead.rules.catalog import RULES


def test_rules_lists_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()[1:] if not line.startswith(" ")] == list(RULES)


def test_rules_explains_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", "ad-outside-break"]) == 0
    told = capsys.readouterr().out
    for title in ("Why it matters", "How to fix it", "Wrong", "Right", "Source"):
        assert f"\n{title}\n" in told


@pytest.mark.parametrize(
    ("rule", "hint"),
    [("ad-outside-brake", "did you mean ad-outside-break?"), ("xyzzy", "tapehead rules lists them")],
)
def test_an_unknown_rule_gets_the_nearest(rule: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rules", rule]) == 2
    assert capsys.readouterr().err == f"tapehead: unknown rule '{rule}'; {hint}\n"
