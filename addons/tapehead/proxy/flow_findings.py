"""Findings on the flows of a mitmproxy tool: marks and comments.

What a call alone shows is there with its answer; what its session shows comes from the journal, by `journal_marks`.
"""

import re
from typing import NamedTuple
from weakref import WeakKeyDictionary

from mitmproxy import http

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.schemas import Schemas
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import capture, route_of
from tapehead.recording.capture import build_exchange
from tapehead.recording.writer import LARGE_BYTES
from tapehead.rules.catalog import RULES
from tapehead.rules.exchange_checks import check_exchange
from tapehead.text import escape_controls

# Fonts of browsers and terminals have them, unlike coloured ones.
MARKERS = {
    Severity.ERROR: ":heavy_multiplication_x:",
    Severity.WARNING: ":warning:",
    Severity.INFO: ":information_source:",
}
_LINE = re.compile(rf"(?:{'|'.join(Severity)}) ([a-z0-9-]+): ")


class FlowFinding(NamedTuple):
    """A finding on a flow; provisional while the back end may still reorder the session's events."""

    severity: Severity
    rule: str
    message: str
    is_provisional: bool = False

    @property
    def line(self) -> str:
        """Return the finding as a line of a comment."""
        text = escape_controls(f"{self.severity} {self.rule}: {self.message}")
        return f"{text} (provisional)" if self.is_provisional else text


class FlowMarks:
    """The findings on a flow.

    Attributes:
        own: the findings on the call alone.
        told: the findings of the journal, by what identifies them.
        decided: the rules that the journal has decided about, so that `own` no longer counts.
        marker: the marker that the flow has from here.
        journal: the journal that has the call of the flow, by an object that stands for it; None before there is one.
    """

    __slots__ = ("decided", "journal", "marker", "own", "told")

    def __init__(self, journal: object = None, marker: str = "") -> None:
        self.own: list[FlowFinding] = []
        self.told: dict[object, FlowFinding] = {}
        self.decided: set[str] = set()
        self.marker = marker
        self.journal = journal

    def findings(self) -> list[FlowFinding]:
        """Return the findings, the worst first."""
        found = [*self.told.values(), *(each for each in self.own if each.rule not in self.decided)]
        return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


class FlowFindings:
    """Findings on flows.

    Args:
        internal_errors: records failures.
    """

    def __init__(self, internal_errors: InternalErrors) -> None:
        self.internal_errors = internal_errors
        self._schemas = Schemas()
        self._marks: WeakKeyDictionary[http.HTTPFlow, FlowMarks] = WeakKeyDictionary()

    def begin(self, flow: http.HTTPFlow, journal: object) -> None:
        """Begin with no findings on a flow, whose call a journal gets; the tool may send one again, as another call."""
        before = self._marks.get(flow)
        self._marks[flow] = FlowMarks(journal, before.marker if before else "")

    @contained
    def check(self, flow: http.HTTPFlow) -> None:
        """Mark a flow with what the call alone shows, unless that takes long; the journal has it later then."""
        captured = capture(flow, flow.error.msg if flow.error else None)
        if captured.size >= LARGE_BYTES:
            return
        marks = self.marks_of(flow)
        marks.own = own_findings(build_exchange(captured), captured.started, self._schemas)
        show(flow, marks)

    def of(self, flow: http.HTTPFlow) -> list[FlowFinding]:
        """Return the findings on a flow, the worst first; of one that did not come through here, those of its own."""
        if marks := self._marks.get(flow):
            return marks.findings()
        if route_of(flow) is None:
            return []
        captured = capture(flow, flow.error.msg if flow.error else None)
        return own_findings(build_exchange(captured), captured.started, self._schemas)

    def marks_of(self, flow: http.HTTPFlow) -> FlowMarks:
        """Return the findings on a flow, to be changed."""
        return self._marks.setdefault(flow, FlowMarks())


def own_findings(exchange: Exchange, arrived: float, schemas: Schemas) -> list[FlowFinding]:
    """Return the findings on a call alone that arrived at a time, in seconds since 1970."""
    request, response, error = exchange.request, exchange.response, exchange.error
    found = check_exchange(
        exchange.call, request, response, error, arrived * 1000, schemas, closed_by=exchange.closed_by
    )
    return [FlowFinding(each.severity, each.rule, each.message) for each in found]


def show(flow: http.HTTPFlow, marks: FlowMarks) -> None:
    """Write findings into a flow's comment and mark; what the user wrote there stays."""
    found = marks.findings()
    lines = flow.comment.splitlines()
    others = [line for line in lines if not is_finding(line)]
    marker = MARKERS[found[0].severity] if found else ""
    # A flow file has marks and comments of the run that saved it.
    is_saved = len(others) < len(lines) and flow.marked in MARKERS.values()
    if flow.marked in ("", marks.marker) or is_saved:
        flow.marked = marker
    marks.marker = marker
    flow.comment = "\n".join([*others, *(finding.line for finding in found)])


def is_finding(line: str) -> bool:
    """Return whether a line of a comment is a finding."""
    match = _LINE.match(line)
    return match is not None and match[1] in RULES
