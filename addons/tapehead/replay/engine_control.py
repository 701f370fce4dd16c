"""Control of an engine while it answers: faults, recordings, a new beginning, misses and unused exchanges, by key."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tapehead.answers import Engine
from tapehead.errors import UsageError
from tapehead.protocol.request_key import check_key
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.replay.summary import Miss, ReplayCounts, ReplayTotals, Unused, recorded_calls, unused_calls
from tapehead.simulator.faults import parse_fault
from tapehead.simulator.keyed_engine import ActiveFault, KeyedEngine

# Returns an engine of some recordings, given their paths and what is done about misses (None as in the whole run).
Load = Callable[[Sequence[str], OnMiss | None], Engine]


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
        numbers = {number for engine in roots if isinstance(engine, Replayer) for number in engine.recordings.numbers}
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

    def load(self, paths: Sequence[str], key: str | None = None, on_miss: OnMiss | None = None) -> None:
        """Answer the calls of a key, or all calls, from other recordings from now on; after an error, nothing changes.

        Open sessions of theirs end: their next events are answered as misses, unless the recordings have their start.

        Args:
            paths: recordings, HAR or flow files, or folders; none to simulate the endpoint.
            key: the key; None for all calls but those of keys with recordings of their own.
            on_miss: how to answer calls that are not in these recordings; None as before.

        Raises:
            TapeheadError: a file cannot be read, or there is no session in them; or the key is invalid.
        """
        _check(key)
        before = self._engine.root_of(key)
        engine = self._load(paths, on_miss or (before.on_miss if paths and isinstance(before, Replayer) else None))
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

    def misses(self, key: str | None = None) -> list[Miss]:
        """Return the first misses since the start or the latest reset."""
        return list(self._counts_of(key).missed)

    def unused(self, key: str | None = None) -> list[Unused]:
        """Return the recorded exchanges that no call asked for since the start or the latest reset.

        For a key, those of the recordings that it plays; for None, those that no key asked for.
        """
        with self._engine.lock:
            used = set(self._counts_of(key).used)
            roots = [engine for engine in self._engine.roots() if isinstance(engine, Replayer)]
            indexes = list({id(engine.recordings.index): engine.recordings.index for engine in roots}.values())
            if key is not None:
                engine = self._engine.engine_of(key)
                indexes = [engine.recordings.index] if isinstance(engine, Replayer) else []
            for engine in self._engine.engines().values():
                used |= engine.recordings.forwarded_lines if isinstance(engine, Replayer) else set()
            # While calls are forwarded, indexes grow.
            calls = [call for index in indexes for call in recorded_calls(index)]
        return unused_calls(calls, used)

    def _counts_of(self, key: str | None) -> ReplayCounts:
        if key is None:
            return self._totals.shown
        engine = self._engine.engine_of(key)
        return engine.stats.counts if isinstance(engine, Replayer) else ReplayCounts()

    def _sum_up(self) -> None:
        shown = ReplayCounts()
        for engine in self._engine.engines().values():
            if isinstance(engine, Replayer):
                shown.add(engine.stats.counts)
        self._totals.shown = shown


def _check(key: str | None) -> None:
    if key and (problem := check_key(key)):
        raise UsageError(f"invalid key: {problem}")
