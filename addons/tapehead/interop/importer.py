"""Import of traffic that other tools have saved: HAR and flow files become a recording.

Nothing in those files is run, and nothing that they name is fetched.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tapehead.errors import RecordingError, TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.interop.collector import CallCollector, CollectedCall
from tapehead.interop.detect import read_file
from tapehead.protocol.exchange import Entry
from tapehead.protocol.hosts import EndpointHosts
from tapehead.recording.duplicates import DuplicateFilter
from tapehead.recording.identifier_file import IdentifierFile
from tapehead.recording.paths import STDIN, check_outputs, name_of
from tapehead.recording.pipeline import ExchangePipeline
from tapehead.recording.pseudonym_keys import pseudonym_key
from tapehead.recording.reader import read_recording
from tapehead.recording.recorder_settings import StoreSettings
from tapehead.recording.recording_file import RecordingFile
from tapehead.redaction.redactor import Redactor
from tapehead.remote.url_paths import UrlPath
from tapehead.text import count_of

# Lines that are written at once.
_MOST_LINES = 256
# Files that are named in the summary.
_MOST_NAMED = 3


class ImportResult(NamedTuple):
    """Result of an import.

    Attributes:
        summary: what was imported, in one line.
        unread: names of the files that could not be read.
        lost: the number of calls that could not be stored.
    """

    summary: str
    unread: tuple[str, ...]
    lost: int


def run_import(
    files: Sequence[Path],
    endpoints: Sequence[str],
    store: StoreSettings,
    warn: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> ImportResult:
    """Import files into one recording, which is removed again if nothing came into it.

    Args:
        files: HAR and flow files.
        endpoints: hosts that count as the endpoint besides the vendor's own.
        store: the recording.
        warn: called with one line about each problem.
        on_progress: called with the number of files that are done, and of requests read so far.

    Raises:
        RecordingError: nothing can be read, there is no call in it, or the recording cannot be written.
        UsageError: the recording is one of the files.
    """
    check_outputs([store.out], (path for path in files if path != STDIN))
    internal_errors = InternalErrors(store.redact_keys)
    collector = CallCollector(EndpointHosts(endpoints), warn, on_progress)
    with RecordingFile(store.out, append=store.append, overwrite=store.overwrite) as file:
        try:
            redactor, identifiers = None, IdentifierFile(store.out.parent, warn)
            if not store.keep_ids:
                key = pseudonym_key(store.out.parent)
                redactor = Redactor(key, store.redact_keys, identifiers.open(key))
            pipeline = ExchangePipeline(redactor, internal_errors)
            read, unread = collect_calls(files, collector, warn)
            calls = collector.finish()
            new = leave_out_known(calls, store.out) if store.append and file.size else calls
            written = write_calls(file, pipeline, new)
            identifiers.sync()
        finally:
            file.discard_if_empty()
    imported, findings = pipeline.exchanges_summary(written), pipeline.findings_summary()
    summary = f"imported {imported} from {_name_list(read)} into {store.out}: {findings}"
    if known := len(calls) - len(new):
        summary += f"; {known} were in it already"
    if collector.others:
        summary += f"; {count_of(collector.others, 'other request')} left out"
    if collector.malformed:
        summary += f"; {count_of(collector.malformed, 'malformed entry', 'malformed entries')} skipped"
    return ImportResult(f"{summary}{internal_errors}", tuple(unread), len(new) - written)


def collect_calls(
    files: Sequence[Path], collector: CallCollector, warn: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Collect the calls of all files that can be read.

    Returns:
        The names of the files with calls, and of those that could not be read.

    Raises:
        RecordingError: none can be read, or there is no call in them.
    """
    read: list[str] = []
    unread: list[str] = []
    empty: list[RecordingError] = []
    for path in files:
        name = name_of(path)
        try:
            read_file(path, collector, warn)
        except TapeheadError as error:
            if len(files) == 1:
                raise
            collector.drop_file()
            if not (isinstance(path, UrlPath) and path.is_left):  # which was told
                warn(str(error))
            unread.append(name)
            continue
        try:
            collector.finish_file()
            read.append(name)
        except RecordingError as error:
            empty.append(error)
    if not read and len(empty) == 1:
        raise empty[0]
    for each in empty:
        warn(str(each))
    if not read:
        raise RecordingError(f"nothing to import: no file {'has a call' if empty else 'could be read'}")
    return read, unread


def leave_out_known(calls: Sequence[CollectedCall], recording: Path) -> list[CollectedCall]:
    """Return the calls that are not in a recording yet."""
    duplicates = DuplicateFilter()
    with suppress(RecordingError):  # it has no whole line
        for item in read_recording(recording):
            if isinstance(item, Entry):
                duplicates.is_duplicate(item)
    return [call for call in calls if not duplicates.is_duplicate(Entry(call.number, call.exchange, call.file))]


def write_calls(file: RecordingFile, pipeline: ExchangePipeline, calls: Sequence[CollectedCall]) -> int:
    """Store calls, and return the number of lines.

    Raises:
        RecordingError: the recording cannot be written.
    """
    written = 0
    lines = filter(None, (pipeline.process(call.exchange, call.arrived) for call in calls))
    try:
        for batch in itertools.batched(lines, _MOST_LINES):
            file.append(batch)
            written += len(batch)
    except OSError as error:
        part = f"it holds {written} of {count_of(len(calls), 'exchange')}"
        raise RecordingError(f"cannot write '{file.path}': {error.strerror}; {part}") from error
    return written


def _name_list(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} files"
