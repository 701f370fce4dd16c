"""The report as JUnit XML: a recording is a test suite, a session a test case; a run may have a case of its own.

No document defines the format; this is the subset that Jenkins' schema and those derived from it allow. A test case has
one failure at most, since many readers show no more; it lists everything that fails the session.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement

from tapehead.reports.audit.json_report import Report, fails
from tapehead.reports.junit_xml import Suite, escape_xml, render_suites
from tapehead.reports.report_wording import plural, title_of


class RunCase(NamedTuple):
    """The test case of a run: its name, what failed besides findings, and what else is to be said, a line each."""

    name: str
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def render_junit(report: Report, fail_on: str, run: RunCase | None = None) -> Iterator[str]:
    """Yield the parts of the report as XML; findings as severe as `fail_on` (a severity or `never`) are failures."""
    sessions: Sequence[dict[str, Any]] = report["sessions"]
    # Of each recording the places of its sessions, and how many of them fail.
    places: dict[str, array[int]] = {}
    failures: Counter[str] = Counter()
    for place, session in enumerate(sessions):
        places.setdefault(session["recording"], array("L")).append(place)
        failures[session["recording"]] += any(fails(finding, fail_on) for finding in session["findings"])
    suites = [Suite({"name": "tapehead"}, 1, int(bool(run.problems)), [run_case(run)])] if run else []
    for recording, own in places.items():
        # Times in XML Schema have no zone here: readers of the format take none.
        named = {"name": escape_xml(recording), "timestamp": sessions[own[0]]["started"][:19]}
        cases = (test_case(sessions[place], fail_on) for place in own)
        suites.append(Suite(named, len(own), failures[recording], cases))
    return render_suites("tapehead audit", suites)


def run_case(run: RunCase) -> Element:
    """Return the test case of a run."""
    case = Element("testcase", {"classname": "tapehead", "name": escape_xml(run.name), "time": "0"})
    if run.problems:
        failure = SubElement(case, "failure", {"type": "run", "message": escape_xml("; ".join(run.problems))})
        failure.text = escape_xml("\n".join(run.problems))
    if run.notes:
        SubElement(case, "system-out").text = escape_xml("\n".join(run.notes))
    return case


def test_case(session: Mapping[str, Any], fail_on: str) -> Element:
    """Return the test case of a session, with findings that fail it in a failure and the others as output.

    Its name is the same in every run: content and number, by time, among the sessions of that content and player.
    """
    name = f"{title_of(session)} #{session['number']}"
    named = {"classname": escape_xml(session["player"] or "session"), "name": escape_xml(name), "time": "0"}
    case = Element("testcase", named)
    failing = [finding for finding in session["findings"] if fails(finding, fail_on)]
    others = [finding for finding in session["findings"] if not fails(finding, fail_on)]
    if failing:
        more = f" (and {plural(len(failing) - 1, 'more finding')})" if len(failing) > 1 else ""
        message = escape_xml(f"{failing[0]['message']}{more}")
        failure = SubElement(case, "failure", {"type": failing[0]["rule"], "message": message})
        failure.text = list_findings(session, failing)
    about = escape_xml(f"session {session['id'] or 'without id'} in {', '.join(session['recordings'])}")
    SubElement(case, "system-out").text = "\n".join([about, list_findings(session, others)]).rstrip()
    return case


def list_findings(session: Mapping[str, Any], findings: list[dict[str, Any]]) -> str:
    """Return findings, one a line, in the form in which editors and CI servers recognise places."""
    lines = (
        f"{finding.get('recording', session['recording'])}:{finding['line']}: "
        f"{'' if finding.get('new', True) else 'known '}{finding['severity']} {finding['rule']}: {finding['message']}"
        for finding in findings
    )
    return escape_xml("\n".join(lines))
