"""Reading of recordings: files, folders and patterns, merged into one stream of entries in order of arrival."""

import contextlib
import heapq
import itertools
import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import cast

from tapehead.errors import RecordingError
from tapehead.protocol.clock_reading import ClockReading, clocks_of, read_clocks
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import Call
from tapehead.recording.clock_offsets import ClockComparison, ClockOffset, Recorder, correct_clock
from tapehead.recording.documents import exchange_lines
from tapehead.recording.duplicates import DuplicateFilter
from tapehead.recording.fetched_contents import FetchedContents
from tapehead.recording.format_versions import BadLine, NewerFormatError, read_lines
from tapehead.recording.other_formats import OtherFormats
from tapehead.recording.paths import STDIN, InputFile, find_inputs, ignored_line, name_of, unreadable
from tapehead.recording.schema_check import SchemaCheck
from tapehead.recording.source_order import sort_by_number
from tapehead.recording.stored_lines import StoredLines, has_stored_lines
from tapehead.recording.unpacking import CutStreamError, StreamError, recording_coding, unpack
from tapehead.recording.zstd_frames import MAGIC
from tapehead.remote.journal_paths import JournalPath
from tapehead.remote.url_paths import UrlPath, fetch_all

# Bytes that are read at once.
CHUNK_BYTES = 64 * 1024
# Files that are held open at the same time. Those beyond are opened for each chunk.
MOST_OPEN = 16
# Files whose lines are read again when they are needed, each of which stays open; those of others are kept in memory.
MOST_STORED = 16
# Bad lines of one file with a warning each.
MOST_WARNINGS = 20
# Lines of a file that decide whether it is a recording, and when it begins.
SAMPLE_LINES = 20

PROGRESS_EVERY = 500
NoteLines = Callable[[Iterator[bytes | None]], Iterator[bytes | None]]


class RecordingReader:
    """Recordings as one stream of entries in order of arrival.

    Files are merged by time; the calls of one source come in the order of their numbers, also where a source goes on in
    another file (`sort_by_number` says within which bounds). The lines of files of format 1 keep their order.
    Files are opened when the time of their first exchange is reached. Files with equal times take turns in the order
    in which they were given. A file that is given twice is read once. Objects that URLs name are copied before. Where
    recorders' clocks are apart, all times become those of one of them.

    Args:
        paths: files, folders, shell-style patterns, URLs, and `-` for stdin; plain or compressed with zstd or gzip.
        warn: called with one line about each bad line, and about each file of a folder that cannot be read.
        strict: whether a file that was named and cannot be read ends the reading; if not, `warn` gets the reason.
        other: reads files in other formats; None for recordings alone.
        fetched: the contents that another machine has read; None to read files here.

    Attributes:
        files: the files that were found.
        exchanges: the number of exchanges read so far.
        unreadable: the files that were named and could not be read; of those in folders and patterns, the objects of
            stores that could not be reached.

    Raises:
        RecordingError: with `strict`, a folder holds no recording.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        warn: Callable[[str], None],
        *,
        strict: bool = True,
        other: OtherFormats | None = None,
        fetched: FetchedContents | None = None,
    ) -> None:
        self._warn = warn
        self._fetched = fetched
        self._on_progress: Callable[[int, int], None] = lambda _done, _read: None
        self._strict = strict
        self._other = other
        self._loaded: dict[Path, list[Entry] | RecordingError] = {}
        self._keeps_places = self._outlined = False
        self._stored: dict[str, StoredLines] = {}
        on_empty = None if strict else warn
        found = fetched.find_inputs(paths, on_empty) if fetched else find_inputs(paths, on_empty, other)
        self._inputs, self._ignored = found
        self._offsets: dict[Recorder, ClockOffset] = {}
        self._open = self._done = 0
        self.files = tuple(file.path for file in self._inputs)
        for notice in fetch_all(self.files):
            warn(notice)
        self.exchanges = 0
        self.unreadable: list[Path] = []

    def entries(
        self,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        keep_places: bool = False,
        outlined: bool = False,
    ) -> Iterator[Entry]:
        """Yield all entries; can be done once.

        Args:
            on_progress: called with the number of files that are done, and of exchanges read so far.
            keep_places: whether `stored` is to return the recordings that entries can be read from again.
            outlined: whether events may be outlines, as `outline_of` returns them.

        Raises:
            RecordingError: with `strict`, a file that was named cannot be read, or no file can.
        """
        self._on_progress = on_progress or self._on_progress
        self._keeps_places, self._outlined = keep_places, outlined
        self._load()
        schemas = SchemaCheck(self._warn)
        for entry in sort_by_number(self._read(self._inputs[0])) if len(self._inputs) == 1 else self._unique():
            if entry.exchange.call is Call.SCHEMA:
                schemas.check(entry)
            yield entry
        if self._strict and not self.exchanges:
            raise RecordingError(f"none of {len(self.files)} recordings can be read")

    @property
    def offsets(self) -> Mapping[Recorder, ClockOffset]:
        """By how much the clocks of recorders are off, once entries are read; empty if they agree."""
        return self._offsets

    def stored(self, entry: Entry) -> StoredLines | None:
        """Return the recording that an entry can be read from again; None for one that is packed or no plain file."""
        stored = self._stored.get(entry.recording)
        return stored if stored and stored.has(entry.line) else None

    def _store(self, path: Path) -> StoredLines | None:
        if not self._keeps_places or len(self._stored) >= MOST_STORED or not has_stored_lines(path):
            return None
        try:
            stored = StoredLines(path, lambda entry: correct_clock(entry, self._offsets))
        except OSError:  # reported once it is read
            return None
        self._stored[name_of(path)] = stored
        return stored

    def _load(self) -> None:
        """Read the files in other formats, and warn of the files in folders that are left."""
        attached: Collection[Path] = ()
        if self._other:
            paths = [file.path for file in self._inputs if self._other.recognises(file.path)]
            self._loaded = dict(self._other.load(paths)) if paths else {}
            attached = self._other.attached
        if line := ignored_line([path for path in self._ignored if path.resolve() not in attached], self._other):
            self._warn(line)

    def _compare_clocks(self) -> None:
        """Find recorders whose clocks are off, and warn of each."""
        comparison = ClockComparison()
        for file in self._inputs:
            if self._fetched:
                self._fetched.compare_clocks(file.path, comparison)
                continue
            for reading in self._clocks(file.path):
                comparison.add(name_of(file.path), reading)
        self._offsets = comparison.offsets()
        for recorder, offset in sorted(self._offsets.items()):
            self._warn(offset.describe(recorder))

    def _clocks(self, path: Path) -> Iterator[ClockReading]:
        loaded = self._loaded.get(path)
        if isinstance(loaded, list):
            yield from filter(None, (clocks_of(entry.exchange) for entry in loaded))
        elif not loaded and os.path.isfile(path):  # noqa: PTH113 - Path.is_file may raise
            with contextlib.suppress(RecordingError, OSError, StreamError):  # reported once it is read
                lines = filter(None, stored_lines(file_chunks(path, hold_open=False)))
                yield from filter(None, map(read_clocks, lines))

    def _unique(self) -> Iterator[Entry]:
        """Yield the entries of several files, of equal ones one, and say how many there were."""
        self._compare_clocks()
        duplicates = DuplicateFilter()
        yield from (entry for entry in sort_by_number(self._merge()) if not duplicates.is_duplicate(entry))
        if duplicates.count:
            self._warn(duplicates.summary())

    def _merge(self) -> Iterator[Entry]:
        # Of each file: the latest time so far, which its next entries do not fall behind; its number; the entry that
        # is due at that time, or None before the file is opened; and the entries after it.
        heap: list[tuple[float, int, Entry | None, Iterator[Entry]]] = [
            (self._first_time(file.path), number, None, self._read(file)) for number, file in enumerate(self._inputs)
        ]
        heapq.heapify(heap)
        while heap:
            time, number, due, entries = heapq.heappop(heap)
            if due:
                yield due
            limit = heap[0][:2] if heap else (math.inf, 0)
            for entry in entries:
                arrived = arrival_of(entry.exchange)
                if arrived is not None and arrived > time:
                    time = arrived
                if (time, number) > limit:
                    heapq.heappush(heap, (time, number, entry, entries))
                    break
                yield entry

    def _read(self, file: InputFile) -> Iterator[Entry]:
        """Yield the entries of a file, and warn of what cannot be read."""
        hold_open, is_loaded = self._open < MOST_OPEN, file.path in self._loaded
        self._open += hold_open
        try:
            yield from self._warn_of_bad_lines(file.path, hold_open=hold_open)
        except RecordingError as error:
            if len(self._inputs) > 1 and isinstance(file.path, JournalPath) and file.path.is_empty:
                self._warn(f"no call has come to '{file.path}' yet")  # as to one of many replicas
            else:
                outage = isinstance(error.__cause__, ConnectionError)
                advice = self._other.advise(file.path) if self._other and not is_loaded and not outage else None
                if self._strict and (file.named or outage or len(self._inputs) == 1):
                    raise RecordingError(advice or str(error)) from error
                self.unreadable += [file.path] if file.named or outage else []
                if not (isinstance(file.path, UrlPath) and file.path.is_left):  # which was told
                    self._warn(advice or str(error))
        finally:
            self._open -= hold_open
        self._done += 1
        self._on_progress(self._done, self.exchanges)

    def _warn_of_bad_lines(self, path: Path, *, hold_open: bool) -> Iterator[Entry]:
        # Only a file with exchanges in it has bad lines; any other file is not a recording.
        begun, bad, waiting = False, 0, list[BadLine]()
        for item in self._items(path, hold_open=hold_open):
            if isinstance(item, BadLine):
                bad += 1
                waiting += [item] if bad <= MOST_WARNINGS else []
            else:
                begun = True
                self.exchanges += 1
                if self.exchanges % PROGRESS_EVERY == 0:
                    self._on_progress(self._done, self.exchanges)
                yield correct_clock(item, self._offsets) if self._offsets else item
            if waiting and begun:
                for line in waiting:
                    self._warn(f"{name_of(path)}:{line.line}: skipped, {line.reason}")
                waiting.clear()
        if bad > MOST_WARNINGS:
            self._warn(f"{name_of(path)}: skipped {bad - MOST_WARNINGS} more lines that are not exchanges")

    def _items(self, path: Path, *, hold_open: bool) -> Iterator[Entry | BadLine]:
        match self._loaded.pop(path, None):
            case RecordingError() as error:
                raise error
            case None if self._fetched:
                return _check_items(path, self._fetched.items(path))
            case None:
                # A time that was corrected is not that of the stored line.
                outlined = self._outlined and not self._offsets
                return read_recording(path, hold_open=hold_open, stored=self._store(path), outlined=outlined)
            case entries:
                return iter(entries)

    def _first_time(self, path: Path) -> float:
        """Return when the first exchange of a file arrived, milliseconds since 1970.

        It is -inf where that is not known: then the file is opened before all others. Only regular files can be read
        twice.
        """
        loaded = self._loaded.get(path)
        if isinstance(loaded, list):
            items: Iterable[Entry | BadLine] = loaded[:SAMPLE_LINES]
        elif self._fetched:
            items = itertools.islice(self._fetched.items(path), SAMPLE_LINES)
        elif loaded or not os.path.isfile(path):  # noqa: PTH113 - Path.is_file may raise
            return -math.inf
        else:
            items = itertools.islice(_read_file(path, hold_open=False), SAMPLE_LINES)
        try:
            corrected = (correct_clock(item, self._offsets) for item in items if isinstance(item, Entry))
            times = (arrival_of(item.exchange) for item in corrected)
            return next((time for time in times if time is not None), -math.inf)
        except (RecordingError, OSError):  # reported once it is read
            return -math.inf


def read_recording(
    path: Path, *, hold_open: bool = True, stored: StoredLines | None = None, outlined: bool = False
) -> Iterator[Entry | BadLine]:
    """Yield the entries and the bad lines of one file, in file order.

    Args:
        path: the file, or `-` for stdin.
        hold_open: whether the file stays open between chunks.
        stored: notes the places of the lines, if given.
        outlined: whether events may be outlines, as `outline_of` returns them.

    Raises:
        RecordingError: there is no such file, it cannot be read, a later tapehead wrote it, or no line of it is an
            exchange.
    """
    return _check_items(path, _read_file(path, hold_open=hold_open, stored=stored, outlined=outlined))


def _check_items(path: Path, items: Iterable[Entry | BadLine]) -> Iterator[Entry | BadLine]:
    """Yield the items of a recording.

    Raises:
        RecordingError: no item is an exchange.
    """
    exchanges = 0
    first_bad: BadLine | None = None
    for item in items:
        if isinstance(item, BadLine):
            first_bad = first_bad or item
        else:
            exchanges += 1
        yield item
    if not exchanges and first_bad:
        raise RecordingError(f"'{name_of(path)}' is not a recording: line {first_bad.line}: {first_bad.reason}")
    if not exchanges:
        raise RecordingError(f"'{name_of(path)}' is empty: no exchange was recorded")


def _read_file(
    path: Path, *, hold_open: bool = True, stored: StoredLines | None = None, outlined: bool = False
) -> Iterator[Entry | BadLine]:
    return read_chunks(path, file_chunks(path, hold_open=hold_open), stored.note if stored else iter, outlined=outlined)


def stored_lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """Yield the lines in the stored bytes of a recording, as `exchange_lines` does."""
    return exchange_lines(unpacked(chunks))


def read_chunks(
    path: Path, chunks: Iterator[bytes], note: NoteLines = iter, *, outlined: bool = False
) -> Iterator[Entry | BadLine]:
    """Yield the entries and the bad lines in the stored bytes of a recording.

    Args:
        path: the path of the recording.
        chunks: the bytes.
        note: is given the lines, and returns them.
        outlined: as for `read_recording`.

    Raises:
        RecordingError: the bytes cannot be read, or a later tapehead wrote them.
    """
    line = 0
    try:
        for item in read_lines(note(stored_lines(chunks)), name_of(path), outlined=outlined):
            yield item
            line = item.line
    except CutStreamError:
        yield BadLine(line + 1, "a write cut short; whatever came after it in the compressed file is missing", True)
    except StreamError as error:
        yield BadLine(line + 1, f"the file is damaged, and cannot be read from here on: {error}", False)
    except NewerFormatError as error:
        raise RecordingError(f"{name_of(path)}: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error


def file_chunks(path: Path, *, hold_open: bool = True) -> Iterator[bytes]:
    """Yield the bytes of a file as they are stored."""
    if path == STDIN:
        # Whatever is there: another program may still be writing.
        stdin = cast(BufferedReader, sys.stdin.buffer)
        yield from iter(lambda: stdin.read1(CHUNK_BYTES), b"")
    elif not path.is_file():
        with path.open("rb", buffering=0) as file:
            yield from iter(lambda: file.read(CHUNK_BYTES), b"")
    else:
        # What is added while it is read is left out: there may be no end of it.
        position, size = 0, path.stat().st_size or sys.maxsize  # "or" for those of /proc
        with path.open("rb", buffering=0) if hold_open else contextlib.nullcontext() as held:
            while position < size:
                with contextlib.nullcontext(held) if held else path.open("rb", buffering=0) as file:
                    file.seek(position)
                    chunk = file.read(min(CHUNK_BYTES, size - position))
                if not chunk:
                    return
                position += len(chunk)
                yield chunk


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the text of a recording, unpacked if it is compressed."""
    start = b""
    while len(start) < len(MAGIC) and (chunk := next(chunks, b"")):
        start += chunk
    chunks = itertools.chain([start], chunks)
    coding = recording_coding(start)
    return unpack(coding, chunks, math.inf) if coding else chunks
