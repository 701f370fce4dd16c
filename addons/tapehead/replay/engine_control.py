"""Control of an engine while it answers: faults, recordings, a new beginning, misses and unused exchanges, by key."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.answers import Engine
from tapehead.errors import UsageError
from tapehead.protocol.request_key import check_key
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.places import Places
from tapehead.replay.summary import Miss, ReplayCounts, ReplayTotals, Unused, recorded_calls, unused_calls
from tapehead.simulator.faults import parse_fault
from tapehead.simulator.keyed_engine import ActiveFault, KeyedEngine

if TYPE_CHECKING:
    from tapehead.replay.replayer import Replayer

# Returns an engine of some recordings, given their paths and what is done about misses (None as in the whole run).
Load = Callable[[Sequence[Any], OnMiss | None], Engine]


class AnswerCounts(NamedTuple):
    """The numbers of playbacks, hits and misses."""

    playbacks: int
    hits: int
    misses: int


class EngineControl:
    """Control of a running engine, in any thread.

    A key of None stands for everything, an empty one for the calls without a key.

    Args:
        engine: the engine, with a lock that one thread may take several times.
        totals: the counts of all keys.
        files: their names, by their numbers, which may grow.
        load: loads other recordings.
    """

    def __init__(
        self,
        engine: KeyedEngine,
        totals: ReplayTotals,
        files: Sequence[str],
        load: Load,
    ) -> None:
        self._engine = engine
        self._totals = totals
        self._files = files
        self._load = load

    @property
    def recordings(self) -> tuple[str, ...]:
        """The recordings that were loaded, by the numbers that misses and unused exchanges carry."""
        return tuple(self._files)

    def loaded(self, key: str | None = None) -> tuple[str, ...]:
        """Return the recordings that are played now; those that a key plays, if it is given."""
        roots = self._engine.roots() if key is None else [self._engine.root_of(key)]
        numbers = {number for replayer in replayers(roots) for number in replayer.recordings.numbers}
        return tuple(self._files[number] for number in sorted(numbers))

    def faults(self, key: str | None = None) -> list[ActiveFault]:
        """Return the faults that are set; those that affect the calls of a key, if it is given."""
        return [fault for fault in self._engine.faults if key is None or fault.key in (key, None)]

    def add_fault(self, text: str, key: str | None = None) -> ActiveFault:
        """Set a fault, written as on the command line, for the calls of a key or for all calls.

        Raises:
            UsageError: the fault or the key is invalid, or there are too many faults.
        """
        _check(key)
        return self._engine.add_fault(parse_fault(text, "fault"), key)

    def remove_fault(self, number: int) -> ActiveFault:
        """Remove the fault with a number and return it.

        Raises:
            UsageError: there is no such fault.
        """
        return self._engine.remove_fault(number)

    def load(self, paths: Sequence[Any], key: str | None = None, on_miss: OnMiss | None = None) -> None:
        """Answer the calls of a key, or all calls, from other recordings from now on; after an error, nothing changes.

        Open sessions of theirs end: their next events are answered as misses, unless the recordings have their start.

        Args:
            paths: recordings, HAR or flow files, or folders, as texts or paths; none to simulate the endpoint.
            key: the key; None for all calls but those of keys with recordings of their own.
            on_miss: how to answer calls that are not in these recordings; None as before.

        Raises:
            TapeheadError: a file cannot be read, or there is no session in them; or the key is invalid.
        """
        _check(key)
        before = self._engine.root_of(key)
        if paths and not on_miss:
            on_miss = next((replayer.on_miss for replayer in replayers([before])), None)
        engine = self._load(paths, on_miss)
        with self._engine.lock:
            self._engine.replace(engine, key)
            self._sum_up()

    def reset(self, key: str | None = None) -> None:
        """Forget playbacks, misses and counts of a key, or of all; the summary of the run keeps their sum.

        Raises:
            UsageError: the key is invalid.
        """
        _check(key)
        with self._engine.lock:
            self._engine.reset(key)
            self._sum_up()

    def counts(self, key: str | None = None) -> AnswerCounts:
        """Return the numbers of playbacks, hits and misses since the start or the latest reset."""
        counts = self._counts_of(key)
        return AnswerCounts(counts.playbacks, counts.hits, counts.misses)

    def run_counts(self) -> AnswerCounts:
        """Return the numbers of playbacks, hits and misses of the whole run, whatever was reset."""
        counts = self._totals.run
        return AnswerCounts(counts.playbacks, counts.hits, counts.misses)

    def misses(self, key: str | None = None) -> list[Miss]:
        """Return the first misses since the start or the latest reset."""
        return list(self._counts_of(key).missed)

    def unused(self, key: str | None = None) -> Sequence[Unused]:
        """Return the recorded exchanges that no call asked for since the start or the latest reset.

        For a key, those of the recordings that it plays; for None, those that no key asked for.
        """
        with self._engine.lock:
            used = Places()
            used.add_all(self._counts_of(key).used)
            played = replayers(self._engine.roots() if key is None else [self._engine.engine_of(key)])
            indexes = {id(replayer.recordings.index): replayer.recordings.index for replayer in played}.values()
            for replayer in replayers(self._engine.engines().values()):
                used.add_all(replayer.recordings.forwarded_lines)
            # While calls are forwarded, indexes grow.
            calls = [call for index in indexes for call in recorded_calls(index)]
        return unused_calls(calls, used)

    def _counts_of(self, key: str | None) -> ReplayCounts:
        if key is None:
            return self._totals.shown
        found = replayers([self._engine.engine_of(key)])
        return found[0].stats.counts if found else ReplayCounts()

    def _sum_up(self) -> None:
        shown = ReplayCounts()
        for replayer in replayers(self._engine.engines().values()):
            shown.add(replayer.stats.counts)
        self._totals.shown = shown


def replayers(engines: Iterable[Engine]) -> "list[Replayer]":
    """Return those of some engines that replay recordings."""
    from tapehead.replay.replayer import Replayer  # which a simulation does not need, and which takes long to load

    return [engine for engine in engines if isinstance(engine, Replayer)]


def _check(key: str | None) -> None:
    if key and (problem := check_key(key)):
        raise UsageError(f"invalid key: {problem}")
