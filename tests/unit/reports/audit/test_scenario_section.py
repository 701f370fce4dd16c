"""The section on scenarios in the report for a terminal."""

import pytest

from support import reports
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.scenario_catalog import SCENARIOS
from tapehead.protocol.exchange import Entry
from tapehead.reports.audit.json_report import Report
from tapehead.reports.audit.scenario_section import checklists_of, passes, render_scenarios, scenario_list
from tapehead.reports.terminal_text import TextStyle


def report_on(*names: str) -> Report:
    """The part of a report that the section needs, for a session of many mistakes."""
    entries = [Entry(line, each, "a.jsonl") for line, each in enumerate(reports.faulty("a" * 64), start=1)]
    scenarios = [SCENARIOS[name] for name in names]
    rows = [result.report() | checklists_of(result, scenarios) for result in audit(entries)]
    return {"sessions": rows}


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [40, 80])
def test_no_line_is_wider_than_the_screen(width: int, verbose: bool) -> None:
    text = "".join(render_scenarios(report_on(*SCENARIOS), TextStyle(width, verbose=verbose)))

    assert max(map(len, text.splitlines())) <= width
    assert [line.split(":")[0] for line in text.splitlines() if line.startswith("scenario ")] == [
        f"scenario {name}" for name in SCENARIOS
    ]


def test_colour_comes_only_where_it_is_wanted() -> None:
    plain, coloured = (
        "".join(render_scenarios(report_on("ads"), TextStyle(80, colour=colour))) for colour in (False, True)
    )

    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured


def test_a_report_passes_if_all_its_sessions_do() -> None:
    passed, failed = {"scenarios": [{"passed": True}]}, {"scenarios": [{"passed": True}, {"passed": False}]}

    assert passes({"sessions": [passed, passed, {}]})
    assert not passes({"sessions": [passed, failed]})
    assert not passes({"sessions": [{}]})
    assert not passes({"sessions": []})


def test_the_list_names_each_scenario_on_a_line() -> None:
    assert scenario_list().splitlines()[0] == (
        "standard-playback  Play content, pause it for 30 seconds, and watch it to its end."
    )
