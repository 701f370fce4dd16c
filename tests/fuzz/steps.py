"""Everything that tapehead does with a recording or a request, step by step, without a command around it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from secrets import token_bytes

import msgspec

from support.exchanges import NOW
from tapehead.answers import Answer, Engine
from tapehead.auditor.coverage import Coverage
from tapehead.auditor.live_audit import LiveAudit
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.timeline import Timeline, timeline_of
from tapehead.cli.terminal import answer_line
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Diff, Scope
from tapehead.errors import RecordingError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call, sid_of_location
from tapehead.protocol.schemas import Schemas
from tapehead.proxy.flows import to_mitmproxy
from tapehead.replay.index import RecordingIndex, build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import summary_lines
from tapehead.reports.audit.body_store import BodyStore
from tapehead.reports.audit.coverage_section import render_coverage
from tapehead.reports.audit.html_report import detail_of, render_html
from tapehead.reports.audit.json_report import Report, build_report, session_of
from tapehead.reports.audit.junit import render_junit
from tapehead.reports.audit.sarif import render_sarif
from tapehead.reports.audit.text_report import render_text
from tapehead.reports.diff.html_diff import render_html as render_diff_page
from tapehead.reports.diff.json_diff import build_report as build_diff_report
from tapehead.reports.diff.text_diff import render_text as render_diff_text
from tapehead.reports.json_output import render_json, stream_json
from tapehead.reports.terminal_text import TextStyle

NAME = "recording.jsonl"
SCHEMAS = Schemas()


def warn(_line: str) -> None:
    """Complain to nobody."""


def read(path: Path) -> list[Entry]:
    """The entries of a file; none of a file that is no recording."""
    try:
        return list(read_recordings([path], warn=warn))
    except RecordingError:
        return []


# ---- Audit ----


def audit_entries(entries: Iterable[Entry], settings: AuditSettings | None = None) -> list[SessionResult]:
    """The audit with metrics."""
    return list(audit((entry._replace(recording=NAME) for entry in entries), settings))


def follow(entries: Iterable[Entry]) -> list[SessionResult]:
    """The audit with metrics, call by call, with a tick now and then."""
    results: list[SessionResult] = []
    live = LiveAudit(on_result=results.append)
    for number, entry in enumerate(entries):
        live.add(entry._replace(recording=NAME))
        if number % 10 == 0:
            live.tick(NOW + number * 100)
    return [*results, *live.close()]


def cover(results: Iterable[SessionResult], settings: AuditSettings | None = None) -> str:
    """Return the coverage of the plan as text."""
    coverage = Coverage(settings)
    for result in results:
        coverage.add(result)
    return render_coverage(coverage.report(), TextStyle(verbose=True))


def report(results: Iterable[SessionResult], entries: Iterable[Entry]) -> Iterator[str]:
    """The report in every form."""
    listed = list(results)
    sessions = list(map(session_of, listed))
    timelines = {id(session): timeline_of(result) for session, result in zip(sessions, listed, strict=True)}
    told = build_report(sessions)
    yield render_json(told)
    yield "".join(render_text(told, TextStyle(80, verbose=True)))
    yield "".join(render_junit(told, "warning"))
    yield "".join(render_sarif(told))
    yield _page(told, [timelines[id(session)] for session in told["sessions"]], entries)


def _page(told: Report, timelines: Iterable[Timeline | None], entries: Iterable[Entry]) -> str:
    bodies = BodyStore()
    for entry in entries:
        bodies.keep(NAME, entry)
    return "".join(
        render_html(told, [detail_of(each, bodies.of(each)) if each else detail_of(None, {}) for each in timelines])
    )


# ---- Diff ----


def compare(base: Sequence[SessionResult], new: Sequence[SessionResult]) -> Diff:
    """The diff, made in every form."""
    scope = Scope()
    found = diff(base, new, scope)
    assert "".join(stream_json(build_diff_report(found, [NAME], [NAME], scope)))
    assert render_diff_text(found, TextStyle(80))
    assert render_diff_page(found, [NAME], [NAME])
    return found


def altered(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with some missing, some in another order, and some answered in another way."""
    kept = [_answered(entry) if place % 5 == 3 else entry for place, entry in enumerate(entries) if place % 7 != 4]
    middle = len(kept) // 2
    return [*kept[:middle], *kept[middle : middle + 4][::-1], *kept[middle + 4 :]]


def _answered(entry: Entry) -> Entry:
    response = entry.exchange.response
    other = response and msgspec.structs.replace(response, status=410)
    return entry._replace(exchange=msgspec.structs.replace(entry.exchange, response=other))


# ---- Replay ----


def index_of(entries: Iterable[Entry]) -> tuple[RecordingIndex, Schemas]:
    """Return the index of recorded calls, and the schemas in use with it."""
    index = build_index([entries])
    return index, schemas_of(index)


def replay(entries: Sequence[Entry], on_miss: OnMiss = OnMiss.SIMULATE, most: int | None = None) -> None:
    """A replay that is asked for everything that it has, `most` calls of it, by a player and by the recorded ids."""
    index, schemas = index_of(entries)
    engine = Replayer(index, schemas, on_miss=on_miss, files=(NAME,), random_bytes=token_bytes)
    for answer in play(engine, [entry.exchange for entry in entries][:most]):
        assert answer.response is None or to_mitmproxy(answer.response)
    assert list(summary_lines(engine.summary(), (NAME,)))


def play(engine: Engine, exchanges: Iterable[Exchange]) -> Iterator[Answer]:
    """The engine's answers to the recorded requests, each session under the id that it issues."""
    issued: dict[str, str] = {}
    for exchange in exchanges:
        sid = exchange.session
        if sid in issued:
            yield give(engine, _rename(exchange.request, sid, issued[sid]))
            continue
        answer = give(engine, exchange.request)
        yield answer
        fresh = sid_of_location(answer.response.header("Location")) if answer.response else None
        if sid and fresh and exchange.call is Call.SESSION:
            issued[sid] = fresh


def _rename(request: Request, sid: str, other: str) -> Request:
    return msgspec.structs.replace(request, url=request.url.replace(sid, other, 1))


def give(engine: Engine, request: Request, now: float = NOW) -> Answer:
    """The engine's answer to one request, as the terminal shows it, too."""
    answer = engine.answer(request, now)
    assert "\n" not in answer_line(request, answer, now, explain=True)
    return answer
