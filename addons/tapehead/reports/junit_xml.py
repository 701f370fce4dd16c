"""JUnit XML as the reports of audit and diff share it: counts, and the characters that XML can hold."""

import re
from xml.etree.ElementTree import Element, indent, tostring

# Characters that XML 1.0 cannot hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_suites(root: Element) -> str:
    """Render test suites, having counted their cases and failures."""
    for element in (root, *root):
        cases, failures = (str(sum(1 for _ in element.iter(tag))) for tag in ("testcase", "failure"))
        element.attrib.update({"tests": cases, "failures": failures, "errors": "0", "time": "0"})
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def escape_xml(text: str) -> str:
    """Replace the characters that XML cannot hold; markup is escaped when the tree is written."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
