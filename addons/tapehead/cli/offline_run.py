"""What replay and serve have in common: recordings, an engine built from them, and the books at the end."""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_bytes

import msgspec

from tapehead.answers import Engine
from tapehead.errors import UsageError
from tapehead.internal_errors import InternalErrors
from tapehead.live.page_settings import LiveSettings
from tapehead.network.offline_guard import OfflineGuard
from tapehead.recording.paths import check_outputs, private
from tapehead.recording.reader import RecordingReader
from tapehead.redaction.excerpts import excerpts_for
from tapehead.replay.index import build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import ReplayCounts, ReplaySummary, summarise, summary_lines
from tapehead.simulator.endpoint import SimulatedEndpoint, Simulator
from tapehead.simulator.faults import Fault, FaultInjector, Latency
from tapehead.text import count_of, escape_controls


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What answers, and how.

    Attributes:
        recordings: what to replay; none to simulate all of it.
        on_miss: what becomes of calls that were not recorded.
        faults: what is broken on purpose.
        latency: how long answers wait; None for not at all.
        time_scale: how many seconds pass for the simulated back end in one.
        strict_schema: whether undocumented parameters are refused.
        strict: whether misses and calls never asked for are bad news.
        explain: whether the line of each answer says why that exchange was chosen.
        summary: where to write the summary as JSON; None for nowhere.
        quiet: whether nothing is printed for each call.
        keep_ids: whether lines and the summary may name who plays.
        redact_keys: names whose values identify somebody, besides those that always do.
        live: the live page; None for none.
    """

    recordings: tuple[Path, ...] = ()
    on_miss: OnMiss = OnMiss.SIMULATE
    faults: tuple[Fault, ...] = ()
    latency: Latency | None = None
    time_scale: float = 1.0
    strict_schema: bool = False
    strict: bool = False
    explain: bool = False
    summary: Path | None = None
    quiet: bool = False
    keep_ids: bool = False
    redact_keys: tuple[str, ...] = ()
    live: LiveSettings | None = None


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The summary as JSON.

    Attributes:
        recordings: the files, by the numbers that misses and unused calls name.
        replay: what was played and missed; None for a simulation.
        faults: how many answers a fault changed.
        refused: requests to the endpoint that are no collection call.
        failures: failures of tapehead's own.
        offline_attempts: connections and look-ups that were attempted, and refused; 0 where misses are forwarded.
    """

    recordings: tuple[str, ...]
    replay: ReplaySummary | None
    faults: int
    refused: int
    failures: int
    offline_attempts: int


class EngineRun:
    """An engine and its books.

    Args:
        settings: what answers, and how.
        warn: prints a line on stderr.

    Attributes:
        engine: what answers.
        counts: what was played; None for a simulation. Those of other processes can be added.
        recordings: the files that are replayed.
        names: the recordings' names.
        failures: what failed of tapehead's own.

    Raises:
        RecordingError: a recording cannot be read.
        UsageError: a recorded schema is none, or the summary cannot be written.
    """

    def __init__(self, settings: EngineSettings, warn: Callable[[str], None]) -> None:
        self._settings = settings
        reader = RecordingReader(settings.recordings, warn)
        if settings.summary:
            check_outputs([settings.summary], reader.files)
            _check_writable(settings.summary)
        entries = reader.by_file() if settings.recordings else {}
        self._index = build_index(entries.values())
        self.recordings = tuple(entries)
        self.names = tuple(map(str, entries))
        # The same latencies in every run.
        chance = random.Random(0).random  # noqa: S311 - no secret
        self._faulty = FaultInjector(self._inner(), settings.faults, settings.latency, chance)
        self.engine: Engine = self._faulty
        self.failures = InternalErrors(settings.redact_keys)
        self.faults_injected_elsewhere = 0

    def _inner(self) -> Engine:
        settings, schemas = self._settings, schemas_of(self._index, self.names)
        self.counts: ReplayCounts | None = None
        if not settings.recordings:
            return Simulator(
                schemas, random_bytes=token_bytes, strict=settings.strict_schema, time_scale=settings.time_scale
            )
        endpoint = SimulatedEndpoint(
            schemas, random_bytes=token_bytes, strict=settings.strict_schema, time_scale=settings.time_scale
        )
        replay = Replayer(
            self._index,
            schemas,
            random_bytes=token_bytes,
            on_miss=settings.on_miss,
            endpoint=endpoint,
            files=self.names,
            excerpts=excerpts_for(settings.redact_keys, None if settings.keep_ids else token_bytes(32)),
        )
        self.counts = replay.counts()
        return replay

    @property
    def faults_injected(self) -> int:
        """How many answers a fault changed, in all processes."""
        return self._faulty.faults_injected + self.faults_injected_elsewhere

    def close(self, guard: OfflineGuard | None, show: Callable[[str], None], refused: int = 0) -> int:
        """Show what was played and write the summary; the exit code.

        Args:
            guard: of the network; None where that is allowed.
            show: prints a line.
            refused: how many requests to the endpoint were refused, since they are no collection call.

        Raises:
            UsageError: the summary cannot be written.
        """
        summary = summarise(self._index, self.counts) if self.counts else None
        attempts = guard.attempts if guard else 0
        for line in self._lines(summary, guard, refused):
            show(line)
        if self._settings.summary:
            report = RunReport(
                recordings=self.names,
                replay=summary,
                faults=self.faults_injected,
                refused=refused,
                failures=self.failures.count,
                offline_attempts=attempts,
            )
            _write(self._settings.summary, report)
        return 1 if attempts or self.failures.count or (summary and self._is_bad_news(summary, refused)) else 0

    def _is_bad_news(self, summary: ReplaySummary, refused: int) -> bool:
        """Whether misses and refusals, or with `strict` calls never asked for, are what the run was to find out."""
        if self._settings.strict:
            return bool(summary.misses or summary.unused or refused)
        return self._settings.on_miss is OnMiss.ERROR and bool(summary.misses or refused)

    def _lines(self, summary: ReplaySummary | None, guard: OfflineGuard | None, refused: int) -> Iterator[str]:
        yield from map(escape_controls, summary_lines(summary, self.names) if summary else ())
        if self.faults_injected:
            yield f"faults made on demand: {self.faults_injected}"
        if refused:
            yield f"refused {count_of(refused, 'other request')} to the endpoint: no Media Collection call"
        if self.failures.count:
            yield f"{count_of(self.failures.count, 'failure')} of tapehead's own: see the log"
        if guard:
            yield guard.summary_line()


def _check_writable(path: Path) -> None:
    """Find out before the run whether its summary can be written."""
    try:
        open(path, "ab", opener=private).close()
    except OSError as error:
        raise UsageError(f"cannot write the summary to {path}: {error.strerror}") from error


def _write(path: Path, report: RunReport) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    except OSError as error:
        raise UsageError(f"cannot write the summary to {path}: {error.strerror}") from error


# What `books_of` puts together.
_Sent = tuple[ReplayCounts | None, int, int, int, int]


def dump_counts(run: EngineRun, guard: OfflineGuard, turned_away: int) -> bytes:
    """A process's books, for `add_books` in another; `turned_away` is how many connections it refused."""
    return msgspec.json.encode((run.counts, run.faults_injected, guard.attempts, turned_away, run.failures.count))


def merge_counts(run: EngineRun, sent: Sequence[bytes]) -> tuple[int, int]:
    """Add the books of other processes to those of `stage`.

    Returns:
        The connections and look-ups that they attempted, and the connections that they refused.
    """
    attempts = turned_away = 0
    for each in sent:
        counts, faults_injected, attempted, refused, failed = msgspec.json.decode(each, type=_Sent)
        attempts += attempted
        turned_away += refused
        run.failures.count += failed
        run.faults_injected_elsewhere += faults_injected
        if run.counts and counts:
            run.counts.add(counts)
    return attempts, turned_away
