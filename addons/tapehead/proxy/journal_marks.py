"""Marks of flows by the findings of a journal, and lines in the event log of a mitmproxy tool.

Flows are changed on the tool's event loop alone, in steps that delay no traffic.
"""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from tapehead.auditor.results import FindingState
from tapehead.internal_errors import InternalErrors
from tapehead.journal.journal import Journal
from tapehead.journal.rows import FindingRow
from tapehead.protocol.exchange import Severity
from tapehead.proxy.flow_findings import FlowFinding, FlowFindings, show
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.text import escape_controls

logger = logging.getLogger(__name__)

_LEVELS = {Severity.ERROR: logging.WARNING, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}
# From a change to the marks, in seconds.
PAUSE_SECONDS = 0.1
# The calls whose changes are read, and the findings that are shown, in one step.
MOST_CALLS, MOST_FINDINGS = 100, 25
# Findings of which it is remembered that the log has them.
MOST_LOGGED = 50_000


class JournalMarks:
    """Marks of flows by the findings of one journal.

    Args:
        findings: the findings on flows.
        internal_errors: records failures.
    """

    def __init__(self, findings: FlowFindings, internal_errors: InternalErrors) -> None:
        self._findings = findings
        self._internal_errors = internal_errors
        # The flows of the calls by the numbers of their arrival, and by the findings that they have.
        self._flows: WeakValueDictionary[int, http.HTTPFlow] = WeakValueDictionary()
        self._places: WeakValueDictionary[int, http.HTTPFlow] = WeakValueDictionary()
        self._logged: dict[int, None] = {}
        self._log_limit = EntryLimit(MOST_LOGGED)
        self._journal: Journal | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._change = 0
        # Findings that changed and are not shown yet.
        self._rows: deque[FindingRow] = deque()
        self._is_due = False

    def add(self, order: int, flow: http.HTTPFlow) -> None:
        """Add the flow of a call, by the number of its arrival."""
        self._findings.begin(flow, (self, order))
        self._flows[order] = flow

    def follow(self, journal: Journal) -> None:
        """Take the findings of the journal from now on."""
        self._journal = journal
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
        self._journal = None

    def _refresh(self) -> None:
        self._is_due = False
        if self._take_changes():
            self._is_due = True
            ctx.master.event_loop.call_later(0, self._refresh)

    def _take_changes(self) -> bool:
        """Take some changes of the journal, and return whether there are more."""
        if self._journal is None:
            return False
        is_last = True
        try:
            if not self._rows:
                changes = self._journal.since(self._change, MOST_CALLS)
                self._change, is_last = changes.change, changes.is_last
                self._rows.extend(changes.findings)
            changed: dict[str, http.HTTPFlow] = {}
            for _ in range(min(MOST_FINDINGS, len(self._rows))):
                changed |= {flow.id: flow for flow in self._take(self._rows.popleft())}
            for flow in changed.values():
                show(flow, self._findings.marks_of(flow))
            if changed:
                ctx.master.addons.trigger(UpdateHook(list(changed.values())))
        except Exception as error:  # noqa: BLE001 - it costs these marks alone
            self._internal_errors.record("marking flows", error)
        return bool(self._rows) or not is_last

    def _take(self, row: FindingRow) -> Iterator[http.HTTPFlow]:
        """Take a finding as it is now; yield the flows whose findings it changes."""
        self._log(row)
        before, flow = self._places.get(row.number), self._flow_of(row)
        if before and before is not flow:
            self._findings.marks_of(before).told.pop((self, row.number), None)
            yield before
        if flow is None:
            return
        marks = self._findings.marks_of(flow)
        marks.decided.add(row.rule)
        if row.state == FindingState.WITHDRAWN:
            marks.told.pop((self, row.number), None)
        else:
            is_provisional = row.state == FindingState.PROVISIONAL
            marks.told[self, row.number] = FlowFinding(row.severity, row.rule, row.message, is_provisional)
            self._places[row.number] = flow
        yield flow

    def _flow_of(self, row: FindingRow) -> http.HTTPFlow | None:
        order = self._journal.order_of(row.call) if self._journal and row.call else None
        if order is None:
            return self._places.get(row.number)
        flow = self._flows.get(order)
        # The tool may have sent the flow again, as another call.
        return flow if flow and self._findings.marks_of(flow).journal == (self, order) else None

    def _log(self, row: FindingRow) -> None:
        if row.state != FindingState.CONFIRMED or row.number in self._logged:
            return
        self._log_limit.make_room(self._logged, row.number)
        self._logged[row.number] = None
        session = f" (session {row.session})" if row.session else ""
        text = escape_controls(f"{row.severity} {row.rule}: {row.message}{session}")
        logger.log(_LEVELS[row.severity], "tapehead: %s", text)
