"""Replayers of the recordings that a run plays: those of the command line, and others that are loaded later."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import TYPE_CHECKING, NamedTuple

from tapehead.answers import Engine
from tapehead.cli.messages import RECORD_A_PLAYER
from tapehead.cli.progress import Show, progress
from tapehead.errors import UsageError
from tapehead.protocol.schemas import Schemas
from tapehead.protocol.session_id import PROCESS_BYTES
from tapehead.recording.loadable_paths import check_loadable
from tapehead.recording.paths import STDIN, input_path, name_of, quoted_names
from tapehead.recording.reader import RecordingReader
from tapehead.recording.stored_schemas import STORED_NAME, stored_schemas
from tapehead.remote.url_paths import UrlPath
from tapehead.replay.engine_control import replayers
from tapehead.replay.entry_digest import EntryDigest, EntryDigester
from tapehead.replay.forwarded_calls import ForwardedCalls
from tapehead.replay.index import RecordingIndex, build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.peers import Peers
from tapehead.replay.summary import ReplayTotals
from tapehead.simulator.endpoint import SimulatedEndpoint, Simulator
from tapehead.text import shorten_value

if TYPE_CHECKING:
    from tapehead.cli.offline_run import EngineSettings
    from tapehead.redaction.excerpts import ExcerptRedactor
    from tapehead.replay.replayer import Replayer

# Beyond these, recordings that were loaded later and are no longer played are forgotten, their unused exchanges, too.
MOST_LOADED = 100

# Recordings of this size take a second to read.
LARGE_BYTES = 20_000_000

# What tells a file from a later one in its place: path, time of its last change, size.
State = frozenset[tuple[Path, int, int]]


class _Recordings(NamedTuple):
    """Recordings that were read: their files, the index, the numbers of its files, the schemas of their endpoint."""

    files: list[Path]
    recorded: RecordingIndex
    numbers: tuple[int, ...]
    schemas: Schemas


class EngineLoader:
    """A loader of recordings, and a maker of engines that play them or simulate the endpoint.

    Args:
        settings: the settings of the run.
        warn: prints a line on stderr, in any thread.
        show_once: shows a line unless it was shown before.

    Attributes:
        totals: the counts of all engines.
        indexes: the indexes of all recordings that were loaded.
        names: the names of the files, by their numbers.
        files: the files of the command line.
        state: what told them from later ones in their place before they were read; objects at a URL do not change.
        forwarded: the forwarded calls that are played as well; None if none are.
    """

    def __init__(
        self, settings: "EngineSettings", warn: Callable[[str], None], show_once: Callable[[str], None]
    ) -> None:
        self.totals = ReplayTotals()
        self.indexes: list[RecordingIndex] = []
        self.names: list[str] = []
        self.files: tuple[Path, ...] = ()
        self.state: State = frozenset()
        self.forwarded: ForwardedCalls | None = None
        self._settings = settings
        self._peers = Peers(settings.has_peers, time(), settings.take_turn, token_bytes(PROCESS_BYTES))
        self._warn = warn
        self._show_once = show_once
        # In the order of their use.
        self._loaded: dict[State, _Recordings] = {}

    @cached_property
    def _excerpts(self) -> "ExcerptRedactor":
        from tapehead.redaction.excerpts import ExcerptRedactor
        from tapehead.redaction.redactor import Redactor

        settings = self._settings
        return ExcerptRedactor(None if settings.keep_ids else Redactor(token_bytes(32), settings.redact_keys))

    def open(self, paths: Sequence[Path]) -> RecordingReader:
        """Return the reader of recordings.

        Raises:
            RecordingError: a file is missing.
        """
        if not paths:
            return RecordingReader([], self._warn)
        from tapehead.interop.reader import open_recordings  # with readers of other formats, which take long to load

        return open_recordings(paths, self._warn, endpoints=self._settings.endpoints)

    def first_engine(
        self, reader: RecordingReader, added: Path | None = None, *, shows_progress: bool = False
    ) -> Engine:
        """Return the engine of the run.

        Args:
            reader: reads the recordings.
            added: the recording of forwarded calls, to be played as well.
            shows_progress: whether a bar shows on a terminal that large recordings are read.

        Raises:
            RecordingError: a recording cannot be read.
        """
        settings = self._settings
        self.state = _state_of(file for file in reader.files if not isinstance(file, UrlPath))
        if shows_progress and _size_of(reader.files) >= LARGE_BYTES:
            with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
                recordings = self._read(reader, settings.recordings, show)
        else:
            recordings = self._read(reader, settings.recordings)
        self._add(recordings)
        self.files = tuple(recordings.files)
        if added:
            numbers = {file.resolve(): number for number, file in enumerate(self.files)}
            number = numbers.get(added.resolve(), len(self.files))
            self.forwarded = ForwardedCalls(number, self._warn)
            self.names += [str(added)] if number == len(self.names) else []
        index = recordings.recorded
        if settings.recordings and not (index.sessions or index.downloaded):
            names = ", ".join(f"'{name}'" for name in self.names)
            self._warn(f"no session to replay in {names}, so every call is a miss; {RECORD_A_PLAYER}")
        if settings.recordings or settings.on_miss is OnMiss.FORWARD:
            all_files = recordings._replace(numbers=tuple(range(len(self.names))))
            return self._replayer(all_files, settings.on_miss, self.forwarded)
        return self._simulator(recordings)

    def _simulator(self, recordings: _Recordings) -> Simulator:
        simulation = self._settings.simulation._asdict()
        return Simulator(recordings.schemas, random_bytes=token_bytes, **simulation)

    def load(self, paths: Sequence[str | Path], on_miss: OnMiss | None = None) -> Engine:
        """Return a replayer of other recordings; files that were loaded before and have not changed are not read again.

        Args:
            paths: files, folders or patterns; none for a simulation.
            on_miss: how to answer calls that are not in them; None as in the whole run.

        Raises:
            RecordingError: a file is missing or cannot be read.
            UsageError: there is no session in them, or misses cannot be treated so.
        """
        settings = self._settings
        if not paths and on_miss in (None, OnMiss.SIMULATE):
            return self._simulator(self._read(self.open(()), ()))
        if not paths or str(STDIN) in map(str, paths):
            problem = "cannot load from stdin" if paths else f"'{on_miss}' is about misses of recordings"
            raise UsageError(f"{problem}: name recordings")
        if wrong := [path for path in map(str, paths) if not path or "\0" in path]:
            raise UsageError(f"invalid path '{shorten_value(wrong[0])}': it is empty or has a NUL character")
        if on_miss in (OnMiss.FORWARD, OnMiss.ONCE) and settings.on_miss is not OnMiss.FORWARD:
            raise UsageError(f"cannot answer misses with '{on_miss}' here; expected '{OnMiss.SIMULATE}' or 'error'")
        check_loadable(paths)
        reader = self.open(list(map(input_path, paths)))
        state = _state_of(reader.files)
        known = self._loaded.pop(state, None)
        recordings = known or self._read(reader, paths)
        if not (recordings.recorded.sessions or recordings.recorded.downloaded):
            raise UsageError(f"no session to replay in {quoted_names(reader.files)}")
        if known is None:
            self._add(recordings)
        self._loaded[state] = recordings
        return self._replayer(recordings, on_miss or settings.on_miss)

    def forget_unplayed(self, engines: Iterable[Engine]) -> None:
        """Forget the recordings that were loaded first and that none of these engines plays, if there are too many."""
        played = [replayer.recordings.index for replayer in replayers(engines)]
        for state, recordings in list(self._loaded.items())[: max(0, len(self._loaded) - MOST_LOADED)]:
            if not any(index is recordings.recorded for index in played):
                del self._loaded[state]
                self.indexes[:] = [index for index in self.indexes if index is not recordings.recorded]

    def _add(self, recordings: _Recordings) -> None:
        self.names += map(str, recordings.files)
        self.indexes.append(recordings.recorded)

    def _read(
        self, reader: RecordingReader, paths: Sequence[str | Path], on_progress: Show | None = None
    ) -> _Recordings:
        with without_collection():
            return self._index(reader, paths, on_progress)

    def _index(self, reader: RecordingReader, paths: Sequence[str | Path], on_progress: Show | None) -> _Recordings:
        digester, by_name = EntryDigester(), dict[str, list[EntryDigest]]()
        for entry in reader.entries(on_progress, keep_places=True) if paths else ():
            digest = digester.digest(entry, reader.stored(entry) or entry.exchange)
            if entry.recording in by_name:
                by_name[entry.recording].append(digest)
            else:
                by_name[entry.recording] = [digest]
        entries = {path: by_name[name_of(path)] for path in reader.files if name_of(path) in by_name}
        stored = [entry.exchange for entry in stored_schemas(reader.files, self._warn)]
        if len(entries) > 1:  # they are no calls of players, which might be missed
            entries = {path: each for path, each in entries.items() if path.name != STORED_NAME}
        numbers = tuple(range(len(self.names), len(self.names) + len(entries)))
        index = build_index(entries.values(), numbers)
        return _Recordings(list(entries), index, numbers, schemas_of(index, stored))

    def _replayer(
        self, recordings: _Recordings, on_miss: OnMiss, forwarded: ForwardedCalls | None = None
    ) -> "Replayer":
        from tapehead.replay.replayer import Replayer

        settings, schemas = self._settings, recordings.schemas
        return Replayer(
            recordings.recorded,
            schemas,
            random_bytes=token_bytes,
            on_miss=on_miss,
            endpoint=SimulatedEndpoint(schemas, random_bytes=token_bytes, **settings.simulation._asdict()),
            files=self.names,
            numbers=recordings.numbers,
            excerpts=self._excerpts,
            warn=self._show_once,
            forwarded=forwarded,
            explain=settings.explain,
            totals=self.totals,
            peers=self._peers,
        )


@contextmanager
def without_collection() -> Iterator[None]:
    """Pause the search for unreachable cycles, which would look at each new object again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _size_of(files: Iterable[Path]) -> int:
    return sum(size for _, _, size in _state_of(files))


def _state_of(files: Iterable[Path]) -> State:
    states = []
    for file in files:
        with suppress(OSError):  # reading it says what is wrong
            state = file.stat()
            states.append((file.resolve(), state.st_mtime_ns, state.st_size))
    return frozenset(states)
