"""The report as JUnit XML: a recording is a test suite, a session a test case.

No document defines the format; this is what Jenkins' schema and those derived from it allow. A test case has one
failure at most, since many readers show no more; it lists everything that fails the session.
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tapehead.reports.audit.json_report import Report, fails
from tapehead.reports.report_wording import plural, title_of

# What XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(report: Report, fail_on: str) -> str:
    """The report as XML; findings as bad as `fail_on` (a severity or `never`) are failures, others are told."""
    suites: dict[str, list[dict[str, Any]]] = {}
    for session in report["sessions"]:
        suites.setdefault(session["recording"], []).append(session)
    root = Element("testsuites", {"name": "tapehead audit"})
    for recording, sessions in suites.items():
        _add_suite(root, recording, sessions, fail_on)
    _count(root)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _add_suite(root: Element, recording: str, sessions: list[dict[str, Any]], fail_on: str) -> None:
    # Times in XML Schema have no zone here: readers of the format take none.
    suite = SubElement(root, "testsuite", {"name": _clean(recording), "timestamp": sessions[0]["started"][:19]})
    for session in sessions:
        _add_case(suite, session, fail_on)
    _count(suite)


def _count(element: Element) -> None:
    failures = str(sum(1 for _ in element.iter("failure")))
    counts = {"tests": str(sum(1 for _ in element.iter("testcase"))), "failures": failures, "errors": "0"}
    element.attrib.update(counts | {"time": "0"})


def _add_case(suite: Element, session: Mapping[str, Any], fail_on: str) -> None:
    name = f"{title_of(session)} [{session['id'] or 'line ' + str(_line_of(session))}]"
    attributes = {"classname": _clean(session["player"] or "session"), "name": _clean(name), "time": "0"}
    case = SubElement(suite, "testcase", attributes)
    failing = [finding for finding in session["findings"] if fails(finding, fail_on)]
    others = [finding for finding in session["findings"] if not fails(finding, fail_on)]
    if failing:
        _add_failure(case, session, failing)
    if others:
        SubElement(case, "system-out").text = _told(session, others)


def _line_of(session: Mapping[str, Any]) -> int:
    return min((finding["line"] for finding in session["findings"]), default=0)


def _add_failure(case: Element, session: Mapping[str, Any], findings: list[dict[str, Any]]) -> None:
    first = findings[0]
    more = f" (and {plural(len(findings) - 1, 'more finding')})" if len(findings) > 1 else ""
    failure = SubElement(case, "failure", {"type": first["rule"], "message": _clean(f"{first['message']}{more}")})
    failure.text = _told(session, findings)


def _told(session: Mapping[str, Any], findings: list[dict[str, Any]]) -> str:
    """Findings, one a line, in the form that editors and CI servers find places in."""
    lines = (
        f"{finding.get('recording', session['recording'])}:{finding['line']}: "
        f"{finding['severity']} {finding['rule']}: {finding['message']}"
        for finding in findings
    )
    return _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
