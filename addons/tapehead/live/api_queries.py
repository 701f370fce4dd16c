"""Answers of the HTTP API that read the journal and the engine: rows, page by page."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

import tapehead
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import DEFAULT_LIMIT
from tapehead.journal.rows import CallRow, FindingRow, SessionRow, Totals
from tapehead.live.api_model import MOST_BYTES, Api, ApiRequest, as_json
from tapehead.live.api_sessions import MetricValue, metrics_of
from tapehead.replay.engine_control import EngineControl
from tapehead.replay.matching import NearMiss

# Sessions with metrics on one page, which takes an audit of each.
DEFAULT_METRICS_LIMIT = 100


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An engine: the recordings that it plays, how often they were, hits and misses, and the faults that are set."""

    recordings: tuple[str, ...]
    playbacks: int
    hits: int
    misses: int
    faults: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A run.

    Attributes:
        command, version: the command and the version of tapehead.
        audited: whether sessions are audited while they are played.
        settled: whether all earlier calls are audited.
        change: the number of the latest change, after which the stream goes on.
        waits: the number of clients that wait.
        totals: the counts.
        engine: the engine; None where every call is forwarded.
    """

    command: str
    version: str
    audited: bool
    settled: bool
    change: int
    waits: int
    totals: Totals
    engine: EngineStatus | None


class Sessions(msgspec.Struct, frozen=True):
    """A page of sessions; `next` is the `after` of the next page, None on the last."""

    sessions: list[SessionRow]
    totals: Totals
    change: int
    next: int | None


class Events(msgspec.Struct, frozen=True):
    """A page of calls; `next` is the `after` of the next page, None on the last."""

    events: list[CallRow]
    next: int | None


class Findings(msgspec.Struct, frozen=True):
    """A page of findings; `next` is the `after` of the next page, None on the last."""

    findings: list[FindingRow]
    next: int | None


class SessionMetrics(msgspec.Struct, frozen=True):
    """The metrics of a session so far; without any, it was left out of the audit."""

    session: str
    key: str
    number: int
    content: str
    metrics: list[MetricValue]


class MetricsPage(msgspec.Struct, frozen=True):
    """A page of sessions with their metrics; `next` is the `after` of the next page, None on the last."""

    sessions: list[SessionMetrics]
    next: int | None


class MissRow(msgspec.Struct, frozen=True):
    """A call that the recordings do not have: why, how it was answered, and what is nearest in the recordings."""

    call: str
    session: str | None
    reason: str
    why: str
    answered: str
    nearest: list[NearMiss]


class Misses(msgspec.Struct, frozen=True):
    """The number of misses, the first of them, and the recordings by the numbers that they name."""

    count: int
    misses: list[MissRow]
    recordings: tuple[str, ...]


class UnusedRow(msgspec.Struct, frozen=True):
    """A recorded exchange that no call asked for: its recording, its line, and its name."""

    recording: str
    line: int
    call: str


class UnusedExchanges(msgspec.Struct, frozen=True):
    """A page of unused exchanges; `next` is the `after` of the next page, None on the last."""

    unused: list[UnusedRow]
    next: int | None


# ---- Answers ----


def show_status(api: Api, request: ApiRequest) -> Response:
    """Answer with the state of the run."""
    key, journal = request.query.get("key"), api.journal
    return as_json(
        Status(
            command=api.command,
            version=tapehead.__version__,
            audited=journal.is_audited,
            settled=request.query.get("settle") != "no" and journal.settle(0),
            change=journal.change,
            waits=api.waits.count,
            totals=journal.totals(key),
            engine=engine_status(api.control, key)
            if api.control and not (api.has_workers and key is not None)
            else None,
        )
    )


def engine_status(control: EngineControl, key: str | None) -> EngineStatus:
    """Return the state of an engine, of the calls with a key if there is one."""
    counts, faults = control.counts(key), control.faults(key)
    return EngineStatus(recordings=control.loaded(key), faults=len(faults), **counts._asdict())


def list_sessions(api: Api, request: ApiRequest) -> Response:
    """Answer with sessions, in the order in which they began; with `latest=1` with those that changed last."""
    change = api.journal.change
    if request.query.get("latest") == "1":
        rows = api.journal.sessions(request.query.rows(), latest=True)
        return as_json(Sessions(rows, api.journal.totals(request.query.get("key")), change, None))
    rows, following = page_of(api.journal.sessions(request.query.rows(more=1)), request)
    return as_json(Sessions(rows, api.journal.totals(request.query.get("key")), change, following))


def list_events(api: Api, request: ApiRequest) -> Response:
    """Answer with calls, in the order in which they came; with `latest=1` with the last ones."""
    following: int | None = None
    if request.query.get("latest") == "1":
        rows = api.journal.calls(request.query.rows(), latest=True)
    else:
        rows, following = page_of(api.journal.calls(request.query.rows(more=1)), request)
    if request.query.get("bodies") == "1":
        rows, following = with_bodies(api.journal, rows, following)
    return as_json(Events(rows, following))


def with_bodies(journal: Journal, rows: Sequence[CallRow], following: int | None) -> tuple[list[CallRow], int | None]:
    """Return as many calls with their messages as fit in an answer, and the `after` of the next page."""
    whole: list[CallRow] = []
    size = 0
    for row in rows:
        if size > MOST_BYTES:
            return whole, whole[-1].number
        if call := journal.call(row.number):  # it may be gone meanwhile
            whole.append(call)
            size += len(msgspec.json.encode(call))
    return whole, following


def list_findings(api: Api, request: ApiRequest) -> Response:
    """Answer with findings by their numbers."""
    return as_json(Findings(*page_of(api.journal.findings(request.query.rows(more=1)), request)))


def list_metrics(api: Api, request: ApiRequest) -> Response:
    """Answer with the metrics of sessions."""
    rows = api.journal.sessions(request.query.rows(more=1, default_limit=DEFAULT_METRICS_LIMIT))
    rows, following = page_of(rows, request, DEFAULT_METRICS_LIMIT)
    sessions = [
        SessionMetrics(row.session, row.key, row.number, row.content, metrics_of(api.journal, row))
        for row in rows
        if row.session
    ]
    return as_json(MetricsPage(sessions, following))


def list_misses(api: Api, request: ApiRequest) -> Response:
    """Answer with calls that the recordings do not have."""
    key = request.query.get("key")
    control = api.engine(key)
    missed = [
        MissRow(miss.call, miss.session, str(miss.reason), miss.explain(), miss.answered, miss.nearest)
        for miss in control.misses(key)
    ]
    return as_json(Misses(control.counts(key).misses, missed, control.recordings))


def list_unused(api: Api, request: ApiRequest) -> Response:
    """Answer with recorded exchanges that no call asked for; `after` and `limit` count them."""
    query = request.query
    control = api.engine(query.get("key"))
    names, unused = control.recordings, control.unused(query.get("key"))
    rows = query.rows()
    chosen = unused[rows.after : rows.after + rows.limit]
    following = rows.after + len(chosen)
    made = [UnusedRow(names[each.file], each.line, each.call) for each in chosen]
    return as_json(UnusedExchanges(made, following if following < len(unused) else None))


# ---- Parts ----


def page_of[T: (SessionRow, CallRow, FindingRow)](
    rows: list[T], request: ApiRequest, default_limit: int = DEFAULT_LIMIT
) -> tuple[list[T], int | None]:
    """Return the rows of a page, of which there is one more than the page has if it is not the last."""
    limit = request.query.number("limit", default_limit)
    return rows[:limit], rows[limit - 1].number if len(rows) > limit else None
