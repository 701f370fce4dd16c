"""Import of traffic that other tools have saved: HAR and flow files become a recording.

Nothing in those files is run, and nothing that they name is fetched.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tapehead.errors import RecordingError, TapeheadError
from tapehead.internal_errors import InternalErrors
from tapehead.interop.collector import CallCollector
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
# Files that are named in the summary.
_MOST_NAMED = 3
_HINT = "pass --endpoint HOST for those that are the endpoint"


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
            redactor = None if store.keep_ids else Redactor(pseudonym_key(store.out.parent), store.redact_keys)
            pipeline = ExchangePipeline(redactor, internal_errors)
            read, unread = collect_calls(files, collector, warn)
            written = write_calls(file, pipeline, collector)
        finally:
            file.discard_if_empty()
    summary = (
        f"imported {count_of(written, 'exchange')} of {count_of(pipeline.session_count, 'session')} "
        f"from {_name_list(read)} into {store.out}: {pipeline.findings_summary()}"
    )
    if collector.others:
        summary += f"; {count_of(collector.others, 'other request')} left out"
    if collector.malformed:
        summary += f"; {count_of(collector.malformed, 'malformed entry', 'malformed entries')} skipped"
    return ImportResult(f"{summary}{internal_errors}", tuple(unread), len(collector.calls) - written)


def collect_calls(
    files: Sequence[Path], collector: CallCollector, warn: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Collect the calls of all files that can be read, and warn of what is missing.

    Returns:
        The names of the files that were read, and of those that could not be read.

    Raises:
        RecordingError: none can be read, or there is no call in them.
    """
    read: list[str] = []
    unread: list[str] = []
    for path in files:
        name = name_of(path)
        try:
            read_file(path, collector, warn)
            read.append(name)
        except TapeheadError as error:
            warn(str(error))
            unread.append(name)
        collector.finish_file(name)
    if not read:
        raise RecordingError("nothing to import: no file could be read")
    similar = ", ".join(collector.similar_hosts)
    if not collector.calls:
        where = f"among {count_of(collector.entries, 'request')} in {_name_list(read)}"
        if similar:
            raise RecordingError(f"no call to the endpoint {where}, but similar ones to {similar}; {_HINT}")
        malformed = f", {collector.malformed} of them malformed" if collector.malformed else ""
        raise RecordingError(f"no Media Collection call {where}{malformed}; save the traffic while the player plays")
    if collector.without_body:
        warn(
            f"the exporter left out {count_of(collector.without_body, 'body', 'bodies')}; "
            "those calls are stored without, and findings say so; record with tapehead to have them"
        )
    if similar:
        warn(f"calls to {similar} are left out; {_HINT}")
    return read, unread


def write_calls(file: RecordingFile, pipeline: ExchangePipeline, collector: CallCollector) -> int:
    """Store the calls in the order of their arrival, and return the number of lines.

    Raises:
        RecordingError: the recording cannot be written.
    """
    written = 0
    calls = sorted(collector.calls, key=lambda call: call.arrived)
    lines = filter(None, (pipeline.process(call.exchange, call.arrived) for call in calls))
    try:
        for batch in itertools.batched(lines, _MOST_LINES):
            file.append(batch)
            written += len(batch)
    except OSError as error:
        part = f"it holds {written} of {count_of(len(calls), 'exchange')}"
        raise RecordingError(f"cannot write {file.path}: {error.strerror}; {part}") from error
    return written


def _name_list(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} files"
