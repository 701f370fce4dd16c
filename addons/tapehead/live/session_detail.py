"""A session of the journal in detail: its timeline, its findings and its metrics so far."""

from typing import Any

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.timeline import timeline_of
from tapehead.journal.journal import Journal, RowFilter
from tapehead.metrics.metric_values import EMPTY_VALUES, metric_rows
from tapehead.protocol.exchange import Entry

MOST_FINDINGS = 2_000


def session_detail(journal: Journal, sid: str) -> dict[str, Any] | None:
    """Return a session's row, findings and metrics; None if the journal has no such session."""
    row = journal.session(sid)
    if row is None:
        return None
    return {"session": row, **_details(journal, sid, result_of(journal, sid))}


def session_timeline(journal: Journal, sid: str) -> dict[str, Any] | None:
    """Return a session's timeline, findings and metrics; None if the journal has no such session."""
    if journal.session(sid) is None:
        return None
    result = result_of(journal, sid)
    timeline = timeline_of(result) if result else None
    return {"timeline": timeline.model() if timeline else None, **_details(journal, sid, result)}


def _details(journal: Journal, sid: str, result: SessionResult | None) -> dict[str, Any]:
    metrics = [row for row in metric_rows(result.metrics) if row.value not in EMPTY_VALUES] if result else []
    return {"findings": journal.findings(RowFilter(session=sid, limit=MOST_FINDINGS)), "metrics": metrics}


def result_of(journal: Journal, sid: str) -> SessionResult | None:
    """Return the audit of a session so far; of one that is not audited, that of the calls in memory."""
    if result := journal.result(sid):
        return result
    entries = (Entry(number, exchange) for number, exchange in journal.exchanges(sid))
    return next((result for result in audit(entries) if result.id == sid), None)
