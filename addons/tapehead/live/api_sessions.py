"""Answers of the HTTP API about one session or one call: in detail, as a timeline, and as files."""

from typing import Any

import msgspec
from starlette.responses import Response

from tapehead.auditor.timeline import timeline_of
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.rows import CallRow, FindingRow, MessageRow, SessionRow
from tapehead.live.api_filters import session_id
from tapehead.live.api_model import NOT_FOUND, Api, ApiError, ApiRequest, as_json, parse_number
from tapehead.metrics.catalog import METRICS
from tapehead.metrics.metric_values import EMPTY_VALUES, MetricRow, metric_rows
from tapehead.protocol.exchange import Exchange, encode
from tapehead.recording.har_export import har_of

MOST_SESSION_FINDINGS = 2_000
# Characters of a body that is asked for as text.
MOST_TEXT = 64_000
LINES = "application/x-ndjson"


class MetricValue(msgspec.Struct, frozen=True):
    """A metric: its name, its value, its unit, the vendor's variable and XDM path (empty if it has none)."""

    name: str
    value: float | str | list[str] | None
    unit: str
    variable: str
    xdm: str


class SessionDetail(msgspec.Struct, frozen=True):
    """A session with its findings and its metrics so far."""

    session: SessionRow
    findings: list[FindingRow]
    metrics: list[MetricValue]


class SessionTimeline(msgspec.Struct, frozen=True):
    """A session as the page draws it: its timeline (None without events), its findings, its metrics as texts."""

    timeline: dict[str, Any] | None
    findings: list[FindingRow]
    metrics: list[MetricRow]


def show_session(api: Api, request: ApiRequest) -> Response:
    """Answer with a session, its findings and its metrics."""
    row = session_of(api.journal, request.path["sid"])
    found = api.journal.findings(RowFilter(session=row.session, limit=MOST_SESSION_FINDINGS))
    return as_json(SessionDetail(row, found, metrics_of(api.journal, row)))


def show_timeline(api: Api, request: ApiRequest) -> Response:
    """Answer with a session's timeline, its findings and its metrics so far."""
    session = session_of(api.journal, request.path["sid"])
    sid = str(session.session)
    result = api.journal.result(sid)
    timeline = timeline_of(result) if result else None
    metric_values = result.metrics if result and not is_left_out(api.journal, session) else {}
    metrics = [row for row in metric_rows(metric_values) if row.value not in EMPTY_VALUES] if metric_values else []
    found = api.journal.findings(RowFilter(session=sid, limit=MOST_SESSION_FINDINGS))
    return as_json(SessionTimeline(timeline.model() if timeline else None, found, metrics))


def save_recording(api: Api, request: ApiRequest) -> Response:
    """Answer with the calls of a session as a recording."""
    return Response(b"".join(map(encode, exchanges_of(api.journal, request))), media_type=LINES)


def save_har(api: Api, request: ApiRequest) -> Response:
    """Answer with the calls of a session as an HTTP archive."""
    return as_json(har_of(exchanges_of(api.journal, request)))


def exchanges_of(journal: Journal, request: ApiRequest) -> list[Exchange]:
    """Return the exchanges of a session, as far as they are in memory.

    Raises:
        ApiError: the session is not in the journal.
    """
    sid = session_of(journal, request.path["sid"]).session
    return [exchange for _, exchange in journal.exchanges(str(sid))]


def show_event(api: Api, request: ApiRequest) -> Response:
    """Answer with a call and its messages, their bodies as they were sent or, with `bodies=text`, as text."""
    row = api.journal.call(parse_number(request.path["number"]))
    if row is None:
        raise ApiError(NOT_FOUND, "no call with this number is in the journal")
    return as_json(with_texts(row) if request.query.get("bodies") == "text" else row)


def with_texts(row: CallRow) -> CallRow:
    """Return a call with its bodies as texts, shortened to what a page can show."""
    messages = {"request": row.request, "response": row.response}
    texts = {name: text_of(each) for name, each in messages.items() if isinstance(each, MessageRow)}
    return msgspec.structs.replace(row, **texts)


def text_of(message: MessageRow) -> MessageRow:
    """Return a message with its body as a text; `left_out` is what it lacks, in characters."""
    body = message.body
    text = bytes(body).decode("utf-8", "replace") if isinstance(body, msgspec.Raw) else str(body or "")
    left_out = max(len(text) - MOST_TEXT, 0)
    return msgspec.structs.replace(message, body=text[:MOST_TEXT], left_out=left_out or message.left_out)


def session_of(journal: Journal, sid: str) -> SessionRow:
    """Return a session.

    Raises:
        ApiError: it is not in the journal.
    """
    if row := journal.session(session_id(journal, sid)):
        return row
    raise ApiError(NOT_FOUND, f"no session '{sid[:200]}' is in the journal")


def is_left_out(journal: Journal, session: SessionRow) -> bool:
    """Return whether the audit leaves out a session, though it audits others."""
    return journal.is_audited and not session.audited


def metrics_of(journal: Journal, session: SessionRow) -> list[MetricValue]:
    """Return the metrics of a session so far; none of one that was left out of the audit."""
    result = None if is_left_out(journal, session) else journal.result(str(session.session))
    metrics = result.metrics if result else {}
    return [
        MetricValue(metric.key, metrics.get(metric.key), metric.unit, metric.variable, metric.xdm)
        for metric in METRICS
        if metric.scope == "session" and metrics
    ]
