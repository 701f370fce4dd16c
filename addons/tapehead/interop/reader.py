"""Reading of recordings, and of HAR and flow files as they are, into one stream of entries."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.detect import (
    SAVE_HAR,
    Format,
    advice_on,
    format_of,
    is_archive,
    is_text_of_no_kind,
    peek,
    read_file,
)
from tapehead.interop.unsupported_formats import unsupported_format
from tapehead.protocol.exchange import Entry, decode
from tapehead.protocol.hosts import EndpointHosts
from tapehead.recording.paths import COMPRESSED_SUFFIX, GZIP_SUFFIX, name_of
from tapehead.recording.reader import RecordingReader

if TYPE_CHECKING:
    from tapehead.recording.pipeline import ExchangePipeline

logger = logging.getLogger(__name__)


def read_recordings(
    paths: Iterable[str | Path],
    *,
    endpoints: Iterable[str] = (),
    warn: Callable[[str], None] = logger.warning,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Entry]:
    """Yield the exchanges of some recordings, HAR and flow files, merged by time.

    Args:
        paths: files, folders, shell-style patterns, and `-` for stdin; plain or compressed.
        endpoints: hosts that count as the endpoint in HAR and flow files, besides Adobe's own.
        warn: called with one line about each bad line, and about each file of a folder that cannot be read.
        on_progress: called with the number of files that are done, and of exchanges read so far.

    Raises:
        RecordingError: a file that was named cannot be read, or no file can.
    """
    return open_recordings(paths, warn, endpoints=endpoints).entries(on_progress)


def open_recordings(
    paths: Iterable[str | Path],
    warn: Callable[[str], None],
    *,
    strict: bool = True,
    endpoints: Iterable[str] = (),
) -> RecordingReader:
    """Return a reader of recordings, HAR and flow files; its arguments are those of `RecordingReader`.

    In HAR and flow files, `endpoints` are hosts of the endpoint, besides Adobe's own.
    """
    return RecordingReader(paths, warn, strict=strict, other=SavedTraffic(warn, endpoints))


class SavedTraffic:
    """HAR and flow files, read as if they had been imported: checked, and with pseudonyms for identifiers.

    Attributes:
        attached: files with bodies beside the HAR files that were read.
    """

    names = "HAR or flow file"

    def __init__(self, warn: Callable[[str], None], endpoints: Iterable[str] = ()) -> None:
        self.attached: set[Path] = set()
        self._endpoints = EndpointHosts(endpoints)
        self._warn = warn

    def recognises(self, path: Path) -> bool:
        """Return whether a file holds saved traffic, packed or not."""
        start = peek(path)
        return format_of(start) in (Format.HAR, Format.FLOWS) or is_archive(path, start)

    def advise(self, path: Path) -> str | None:
        """Return what to do with a file of a format that is known and not read; None for others."""
        name, start = name_of(path), peek(path)
        is_other = is_text_of_no_kind(start) and path.suffix not in ("", ".jsonl", COMPRESSED_SUFFIX, GZIP_SUFFIX)
        nothing = f"'{name}' is neither a recording, a HAR file nor a flow file of mitmproxy; {SAVE_HAR}"
        return advice_on(name, start) or (nothing if is_other else None)

    def describe_traffic(self, path: Path) -> str | None:
        """Return, for saved traffic of a known format that is not read, that format and what to do instead."""
        unsupported = unsupported_format(path.name, peek(path))
        return f"{unsupported.name}: {unsupported.advice}" if unsupported and unsupported.is_traffic else None

    def load(self, paths: Sequence[Path]) -> Mapping[Path, list[Entry] | RecordingError]:
        """Return the calls in files as entries in order of time, or why a file has none."""
        loaded: dict[Path, list[Entry] | RecordingError] = {}
        collector = CallCollector(self._endpoints, self._warn)
        for path in paths:
            try:
                self.attached |= read_file(path, collector, self._warn)
                collector.finish_file()
                loaded[path] = []
            except RecordingError as error:
                collector.drop_file()
                loaded[path] = error
        by_name = {name_of(path): path for path in paths}
        pipelines: dict[Path, ExchangePipeline] = {}
        for call in collector.finish():
            path = by_name[call.file]
            if path.parent not in pipelines:
                pipelines[path.parent] = _pipeline(path.parent)
            stored, entries = pipelines[path.parent].process(call.exchange, call.arrived), loaded[path]
            if stored and isinstance(entries, list):
                entries.append(Entry(call.number, decode(stored), call.file))
        return loaded


def _pipeline(folder: Path) -> "ExchangePipeline":
    """Return the pipeline for the calls of files in a folder, with the pseudonyms of the recordings there."""
    # Reading a recording needs none of these.
    import secrets

    from tapehead.internal_errors import InternalErrors
    from tapehead.recording.pipeline import ExchangePipeline
    from tapehead.recording.pseudonym_keys import pseudonym_key, shared_key
    from tapehead.redaction.redactor import Redactor

    key = shared_key()
    try:
        key = key or pseudonym_key(folder)
    except RecordingError:
        key = secrets.token_bytes(32)
    return ExchangePipeline(Redactor(key), InternalErrors())
