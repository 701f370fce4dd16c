"""What a worker sends to its parent where nothing reads its calls: counts, now and then."""

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tapehead.cli import worker_run
from tapehead.cli.display import LINES
from tapehead.cli.offline_run import EngineRun, EngineSettings
from tapehead.cli.run_journal import NO_JOURNAL
from tapehead.cli.serve_workers import answer_in_workers
from tapehead.cli.terminal import Screen
from tapehead.cli.worker_counts import CountCollector, CountReporter, WorkerCounts, WorkerReport
from tapehead.cli.worker_run import ChannelSettings, WorkerPart, WorkerRun, WorkersEnd, connected
from tapehead.internal_errors import InternalErrors
from tapehead.recording.call_receiver import CallReceiver
from tapehead.replay.places import FewPlaces
from tapehead.replay.summary import ReplayCounts, ReplayTotals

ALONE = ChannelSettings(is_captured=False, is_recorded=False, is_followed=False, backlog=1_000_000)


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def test_what_a_worker_counted_is_known_when_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_run, "REPORT_SECONDS", 0.01)
    own, all_of_them, errors = ReplayTotals(), ReplayTotals(), InternalErrors()
    collector, counts, reports = CountCollector(errors, all_of_them), WorkerCounts(), list[Any]()
    reporter = CountReporter(1, lambda: counts, own)

    def take(report: Any) -> None:
        reports.append(report)
        collector.take(report)

    async def play(channel: socket.socket) -> None:
        async with connected(WorkerPart(1, 1, None, [], channel.dup()), ALONE, reporter, InternalErrors()):
            for nth in range(1, 4):
                counts.elsewhere.calls += 2
                counts.internal_errors = nth
                assert own.changes
                own.changes.add(ReplayCounts(hits=2, used=used(nth)))
                await until(lambda nth=nth: collector.total().elsewhere.calls == 2 * nth)
            sent = len(reports)
            await asyncio.sleep(0.1)
            assert len(reports) == sent  # nothing has changed

    def used(line: int) -> FewPlaces:
        places = FewPlaces()
        places.add(0, line)
        return places

    with CallReceiver(lambda _call, _size: None, pytest.fail, errors, take) as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    assert (all_of_them.run.hits, list(all_of_them.run.used)) == (6, [(0, 1), (0, 2), (0, 3)])
    assert errors.count == 3


def test_counts_that_cannot_be_reported_once_are_reported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_run, "REPORT_SECONDS", 0.01)
    errors, shown = InternalErrors(), list[str]()
    own = InternalErrors(report=shown.append)
    collector, failures = CountCollector(errors), iter([RuntimeError("the first one fails")])

    def count() -> WorkerCounts:
        for failure in failures:
            raise failure
        return WorkerCounts(internal_errors=own.count)

    async def play(channel: socket.socket) -> None:
        async with connected(WorkerPart(1, 1, None, [], channel.dup()), ALONE, CountReporter(1, count), own):
            await until(lambda: errors.count)

    take: Callable[[Any], None] = collector.take
    receiving = CallReceiver(lambda _call, _size: None, pytest.fail, errors, take)
    with receiving as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    assert errors.count == 1
    assert "reporting counts" in shown[0]


def test_the_calls_of_workers_count_once_in_the_summary_of_a_run_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live page answers until the audit has ended, after the workers."""

    def run_none(run: WorkerRun[Any], *_args: object) -> WorkersEnd:
        run.counts.take(WorkerReport(1, 3, 1, 0, None, WorkerCounts()))
        return WorkersEnd(run.counts.total(), 0)

    monkeypatch.setattr(WorkerRun, "run", run_none)
    run = EngineRun(EngineSettings(), pytest.fail)
    outputs: Any = SimpleNamespace(kept=None, screen=Screen(), announce=pytest.fail)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        counts = answer_in_workers(run, [listening], outputs, (), pytest.fail, LINES, NO_JOURNAL)
    assert (counts.elsewhere.calls, run.report_so_far().calls) == (3, 3)
