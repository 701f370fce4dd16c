"""Findings that only show a fault that the test itself asked for."""

import pytest

from tapehead.protocol.exchange import Answered
from tapehead.pytest_plugin.asked_faults import shows_fault


@pytest.mark.parametrize("rule", ["cors-refused", "no-location", "no-response", "rejected", "unexpected-status"])
@pytest.mark.parametrize("effect", ["410", "503+delay:5", "drop+delay:5", "cut", "cut+delay:5"])
def test_an_answer_that_a_fault_gave_is_its_own(rule: str, effect: str) -> None:
    assert shows_fault(rule, Answered("fault", f"fault: {effect}", "key"))


@pytest.mark.parametrize(
    ("rule", "answered"),
    [
        ("rejected", None),
        ("rejected", Answered("simulated")),
        ("rejected", Answered("miss", "fault: 410")),
        ("rejected", Answered("fault", "fault: delay:5")),
        ("kept-sending", Answered("fault", "fault: 410")),
        ("missing-parameter", Answered("fault", "fault: 400")),
    ],
)
def test_other_findings_are_those_of_the_player(rule: str, answered: Answered | None) -> None:
    assert not shows_fault(rule, answered)
