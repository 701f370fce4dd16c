"""The audit of one session as a stream: findings as they are proven, and the same result as all at once."""

import pickle
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from math import inf
from pathlib import Path

import pytest
from hypothesis import given

from support.function_calls import calls_of
from support.paths import RECORDINGS_FOLDER
from support.session_strategies import FEW, record, sessions, told
from support.sessions import Timeline, entries, mix, run
from tapehead.auditor.recordings_audit import RecordingsAudit, audit
from tapehead.auditor.results import Outcome, SessionFinding, SessionResult
from tapehead.auditor.session_audit import SessionAudit
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange


def stream(exchanges: Iterable[Exchange], session: SessionAudit) -> tuple[list[SessionFinding], SessionResult]:
    """Return what each add and the close returned, and the result."""
    added = [finding for entry in entries(exchanges) for finding in session.add(entry)]
    result = session.close()
    return [*added, *session.remaining], result


def rules(findings: Iterable[SessionFinding]) -> list[str]:
    return [finding.rule for finding in findings]


# ---- The same findings, whatever drives it ----


@FEW
@given(sessions("s1"))
def test_adds_and_close_return_the_findings_of_the_result(exchanges: list[Exchange]) -> None:
    if exchanges:
        returned, result = stream(exchanges, SessionAudit())
        assert Counter(returned) == Counter(result.findings)


@FEW
@given(sessions("s1"))
def test_a_stream_and_an_evaluation_at_the_end_have_one_result(exchanges: list[Exchange]) -> None:
    if exchanges:
        late = record(exchanges)
        _, at_once = stream(late, SessionAudit(hold_ms=inf))
        returned, result = stream(late, SessionAudit())
        assert told(result) == told(at_once)
        assert Counter(result.findings) <= Counter(returned)


@FEW
@given(sessions("s1"), sessions("s2"))
def test_a_driver_reports_each_finding_of_its_results_once(first: list[Exchange], second: list[Exchange]) -> None:
    exchanges, reported = record([*first, *second]), list[SessionFinding]()
    results = list(audit(entries(exchanges), on_finding=reported.append))
    assert list(map(told, results)) == list(map(told, run(exchanges)))
    assert Counter(reported) == Counter(finding for result in results for finding in result.findings)


@pytest.mark.parametrize("path", sorted(RECORDINGS_FOLDER.glob("*.jsonl")), ids=lambda path: path.stem)
def test_results_pickle(path: Path) -> None:
    results = list(audit(read_recordings([path], warn=pytest.fail)))
    again = pickle.loads(pickle.dumps(results))
    assert again == results
    assert any(result.steps and result.metrics for result in again)


# ---- What is proven when ----


def test_findings_of_a_start_are_returned_at_once() -> None:
    session = SessionAudit()
    (start,) = Timeline().start(downloaded=True).exchanges
    assert rules(session.add(start)) == ["downloaded-flag"]


def test_a_finding_is_returned_when_nothing_can_come_before_it_any_more() -> None:
    book = Timeline().row("play").at(15, "adSkip").at(17, "ping").at(25, "ping").at(26, "sessionEnd")
    session = SessionAudit()
    assert [rules(session.add(exchange)) for exchange in book.exchanges] == [[], [], [], [], ["ad-not-open"], []]
    assert rules(session.close().findings) == ["ad-not-open"]
    assert session.remaining == []


def test_findings_that_count_what_follows_come_last() -> None:
    book = Timeline().row("play", "sessionEnd", "ping").pings(30, 90)
    session = SessionAudit()
    assert not any(session.add(exchange) for exchange in book.exchanges)
    assert session.close().findings == session.remaining
    assert rules(session.remaining) == ["event-after-end"]


def test_an_answer_later_than_events_are_held_does_not_spoil_the_result() -> None:
    book = Timeline().row("play").at(15, "pauseStart", elapsed_ms=60_000).pings(20, 60).at(61, "play")
    exchanges = record(book.at(62, "sessionEnd").exchanges)
    assert exchanges[-1].elapsed_ms == 60_000
    returned, result = stream(exchanges, SessionAudit())
    assert sorted(rules(returned)) == ["ping-gap", "playhead-frozen"]  # as long as the pause was not known
    assert (result.outcome, rules(result.findings)) == (Outcome.ENDED, [])
    assert [step.event.type for step in result.steps][2] == "pauseStart"


def test_a_session_without_exchanges_has_no_result() -> None:
    with pytest.raises(ValueError, match="no exchange"):
        SessionAudit().close()


def test_metrics_are_on_unless_switched_off() -> None:
    exchanges = Timeline().row("play", "ping", "sessionEnd").exchanges
    assert stream(exchanges, SessionAudit())[1].metrics["media_starts"] == 1
    assert stream(exchanges, SessionAudit(measure=None))[1].metrics == {}


def test_sessions_of_two_files_merged_by_time_have_no_findings() -> None:
    first = Timeline(sid="a").row("play").pings(15, 615).at(620, "sessionEnd")
    second = Timeline(sid="b", begin_ms=first.begin_ms + 300_000).row("play").pings(15, 615).at(620, "sessionEnd")
    driver = RecordingsAudit()
    both = mix(first, second)
    results = [result for line, exchange in enumerate(both) for result in driver.add(next(entries([exchange])))]
    results += driver.close()
    assert [(result.outcome, result.findings) for result in results] == [(Outcome.ENDED, [])] * 2


# ---- Cost ----


def test_an_add_costs_the_same_however_long_the_session_is() -> None:
    session = SessionAudit(measure=None)
    book = iter(Timeline().row("play").pings(15, 20_200 * 10).exchanges)

    def add(number: int) -> None:
        for exchange in islice(book, number):
            session.add(exchange)

    add(1_000)
    short = calls_of(lambda: add(50))
    add(18_950)
    assert calls_of(lambda: add(50)) < short * 1.1
