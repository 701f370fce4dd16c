"""Checklists of scenarios: added to the sessions of a report, and rendered for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from tapehead.auditor.results import SessionResult
from tapehead.auditor.scenario_catalog import SCENARIOS
from tapehead.auditor.scenarios import Scenario, StepStatus, check_scenario
from tapehead.reports.audit.json_report import Report
from tapehead.reports.audit.totals import PARTIAL
from tapehead.reports.report_wording import moment, short_id, title_of
from tapehead.reports.terminal_text import TextStyle, make_table, render, safe_text

COLOURS = {StepStatus.SHOWN: "green", StepStatus.WRONG: "red", StepStatus.MISSING: "red"}


def checklists_of(result: SessionResult, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """Return the checklists of a session as the report has them; nothing for what is no session of its own."""
    if not scenarios or not result.steps or result.outcome in PARTIAL:
        return {}
    checked = (check_scenario(scenario, result.steps) for scenario in scenarios)
    return {"scenarios": [msgspec.to_builtins(each) for each in checked]}


def passes(report: Report) -> bool:
    """Return whether there is a session, and each session shows every step of its scenarios."""
    passed = {each["passed"] for session in report["sessions"] for each in session.get("scenarios", [])}
    return passed == {True}


def render_scenarios(report: Report, style: TextStyle) -> Iterator[str]:
    """Yield the checklists of all sessions as text; those that a session passes in one line, unless verbose."""
    has_checklists = False
    for session in report["sessions"]:
        for checklist in session.get("scenarios", []):
            has_checklists = True
            yield render(checklist_parts(session, checklist, verbose=style.verbose), style)
    if not has_checklists:
        yield "no session to check for a scenario\n"


def checklist_parts(
    session: Mapping[str, Any], checklist: Mapping[str, Any], *, verbose: bool
) -> Iterator[RenderableType]:
    """Yield a checklist: its totals, then its steps, what is wrong below each."""
    steps = checklist["steps"]
    shown = sum(step["status"] == StepStatus.SHOWN for step in steps)
    yield Text.assemble(
        (f"scenario {checklist['scenario']}: ", "bold"),
        (f"{shown} of {len(steps)} steps shown", "green" if checklist["passed"] else "red"),
        safe_text(f"  {short_id(session['id'])}  {title_of(session)}", "dim"),
    )
    if not checklist["passed"] or verbose:
        table = make_table()
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for step in steps:
            place = ("", "") if step["event"] is None else (f"event {step['event']}", moment(step["seconds"]))
            status, text = Text(step["status"], COLOURS[StepStatus(step["status"])]), Text(step["title"])
            if step["detail"]:
                text.append("\n").append_text(safe_text(step["detail"], "dim"))
            table.add_row(status, *(Text(each, "dim") for each in place), text)
        yield Padding(table, (0, 0, 0, 2))
    yield Text()


def scenario_list() -> str:
    """Return the names of all scenarios, each with what a tester does."""
    width = max(map(len, SCENARIOS))
    return "".join(f"{name:{width}}  {scenario.title}\n" for name, scenario in SCENARIOS.items())
