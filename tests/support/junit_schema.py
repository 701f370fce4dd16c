"""The schema that Jenkins publishes for readers of JUnit files: elements, attributes, counts."""

import re
from xml.etree.ElementTree import Element

# Of each element: the attributes it must have, those it may have, and its children.
_FORMAT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name", "classname"},
        {"assertions", "time", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}
_COUNTS = {"tests": "testcase", "failures": "failure", "errors": "error"}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def violations_in(element: Element) -> list[str]:
    """Return what is wrong with an element and all below it."""
    if element.tag not in _FORMAT:
        return [f"<{element.tag}> is unknown"]
    needed, allowed, children = _FORMAT[element.tag]
    found = [f"<{element.tag}> lacks {name}" for name in needed - set(element.attrib)]
    found += [f"<{element.tag}> has {name}" for name in set(element.attrib) - needed - allowed]
    found += [f"<{element.tag}> holds <{child.tag}>" for child in element if child.tag not in children]
    return found + _values(element) + [each for child in element for each in violations_in(child)]


def _values(element: Element) -> list[str]:
    found = []
    for name, counted in _COUNTS.items():
        if name in element.attrib and int(element.attrib[name]) != sum(1 for _ in element.iter(counted)):
            found.append(f"<{element.tag}> counts {element.attrib[name]} {name}")
    if not re.fullmatch(r"\d+(\.\d+)?", element.attrib.get("time", "0")):
        found.append(f"<{element.tag}> has no number as its time")
    if "timestamp" in element.attrib and not _TIMESTAMP.fullmatch(element.attrib["timestamp"]):
        found.append(f"<{element.tag}> has a timestamp that is none")
    return found
