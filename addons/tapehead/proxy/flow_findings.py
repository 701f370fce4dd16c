"""Findings on the flows of a mitmproxy tool: marks, comments, and lines in its event log.

What a call alone shows is there with its answer; what its session shows follows from the journal. Flows are changed on
the tool's event loop alone, in steps that delay no traffic.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from tapehead.auditor.live_findings import FindingState
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.rows import FindingRow
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.schemas import Schemas
from tapehead.proxy.error_boundary import contained
from tapehead.proxy.flows import capture, route_of
from tapehead.recording.capture import build_exchange
from tapehead.recording.writer import LARGE_BYTES
from tapehead.rules.catalog import RULES
from tapehead.rules.exchange_checks import check_exchange
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.text import escape_controls

logger = logging.getLogger(__name__)

# Fonts of browsers and terminals have them, unlike coloured ones.
MARKERS = {
    Severity.ERROR: ":heavy_multiplication_x:",
    Severity.WARNING: ":warning:",
    Severity.INFO: ":information_source:",
}
_LEVELS = {Severity.ERROR: logging.WARNING, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}
# From a change to the marks, in seconds; and the calls whose changes are taken in one step.
PAUSE_SECONDS = 0.1
MOST_AT_ONCE = 100
# Findings of which it is remembered that the log has them.
MOST_LOGGED = 50_000
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


class _Marks:
    """The findings on a flow.

    Attributes:
        own: the findings on the call alone.
        told: the findings of the journal, by their numbers.
        decided: the rules that the journal has decided about, so that `own` no longer counts.
        marker: the marker that the flow has from here.
        order: the number of the call's arrival; None if it is not known.
    """

    __slots__ = ("decided", "marker", "order", "own", "told")

    def __init__(self, order: int | None = None, marker: str = "") -> None:
        self.own: list[FlowFinding] = []
        self.told: dict[int, FlowFinding] = {}
        self.decided: set[str] = set()
        self.marker = marker
        self.order = order

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
        self._marks: WeakKeyDictionary[http.HTTPFlow, _Marks] = WeakKeyDictionary()
        # The flows of this journal's calls by the numbers of their arrival, and by the findings that they have.
        self._flows: WeakValueDictionary[int, http.HTTPFlow] = WeakValueDictionary()
        self._places: WeakValueDictionary[int, http.HTTPFlow] = WeakValueDictionary()
        self._logged: dict[int, None] = {}
        self._log_limit = EntryLimit(MOST_LOGGED)
        self._journal: Journal | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._change = 0
        self._is_due = False

    # ---- Calls ----

    def add(self, order: int, flow: http.HTTPFlow) -> None:
        """Add the flow of a call, by the number of its arrival; the tool may send one again, as another call."""
        before = self._marks.get(flow)
        if before and before.order:
            self._flows.pop(before.order, None)
        self._marks[flow] = _Marks(order, before.marker if before else "")
        self._flows[order] = flow

    @contained
    def check(self, flow: http.HTTPFlow) -> None:
        """Mark a flow with what the call alone shows, unless that takes long; the journal has it later then."""
        captured = capture(flow, flow.error.msg if flow.error else None)
        if captured.size >= LARGE_BYTES:
            return
        marks = self._marks_of(flow)
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

    # ---- The journal ----

    def follow(self, journal: Journal) -> None:
        """Take the findings of a journal from now on, those on calls that are added from now on."""
        self.stop()
        self._journal, self._change = journal, 0
        loop = ctx.master.event_loop

        def notice() -> None:
            if not self._is_due:
                self._is_due = True
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(loop.call_later, PAUSE_SECONDS, self._refresh)

        self._unsubscribe = journal.subscribe(notice)

    def stop(self) -> None:
        """Take the last findings of the journal, which is closed, and follow it no longer."""
        self._unsubscribe()
        while self._journal and self._take_changes():
            pass
        self._journal, self._is_due = None, False
        self._flows.clear()
        self._places.clear()
        self._logged.clear()
        self._log_limit = EntryLimit(MOST_LOGGED)

    def _refresh(self) -> None:
        self._is_due = False
        if self._journal and self._take_changes():
            self._is_due = True
            ctx.master.event_loop.call_later(0, self._refresh)

    def _take_changes(self) -> bool:
        """Take some changes of the journal, and return whether there are more."""
        if self._journal is None:
            return False
        try:
            changes = self._journal.since(self._change, MOST_AT_ONCE)
            self._change = changes.change
            changed: dict[str, http.HTTPFlow] = {}
            for row in changes.findings:
                changed |= {flow.id: flow for flow in self._take(row)}
            for flow in changed.values():
                show(flow, self._marks_of(flow))
            if changed:
                ctx.master.addons.trigger(UpdateHook(list(changed.values())))
        except Exception as error:  # noqa: BLE001 - it costs these marks alone
            self.internal_errors.record("marking flows", error)
            return False
        return not changes.is_last

    def _take(self, row: FindingRow) -> Iterable[http.HTTPFlow]:
        """Take a finding as it is now; yield the flows whose findings it changes."""
        self._log(row)
        before, flow = self._places.get(row.number), self._flow_of(row)
        if before and before is not flow:
            self._marks_of(before).told.pop(row.number, None)
            yield before
        if flow is None:
            return
        marks = self._marks_of(flow)
        marks.decided.add(row.rule)
        if row.state == FindingState.WITHDRAWN:
            marks.told.pop(row.number, None)
        else:
            is_provisional = row.state == FindingState.PROVISIONAL
            marks.told[row.number] = FlowFinding(row.severity, row.rule, row.message, is_provisional)
            self._places[row.number] = flow
        yield flow

    def _flow_of(self, row: FindingRow) -> http.HTTPFlow | None:
        exchange = self._journal.exchange(row.call) if self._journal and row.call else None
        if exchange is None or exchange.order is None:
            return self._places.get(row.number)
        return self._flows.get(exchange.order)

    def _log(self, row: FindingRow) -> None:
        if row.state != FindingState.CONFIRMED or row.number in self._logged:
            return
        self._log_limit.make_room(self._logged, row.number)
        self._logged[row.number] = None
        session = f" (session {row.session})" if row.session else ""
        text = escape_controls(f"{row.severity} {row.rule}: {row.message}{session}")
        logger.log(_LEVELS[row.severity], "tapehead: %s", text)

    def _marks_of(self, flow: http.HTTPFlow) -> _Marks:
        return self._marks.setdefault(flow, _Marks())


def own_findings(exchange: Exchange, arrived: float, schemas: Schemas) -> list[FlowFinding]:
    """Return the findings on a call alone that arrived at a time, in seconds since 1970."""
    request, response, error = exchange.request, exchange.response, exchange.error
    found = check_exchange(
        exchange.call, request, response, error, arrived * 1000, schemas, closed_by=exchange.closed_by
    )
    return [FlowFinding(each.severity, each.rule, each.message) for each in found]


def show(flow: http.HTTPFlow, marks: _Marks) -> None:
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
