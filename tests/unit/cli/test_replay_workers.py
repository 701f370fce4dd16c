"""A replay in several processes: counts that its parent adds up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tapehead.cli import engine_outputs, worker_run
from tapehead.cli.display import DisplaySettings
from tapehead.cli.offline_run import EngineSettings
from tapehead.cli.replay_workers import replay_in_workers
from tapehead.cli.worker_counts import WorkerCounts, WorkerReport
from tapehead.internal_errors import InternalErrors
from tapehead.proxy.proxy_settings import ProxySettings
from tapehead.server.workers import WorkerResults


def test_internal_errors_of_workers_are_counted_while_the_journal_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_end: list[int] = []

    def run(*_arguments: object) -> WorkerResults[WorkerReport]:
        counts = WorkerCounts(internal_errors=2)
        return WorkerResults([WorkerReport(process, 0, 0, 0, None, counts) for process in (1, 2)], 0)

    @contextmanager
    def open_journal(_options: object, _warn: object, errors: InternalErrors, **_others: object) -> Iterator[None]:
        yield
        at_end.append(errors.count)

    monkeypatch.setattr(worker_run, "run_workers", run)
    monkeypatch.setattr(engine_outputs, "open_journal", open_journal)
    settings = EngineSettings(summary=tmp_path / "summary.json")
    proxy = ProxySettings(modes=("regular",), host="127.0.0.1", port=0)

    assert replay_in_workers(2, proxy, settings, DisplaySettings(quiet=True), print) == 1
    assert at_end == [4]
    assert orjson.loads((tmp_path / "summary.json").read_bytes())["failures"] == 4
