"""JUnit XML as the reports of audit and diff share it: counts, and the characters that XML can hold."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, indent, tostring

# Characters that XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Suite(NamedTuple):
    """A test suite: its attributes, the number of its cases and of those that fail, and the cases."""

    attributes: Mapping[str, str]
    tests: int
    failures: int
    cases: Iterable[Element]


def render_suites(name: str, suites: Sequence[Suite]) -> Iterator[str]:
    """Yield the parts of test suites, a case at a time."""
    failures, tests = sum(suite.failures for suite in suites), sum(suite.tests for suite in suites)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield _opening("testsuites", {"name": name}, tests, failures, is_empty=not suites)
    for suite in suites:
        is_empty = not suite.tests
        yield f"\n  {_opening('testsuite', suite.attributes, suite.tests, suite.failures, is_empty=is_empty)}"
        for case in suite.cases:
            indent(case, level=2)
            yield f"\n    {tostring(case, encoding='unicode')}"
        yield "" if is_empty else "\n  </testsuite>"
    yield "\n</testsuites>\n" if suites else "\n"


def _opening(tag: str, attributes: Mapping[str, str], tests: int, failures: int, *, is_empty: bool) -> str:
    counted = {"tests": str(tests), "failures": str(failures), "errors": "0", "time": "0"}
    whole = tostring(Element(tag, {**attributes, **counted}), encoding="unicode")
    return whole if is_empty else f"{whole.removesuffix(' />')}>"


def escape_xml(text: str) -> str:
    """Replace the characters that XML cannot hold; markup is escaped when the tree is written."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
