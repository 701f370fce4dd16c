"""The diff as JUnit XML: a pair of sessions is a test case, which fails on any difference.

Names are the same in every run: content and player, and the number among the pairs of the same ones.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement

from tapehead.comparison.differences import Diff, Difference, SessionDiff, Verdict
from tapehead.reports.diff.difference_lines import content_of, describe_side
from tapehead.reports.junit_xml import Suite, escape_xml, render_suites
from tapehead.reports.report_wording import plural


def render_junit(diff: Diff) -> Iterator[str]:
    """Yield the parts of the diff as XML; calls outside any session are one test case more, if they differ."""
    tests = len(diff.sessions) + bool(diff.outside)
    failures = tests - diff.count(Verdict.SAME)
    suite = Suite({"name": "tapehead diff"}, tests, failures, cases_of(diff))
    return render_suites("tapehead diff", [suite])


def cases_of(diff: Diff) -> Iterator[Element]:
    """Yield the test cases of a diff."""
    numbers: Counter[tuple[str, str]] = Counter()
    for session in diff.sessions:
        name = content_of(session.session), session.session.player or "session"
        numbers[name] += 1
        case = case_of(name[1], f"{name[0]} #{numbers[name]}", session.differences, session.verdict)
        SubElement(case, "system-out").text = escape_xml("\n".join([describe_pair(session), *session.notes]))
        yield case
    if diff.outside:
        yield case_of("session", "calls outside any session", diff.outside, Verdict.CHANGED)


def case_of(player: str, name: str, differences: Sequence[Difference], verdict: Verdict) -> Element:
    """Return a test case, with its failure unless the verdict is that nothing differs."""
    case = Element("testcase", {"classname": escape_xml(player), "name": escape_xml(name), "time": "0"})
    if verdict is not Verdict.SAME:
        is_pair = verdict is Verdict.CHANGED
        message = plural(len(differences), "difference") if is_pair else f"session {verdict}"
        failure = SubElement(case, "failure", {"type": str(verdict), "message": message})
        failure.text = list_differences(differences)
    return case


def describe_pair(session: SessionDiff) -> str:
    """Return both sessions of a pair in one line: their ids, events, outcomes and places."""
    sides = (side for side in (session.base, session.new) if side)
    return " -> ".join(f"{describe_side(side)}, {side.recording}:{side.line}" for side in sides)


def list_differences(differences: Iterable[Difference]) -> str:
    """Return differences, one a line, with the place of their events."""
    lines = []
    for each in differences:
        event = each.new_event or each.base_event
        place = f"{event.recording}:{event.line}: " if event else ""
        lines.append(f"{place}{each.change} {each.name}: {each.message}")
    return escape_xml("\n".join(lines))
