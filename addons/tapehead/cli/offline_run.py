"""The parts that replay and serve share: an engine built from recordings, its counts, and the result at the end.

An `EngineRun` prints nothing: it returns counts and a result, which the commands print and write with `conclude`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from tapehead.answers import Engine
from tapehead.cli.engine_loader import EngineLoader, State
from tapehead.cli.option_parsing import SimulationSettings, parse_redact_keys, simulation_settings
from tapehead.cli.run_journal import audit_summary, show_summary
from tapehead.cli.run_report import VERSION, RunReport
from tapehead.cli.summary_file import check_summary_file, write_summary_file
from tapehead.cli.terminal import Screen
from tapehead.cli.worker_counts import CountCollector, CountReporter, WorkerCounts
from tapehead.internal_errors import InternalErrors
from tapehead.network.offline_guard import OfflineAttempts, OfflineGuard
from tapehead.recording.calls_elsewhere import CallsElsewhere
from tapehead.replay.engine_control import EngineControl
from tapehead.replay.merged_summary import fingerprint_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.peers import TakeTurn
from tapehead.replay.summary import ReplayCounts, ReplayTotals, recorded_calls, summarise
from tapehead.reports.report_formats import FailOn
from tapehead.simulator.endpoint import Simulator
from tapehead.simulator.faults import Fault, Latency, parse_fault, parse_latency
from tapehead.simulator.keyed_engine import KeyedEngine
from tapehead.text import escape_controls

if TYPE_CHECKING:
    from tapehead.journal.journal_run import JournalRun
    from tapehead.recording.recorder import Recorder


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an engine and of its run.

    Attributes:
        recordings: the recordings to replay; none to simulate everything, or to forward it.
        endpoints: hosts that count as the endpoint in HAR and flow files, besides Adobe's own.
        on_miss: how to answer calls that are not in the recordings.
        faults: the faults to inject.
        latency: how long answers are delayed; None for not at all.
        simulation: how the simulated endpoint behaves.
        explain: whether lines say why each recorded exchange was chosen.
        strict: whether a run with misses or unused exchanges has failed.
        needs_calls: whether a run without a call has failed.
        summary: the file for the summary as JSON; None for none.
        keep_ids: whether lines and the summary may contain identifiers.
        redact_keys: keys with identifying values, besides the built-in ones.
        has_peers: whether other processes answer the same players, as of several workers.
        take_turn: takes a turn of these together; None if they cannot.
        state: what tells the recordings from later ones in their place, as their parent read them; None without one.
    """

    recordings: tuple[Path, ...] = ()
    endpoints: tuple[str, ...] = ()
    on_miss: OnMiss = OnMiss.SIMULATE
    faults: tuple[Fault, ...] = ()
    latency: Latency | None = None
    simulation: SimulationSettings = SimulationSettings()
    explain: bool = False
    strict: bool = False
    needs_calls: bool = False
    summary: Path | None = None
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    has_peers: bool = False
    take_turn: TakeTurn | None = None
    state: State | None = None


def engine_settings(params: Mapping[str, Any], recordings: Sequence[Path], on_miss: OnMiss) -> EngineSettings:
    """Return the engine that the options of `serve` and `replay` ask for, by parameter.

    Raises:
        UsageError: an option is malformed.
    """
    names = ("config", "strict_schema", "time_scale", "second_end", "over_limit")
    config, *simulation = (params[name] for name in names)
    latency, summary = params["latency"], params["summary"]
    return EngineSettings(
        recordings=tuple(recordings),
        endpoints=tuple(params["endpoint"] or ()),
        on_miss=on_miss,
        faults=tuple(map(parse_fault, params["fault"] or ())),
        latency=parse_latency(latency) if latency is not None else None,
        simulation=simulation_settings(Path(config) if config else None, *simulation),
        explain=params["explain"],
        strict=params["strict"] and bool(recordings),
        needs_calls=params["strict"],
        summary=Path(summary) if summary else None,
        keep_ids=params["keep_ids"],
        redact_keys=parse_redact_keys(params["redact_key"]),
    )


class RunCounts(msgspec.Struct, kw_only=True):
    """The counts of a run in one process, or in several after `add`.

    Attributes:
        replay: what was replayed; None for a simulation.
        faults: how many answers a fault changed.
        internal_errors: failures of tapehead itself.
        offline: connections and look-ups that were refused; None where misses are forwarded.
        elsewhere: what came instead of calls, and the number of calls.
        refused_clients: connections that the client filter refused.
    """

    replay: ReplayCounts | None
    faults: int
    internal_errors: int
    elsewhere: CallsElsewhere
    offline: OfflineAttempts | None = None
    refused_clients: int = 0

    def add(self, workers: WorkerCounts) -> None:
        """Add the counts of worker processes, but for internal errors and what was replayed, which came meanwhile."""
        own, attempts = self.elsewhere, self.offline
        self.elsewhere = CallsElsewhere()  # since others go on counting with that one
        for elsewhere in (own, workers.elsewhere):
            self.elsewhere.add_all(elsewhere)
        self.faults += workers.faults
        self.refused_clients += workers.refused_clients
        self.offline = OfflineAttempts()
        for each in filter(None, (attempts, workers.offline)):
            self.offline.add(each)


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run.

    Attributes:
        report: the summary as JSON.
        lines: the summary for people.
        has_failed: whether the exit code is 1, as after internal errors or attempts to leave the machine.
    """

    report: RunReport
    lines: tuple[str, ...]
    has_failed: bool


class EngineRun:
    """An engine built from recordings or a simulation, and its counts.

    Args:
        settings: the settings.
        warn: prints a line on stderr.
        added: the recording of forwarded calls, if this run plays them as well; None for no such recording.
        show: shows a line while calls are answered; left out, what it would say stands in the result.
        shows_progress: whether a bar shows on a terminal that large recordings are read.

    Attributes:
        engine: answers the calls, those of each key from an engine of its own.
        control: sets faults, loads recordings and resets counts while it answers.
        recordings: the files of the settings that are replayed.
        internal_errors: failures of tapehead itself.
        elsewhere: what comes instead of calls, and the number of calls.
        settings: as given.
        forwarded: the forwarded calls that this run plays as well; None if it plays none.
        guard: the guard of the network; None until there is one, and where misses are forwarded.
        workers: the counts of worker processes, which answer instead of this one; None without any.

    Raises:
        RecordingError: a recording cannot be read.
        UsageError: the summary cannot be written.
    """

    def __init__(
        self,
        settings: EngineSettings,
        warn: Callable[[str], None],
        show: Callable[[str], None] | None = None,
        *,
        added: Path | None = None,
        shows_progress: bool = False,
    ) -> None:
        self.settings = settings
        self._show = show
        self._shown: set[str] = set()
        self._loader = loader = EngineLoader(settings, warn, self._show_once)
        reader = loader.open(settings.recordings)
        check_summary_file(settings.summary, reader.files)
        engine = loader.first_engine(reader, added, shows_progress=shows_progress)
        self.recordings = loader.files
        self.forwarded = loader.forwarded
        # The same latencies in every run.
        chance = random.Random(0).random  # noqa: S311 - no secret
        self.engine = KeyedEngine(engine, settings.faults, settings.latency, chance, RLock())
        self.control = EngineControl(self.engine, loader.totals, loader.names, self._load)
        self.internal_errors = InternalErrors(settings.redact_keys)
        self.elsewhere = CallsElsewhere()
        self.guard: OfflineGuard | None = None
        self.workers: CountCollector | None = None
        self._replays = not isinstance(engine, Simulator)

    def settings_of_workers(self) -> EngineSettings:
        """Return the settings for each of several worker processes, which share the turns of recorded sessions.

        The files are the same in each process, even if a folder changes meanwhile.
        """
        from tapehead.server.shared_turns import SharedTurns

        return msgspec.structs.replace(
            self.settings,
            recordings=self.recordings,
            has_peers=True,
            take_turn=SharedTurns().take,
            state=self._loader.state,
        )

    def warn_of_changes(self, warn: Callable[[str], None]) -> None:
        """Warn in a worker if recordings were changed since its parent read them, as where another worker had died."""
        read, state = self._loader.state, self.settings.state
        if state is None or read == state:
            return
        changed = ", ".join(sorted({f"'{path}'" for path, *_ in read ^ state}))
        warn(
            f"{changed} changed since this run began: a worker that starts now plays what is there now, and others"
            " what they read; restart the command so that all play the same"
        )

    @property
    def totals(self) -> ReplayTotals:
        """The counts of what is replayed, of all keys."""
        return self._loader.totals

    def reporter(
        self, process: int, guard: OfflineGuard, others: Callable[[], Mapping[str, int]] = dict
    ) -> CountReporter:
        """Return what reports the counts of this process to the parent of several.

        Args:
            process: the number of this process.
            guard: the guard of the network.
            others: returns counts that it does not know, by their names in `WorkerCounts`.
        """

        def counts() -> WorkerCounts:
            return WorkerCounts(
                elsewhere=self.elsewhere,
                internal_errors=self.internal_errors.count,
                faults=self.engine.faults_injected,
                offline=guard.attempts,
                **others(),
            )

        return CountReporter(process, counts, self.totals)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recordings, by their numbers."""
        return tuple(self._loader.names)

    def _load(self, paths: Sequence[str | Path], on_miss: OnMiss | None) -> Engine:
        engine = self._loader.load(paths, on_miss)
        self._loader.forget_unplayed([engine, *self.engine.roots()])
        self._replays = True
        return engine

    def _show_once(self, line: str) -> None:
        line = escape_controls(line)
        if self._show and line not in self._shown:
            self._shown.add(line)
            self._show(line)

    def counts(self, guard: OfflineGuard | None, refused_clients: int = 0) -> RunCounts:
        """Return the counts of this process.

        Args:
            guard: the guard of the network; None where misses are forwarded.
            refused_clients: connections that the client filter refused.
        """
        return RunCounts(
            replay=self._loader.totals.run if self._replays else None,
            faults=self.engine.faults_injected,
            internal_errors=self.internal_errors.count,
            elsewhere=self.elsewhere,
            offline=guard.attempts if guard else None,
            refused_clients=refused_clients,
        )

    def report_so_far(self, other_requests: int = 0) -> RunReport:
        """Return the summary of the run up to now, in any thread while others answer.

        Args:
            other_requests: as for `result`.
        """
        counts = self.counts(self.guard)
        if counts.replay:
            with self.engine.lock:
                counts.replay = counts.replay.copy()
        if self.workers:
            of_workers = self.workers.total()
            counts.add(of_workers)
            other_requests += of_workers.unmatched
        return self.result(counts, other_requests).report

    def result(self, counts: RunCounts, other_requests: int = 0) -> RunResult:
        """Return the outcome of the run.

        Args:
            counts: the counts of all its processes.
            other_requests: requests to the endpoint that were refused, since they are no collection call.
        """
        with self.engine.lock:  # since recordings may be loaded
            indexes, names = list(self._loader.indexes), self.names
        # Nothing changes in them but by calls that are forwarded: else players need not wait for a long list.
        with self.engine.lock if self.forwarded else nullcontext():
            calls = [call for index in indexes for call in recorded_calls(index)] if counts.replay else []
        report = RunReport(
            version=VERSION,
            recordings=names,
            fingerprint=fingerprint_of(indexes),
            on_miss=self.settings.on_miss,
            replay=summarise(calls, counts.replay) if counts.replay else None,
            calls=counts.elsewhere.calls,
            session_starts=counts.elsewhere.starts,
            faults=counts.faults,
            refused=other_requests,
            internal_errors=counts.internal_errors,
            offline_attempts=counts.offline.count if counts.offline else 0,
        )
        # Worker processes do not say at once what was rewritten.
        lines = report.lines(self._shown)
        if counts.offline:
            lines.append(counts.offline.summary_line())
        has_failed = report.has_failed(is_strict=self.settings.strict, needs_calls=self.settings.needs_calls)
        return RunResult(report=report, lines=tuple(lines), has_failed=has_failed)


def conclude(
    run: EngineRun,
    counts: RunCounts,
    kept: "JournalRun | None",
    screen: Screen,
    fail_on: FailOn,
    warn: Callable[[str], None],
    notices: Callable[[], Iterable[str]],
    *,
    unmatched: int = 0,
    recorder: "Recorder | None" = None,
) -> int:
    """Show the end of a run, write its summary as JSON, if that has a path, and return the exit code.

    Args:
        run: the run.
        counts: the counts of all its processes.
        kept: its journal, which has ended; None without one.
        screen: the screen, which ends with it.
        fail_on: the least severe finding that makes the exit code 1.
        warn: prints a line on stderr.
        notices: returns lines on calls that did not come, which are printed last.
        unmatched: the number of requests to the endpoint that are no calls.
        recorder: recorded the calls that were forwarded; None where none are.

    Raises:
        UsageError: the file cannot be written.
    """
    result, has_found = run.result(counts, unmatched), show_summary(kept, screen.show, fail_on)
    for line in ([recorder.summary()] if recorder else []) + list(result.lines):
        screen.show(line)
    screen.close()
    report = msgspec.structs.replace(result.report, audit=audit_summary(kept, fail_on))
    write_summary_file(run.settings.summary, report)
    for line in notices():
        warn(line)
    return int(result.has_failed or has_found or not (recorder is None or recorder.is_whole))
