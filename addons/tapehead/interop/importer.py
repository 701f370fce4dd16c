"""Brings what other tools have saved of a player's traffic into a recording.

Nothing that is read is run, and nothing that it names is fetched.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tapehead.errors import RecordingError, TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.interop.collector import CallCollector, CollectedCall
from tapehead.interop.detect import read_file
from tapehead.protocol.hosts import EndpointHosts
from tapehead.recording.paths import STDIN, check_outputs, name_of
from tapehead.recording.pipeline import ExchangePipeline
from tapehead.recording.pseudonym_keys import pseudonym_key
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.recording.recording_file import RecordingFile
from tapehead.redaction.redactor import Redactor
from tapehead.text import count_of

# Lines that are written at once.
_MOST_LINES = 256
# Files that are named at the end.
_MOST_NAMED = 3


class ImportSettings(NamedTuple):
    """What to import, and where to.

    Attributes:
        files: HAR and flow files.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        store: the recording.
    """

    files: tuple[Path, ...]
    endpoints: tuple[str, ...]
    store: StoreSettings


class ImportResult(NamedTuple):
    """Result of an import.

    Attributes:
        summary: what was imported, in one line.
        unread: names of the files that could not be read.
        lost: how many calls could not be stored.
    """

    summary: str
    unread: tuple[str, ...]
    lost: int


def run_import(
    settings: ImportSettings, warn: Callable[[str], None], on_progress: Callable[[int, int], None]
) -> ImportResult:
    """Import files into one recording.

    Args:
        settings: what, and where to.
        warn: takes each warning, one line.
        on_progress: called with how many files are done, and how many requests were read in all.

    Raises:
        RecordingError: nothing can be read, there is no call in it, or the recording cannot be written.
        UsageError: the recording is one of the files.
    """
    check_outputs([settings.store.out], (path for path in settings.files if path != STDIN))
    failures = InternalErrors(settings.store.redact_keys)
    with _opened(settings.store) as file:
        pipeline = ExchangePipeline(_redactor(settings.store), failures)
        gathered = _gather(settings, warn, on_progress)
        written = _write(file, pipeline, gathered)
    summary = _summary(settings, pipeline, written, gathered) + str(failures)
    return ImportResult(summary, tuple(gathered.unread), len(gathered.sieve.taken) - written)


class _Gathered(NamedTuple):
    """What the files gave: what the sieve has, and the names of the files that were read and of those that were not."""

    sieve: CallCollector
    read: list[str]
    unread: list[str]


@contextmanager
def _opened(store: StoreSettings) -> Iterator[RecordingFile]:
    """The recording, open; removed again if nothing came into it."""
    with RecordingFile(store.out, append=store.append, overwrite=store.overwrite) as file:
        try:
            yield file
        finally:
            file.discard_if_empty()


def _redactor(store: StoreSettings) -> Redactor | None:
    return None if store.keep_ids else Redactor(pseudonym_key(store.out.parent), store.redact_keys)


# ---- Reading ----


def _gather(
    settings: ImportSettings, warn: Callable[[str], None], on_progress: Callable[[int, int], None]
) -> _Gathered:
    """Read all files that can be read.

    Raises:
        RecordingError: none can be, or there is no call in them.
    """
    gathered = _Gathered(CallCollector(EndpointHosts(settings.endpoints), warn), [], [])
    for number, path in enumerate(settings.files):
        gathered.sieve.show = partial(on_progress, number)
        _read(path, gathered, warn)
    if not gathered.read:
        raise RecordingError("nothing to import: no file could be read")
    if not gathered.sieve.taken:
        raise RecordingError(_nothing_in(gathered))
    _warn(gathered.sieve, warn)
    return gathered


def _read(path: Path, gathered: _Gathered, warn: Callable[[str], None]) -> None:
    name = name_of(path)
    try:
        read_file(path, gathered.sieve, warn)
        gathered.read.append(name)
    except TapeheadError as problem:
        warn(str(problem))
        gathered.unread.append(name)
    gathered.sieve.finish(name)


def _nothing_in(gathered: _Gathered) -> str:
    """Why nothing was imported, and what to do."""
    sieve = gathered.sieve
    looked_at = f"among {count_of(sieve.looked_at, 'request')} in {_named(gathered.read)}"
    if sieve.alike:
        alike = ", ".join(sieve.alike)
        return f"no call to a host that counts {looked_at}, but some that look like calls, to {alike}; {_SAY}"
    damaged = f", of which {sieve.damaged} are damaged" if sieve.damaged else ""
    return f"no Media Collection call {looked_at}{damaged}; save the traffic while the player plays"


_SAY = "say --endpoint HOST for those that are the endpoint"


def _warn(sieve: CallCollector, warn: Callable[[str], None]) -> None:
    """Tell what is missing from what was imported."""
    if sieve.bodiless:
        warn(
            f"the exporter left out {count_of(sieve.bodiless, 'body', 'bodies')}; "
            "those calls are stored without, and findings say so; record with tapehead to have them"
        )
    if sieve.alike:
        warn(f"calls to {', '.join(sieve.alike)} are left out; {_SAY}")


# ---- Writing ----


def _write(file: RecordingFile, pipeline: ExchangePipeline, gathered: _Gathered) -> int:
    """Store what was taken, by the time at which it arrived; how many lines there are.

    Raises:
        RecordingError: the disk does not take it.
    """
    written, taken = 0, sorted(gathered.sieve.taken, key=_arrived)
    lines = filter(None, (pipeline.process(each.exchange, each.arrived) for each in taken))
    try:
        for batch in itertools.batched(lines, _MOST_LINES):
            file.append(batch)
            written += len(batch)
    except OSError as error:
        part = f"{written} of {count_of(len(taken), 'exchange')} are in it"
        raise RecordingError(f"cannot write {file.path}: {error.strerror}; {part}") from error
    return written


def _arrived(taken: CollectedCall) -> float:
    return taken.arrived


def _summary(settings: ImportSettings, pipeline: ExchangePipeline, written: int, gathered: _Gathered) -> str:
    """What was imported, in one line."""
    sieve = gathered.sieve
    took = f"imported {count_of(written, 'exchange')} of {count_of(pipeline.begun, 'session')}"
    others = f"; {count_of(sieve.others, 'other request')} left out" if sieve.others else ""
    damaged = f"; {count_of(sieve.damaged, 'damaged entry', 'damaged entries')} left out" if sieve.damaged else ""
    return f"{took} from {_named(gathered.read)} into {settings.store.out}: {pipeline.verdict()}{others}{damaged}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} files"
