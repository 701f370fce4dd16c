"""The run of an engine: its counts, its result, and the report."""

import pickle
from pathlib import Path

import orjson
import pytest

from support.exchanges import Player, exchange, request, session
from support.resend import write
from tapehead.cli.offline_run import EngineRun, EngineSettings, RunResult
from tapehead.cli.summary_file import write_summary_file
from tapehead.cli.worker_counts import CountCollector, WorkerCounts, WorkerReport
from tapehead.errors import UsageError
from tapehead.network.offline_guard import OfflineAttempts, OfflineGuard
from tapehead.protocol.messages import Response
from tapehead.replay.on_miss import OnMiss
from tapehead.simulator.faults import parse_fault

STEPS: list[tuple[float, float, str, dict[str, object]]] = [(0, 0, "play", {}), (5, 5, "pauseStart", {})]
OFFLINE = "offline: 0 connections and look-ups attempted"


def no_warning(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "a.jsonl", session("recorded", STEPS))


def run_of(settings: EngineSettings, steps: int) -> EngineRun:
    """Return a run in which a player sent the first of the recorded steps."""
    run = EngineRun(settings, no_warning)
    play(run, steps)
    return run


def play(run: EngineRun, steps: int) -> None:
    """Send the first of the recorded steps."""
    player = Player(run.engine)
    player.open()
    player.play(STEPS[:steps])


def take(collector: CountCollector, report: WorkerReport | None) -> None:
    """Have a report taken that comes from another process."""
    assert report
    collector.take(pickle.loads(pickle.dumps(report)))


def result_of(run: EngineRun, other_requests: int = 0) -> RunResult:
    return run.result(run.counts(OfflineGuard()), other_requests)


def test_a_simulation_has_no_replay_to_report() -> None:
    result = result_of(run_of(EngineSettings(), 2))

    assert result.report.replay is None
    assert (result.lines, result.has_failed) == ((OFFLINE,), False)


def test_recordings_without_a_session_are_told_of(tmp_path: Path) -> None:
    asked = request(method="OPTIONS")
    path, warned = write(tmp_path / "a.jsonl", [exchange(asked, Response(status=200, headers=[]))]), list[str]()
    EngineRun(EngineSettings(recordings=(path,)), warned.append)

    assert warned == [
        f"no session to replay in '{path}', so every call is a miss; record or save traffic while the player plays"
    ]


def test_a_result_is_returned_and_not_printed(recording: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = result_of(run_of(EngineSettings(recordings=(recording,)), 1))

    assert capfd.readouterr() == ("", "")
    assert result.lines[0].startswith("played 1 session: 2 hits, 0 misses")
    assert result.lines[-1] == OFFLINE
    assert result.report.recordings == (str(recording),)
    assert result.report.replay
    assert (result.report.replay.hits, len(result.report.replay.unused)) == (2, 1)


@pytest.mark.parametrize(
    ("strict", "on_miss", "steps", "extra", "has_failed"),
    [
        (False, OnMiss.SIMULATE, 1, 1, False),
        (False, OnMiss.ERROR, 1, 0, False),
        (False, OnMiss.ERROR, 2, 1, True),
        (True, OnMiss.SIMULATE, 2, 0, False),
        (True, OnMiss.SIMULATE, 1, 0, True),
        (True, OnMiss.SIMULATE, 2, 1, True),
    ],
)
def test_misses_and_unused_exchanges_are_bad_news_on_demand(
    strict: bool, on_miss: OnMiss, steps: int, extra: int, has_failed: bool, recording: Path
) -> None:
    run = EngineRun(EngineSettings(recordings=(recording,), strict=strict, on_miss=on_miss), no_warning)
    player = Player(run.engine)
    player.open()
    player.play([*STEPS[:steps], *[(9.0, 9.0, "bufferStart", {})] * extra])

    assert result_of(run).has_failed is has_failed


@pytest.mark.parametrize(("on_miss", "has_failed"), [(OnMiss.SIMULATE, False), (OnMiss.ERROR, True)])
def test_other_requests_are_reported(on_miss: OnMiss, has_failed: bool, recording: Path) -> None:
    result = result_of(run_of(EngineSettings(recordings=(recording,), on_miss=on_miss), 2), other_requests=2)

    assert "refused 2 other requests to the endpoint: no Media Collection call" in result.lines
    assert (result.report.refused, result.has_failed) == (2, has_failed)


def test_counts_of_workers_add_up_and_pickle(recording: Path) -> None:
    settings = EngineSettings(recordings=(recording,), strict=True, faults=(parse_fault("event:play=503"),))
    parent = EngineRun(settings, no_warning)
    collector = CountCollector(parent.internal_errors, parent.totals)
    for steps in (1, 2):
        worker = EngineRun(settings, no_warning)
        reporter = worker.reporter(collector.next_process(), OfflineGuard(), lambda: {"refused_clients": 2})
        play(worker, steps)
        # What came with the calls of one that dies counts as well.
        take(collector, reporter.report_call())
        worker.internal_errors.record("a test", ValueError("planted"))
        take(collector, reporter.report_changes())
        assert reporter.report_changes() is None
        take(collector, reporter.report_all())

    counts = parent.counts(OfflineGuard(), refused_clients=1)
    counts.add(collector.total())
    result = parent.result(counts)
    assert result.report.replay
    assert (result.report.replay.playbacks, result.report.replay.unused) == (2, [])
    assert (counts.refused_clients, counts.faults, counts.internal_errors) == (5, 2, 2)
    assert "faults injected: 2" in result.lines
    assert "2 internal errors: see the log" in result.lines
    assert result.has_failed


def test_attempts_to_reach_the_network_are_bad_news_and_add_up() -> None:
    run = EngineRun(EngineSettings(), no_warning)
    counts = run.counts(OfflineGuard())
    for host in ("a.example", "b.example"):
        counts.add(WorkerCounts(offline=OfflineAttempts(count=30, examples=[f"connect {host}"] * 20)))

    result = run.result(counts)
    assert result.has_failed
    assert result.report.offline_attempts == 60
    assert result.lines[-1].startswith("offline: 60 connections and look-ups attempted: connect a.example, ")
    assert result.lines[-1].count("example") == 20


def test_without_a_guard_there_is_no_line_about_the_network() -> None:
    run = EngineRun(EngineSettings(), no_warning)
    run.engine.answer(request(path="/api/v1/sessions"), 0)

    assert run.result(run.counts(None)).lines == ()


def test_a_report_is_written_as_json(recording: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    result = result_of(run_of(EngineSettings(recordings=(recording,), summary=summary), 2))
    assert summary.read_bytes() == b""
    write_summary_file(summary, result.report)

    report = orjson.loads(summary.read_bytes())
    assert (report["replay"]["hits"], report["offline_attempts"]) == (3, 0)


def test_a_report_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder '.*/no'; create it first"):
        EngineRun(EngineSettings(summary=tmp_path / "no" / "such" / "summary.json"), no_warning)
