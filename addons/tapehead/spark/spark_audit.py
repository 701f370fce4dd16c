"""The audit on a cluster, as the process runs it that has the report."""

import contextlib
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead.auditor.divided_audit import NotDivisibleError
from tapehead.errors import RecordingError, TapeheadError
from tapehead.files import TemporaryRows
from tapehead.protocol.exchange import Entry
from tapehead.recording.reader import RecordingReader, read_chunks
from tapehead.recording.stored_schemas import STORED_NAME, schemas_of, stored_schemas
from tapehead.remote.url_paths import OtherUrlPath
from tapehead.reports.audit.body_store import BodyStore
from tapehead.reports.audit.result_rows import AuditSetup, ResultRow
from tapehead.spark.cluster import spark_error
from tapehead.spark.division import Division, divide_into_parts, leave_undivided
from tapehead.spark.evaluation import NOT_DIVISIBLE, Evaluation, evaluate_parts, send_lines
from tapehead.spark.fetched_files import FetchedFiles
from tapehead.spark.inputs import Listing, find_files
from tapehead.spark.reading import ItemKind, pack_items
from tapehead.spark.source_files import SourceFile, map_files, pack, unpack

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext

# Bytes of recordings whose outlines are in memory at once, until they are in a temporary file.
_WAVE_BYTES = 2_000_000_000
# Bytes of recordings in a part, if there are more parts than cores can take at a time.
_PART_BYTES = 48_000_000
_PARTS_PER_CORE = 2
# Parts whose results are in memory at once.
_PARTS_AT_ONCE = 8
_POLL_SECONDS = 0.5

# Takes how many tasks are done, and how many there are.
ShowTasks = Callable[[int, int], None]


class SparkAudit:
    """An audit on a cluster.

    Args:
        context: the connection to the cluster.
        paths: the recordings: files, folders, patterns, and URLs as `UrlPath`.
        warn: called with one line about each folder without recordings.
        on_error: called with the reason if a temporary file cannot be written.

    Raises:
        UsageError: a path cannot be read by executors.
    """

    def __init__(
        self,
        context: "SparkContext",
        paths: Sequence[Path],
        warn: Callable[[str], None],
        on_error: Callable[[OSError], None],
    ) -> None:
        self._context = context
        self._paths = paths
        self._on_error = on_error
        inputs, self._files, self._failures = find_files(context, paths, warn)
        self._fetched = FetchedFiles(inputs, self._files, on_error)

    def open(self, warn: Callable[[str], None]) -> RecordingReader:
        """Return a reader of the recordings, whose entries can be read once `fetch` is done."""
        return RecordingReader(self._paths, warn, strict=False, fetched=self._fetched)

    def fetch(self, show: ShowTasks) -> None:
        """Have executors read the recordings.

        Raises:
            TapeheadError: they cannot.
        """
        self._fetched.add((number, 0, pack([(int(ItemKind.FAILED), why)])) for number, why in self._failures.items())
        for wave in self._waves():
            with _spark_errors(), _watching(self._context, show):
                blocks = map_files(self._context, wave, pack_items).collect()
            self._fetched.add(blocks)

    def stored_schemas(self, reader: RecordingReader, warn: Callable[[str], None]) -> list[Entry]:
        """Return the schemas that are stored in the folders of the recordings.

        Args:
            reader: the reader of the recordings.
            warn: called with the reason why a file of schemas is not used.
        """
        entries = stored_schemas([path for path in reader.files if not isinstance(path, OtherUrlPath)], warn)
        listing = Listing(self._context)
        for folder in dict.fromkeys(file.location.rpartition("/")[0] for file in self._files if file.is_url):
            url = f"{folder}/{STORED_NAME}"
            with _spark_errors():
                content = listing.read_if_there(url)
            if content is None:
                continue
            path = OtherUrlPath(url)
            try:
                entries += schemas_of(path, read_chunks(path, iter([content])))
            except RecordingError as error:
                warn(f"stored schemas are not used: {error}")
        return entries

    def _waves(self) -> Iterator[list[SourceFile]]:
        wave, size = list[SourceFile](), 0
        for file in self._files:
            if file.number in self._failures:
                continue
            wave.append(file)
            size += file.size
            if size > _WAVE_BYTES:
                yield wave
                wave, size = [], 0
        if wave:
            yield wave

    def divide(self, entries: Iterable[Entry], setup: AuditSetup, folder: Path) -> Division:
        """Divide the audit, or, into one part, put it in order.

        Args:
            entries: the entries of a reader, outlined.
            setup: the options of the audit.
            folder: an empty folder, which is needed until all results are there; of a name that no other division of
                this audit has.

        Raises:
            NotDivisibleError: the audit cannot be divided.
        """
        if setup.parts > 1:
            return divide_into_parts(entries, setup.parts, folder)
        shown: set[tuple[str, int]] = set()
        return leave_undivided(_note_bodies(entries, shown), shown, folder)

    @property
    def parts(self) -> int:
        """The number of parts into which the audit is to be divided."""
        size = sum(file.size for file in self._files)
        return max(2, self._context.defaultParallelism * _PARTS_PER_CORE, size // _PART_BYTES)

    def evaluate(
        self, division: Division, reader: RecordingReader, setup: AuditSetup, show: ShowTasks, *, has_pages: bool
    ) -> Iterator[ResultRow]:
        """Yield the results of all sessions as `audit` does.

        Args:
            division: the divided audit.
            reader: the reader of the entries that were divided.
            setup: the options of the audit.
            show: called with the tasks that are done.
            has_pages: whether pages show timelines and bodies, for which the audit is not to be divided.

        Raises:
            NotDivisibleError: the audit cannot be divided.
            TapeheadError: the cluster failed.
        """
        files = [file for file in self._files if file.name in division.blocks]
        if not files:
            return
        context, paths = self._context, (division.times_path, division.steps_path)
        with _spark_errors():
            for path in paths:
                context.addFile(str(path))
        evaluation = Evaluation(
            setup,
            division.blocks,
            division.counts,
            dict(reader.offsets),
            division.times_path.name,
            division.steps_path.name,
            is_whole=setup.parts == 1,
            has_pages=has_pages,
        )
        sent = map_files(context, files, partial(send_lines, evaluation))
        if division.ends:
            sent = context.union([sent, context.parallelize(division.ends, 1)])
        parts = sent.partitionBy(division.parts, int)
        yield from self._collect(parts.mapPartitions(partial(evaluate_parts, evaluation)), division.parts, show)

    def _collect(self, results: "RDD[bytes]", parts: int, show: ShowTasks) -> Iterator[ResultRow]:
        """Yield results in the order of their numbers; they come to this process some parts at a time."""
        from pyspark import StorageLevel

        rows, places = TemporaryRows(self._on_error), array("q")
        with _spark_errors(), _watching(self._context, show):
            results = results.persist(StorageLevel.DISK_ONLY)
            results.count()  # evaluates all parts at the same time
        for first in range(0, parts, _PARTS_AT_ONCE):
            with _spark_errors():
                contents = self._context.runJob(results, list, range(first, min(first + _PARTS_AT_ONCE, parts)))
            for content in contents:
                if content == NOT_DIVISIBLE:
                    raise NotDivisibleError
                for number, row in unpack(content):
                    if row is None:
                        continue
                    places.extend([-1] * (number + 1 - len(places)))
                    places[number] = len(rows)
                    rows.append(pack([row]))
        with _spark_errors():
            results.unpersist()
        for place in places:
            if place >= 0:
                yield ResultRow(*unpack(rows[place])[0])


def _note_bodies(entries: Iterable[Entry], shown: set[tuple[str, int]]) -> Iterator[Entry]:
    """Yield entries, and add to a set those whose bodies pages have room for."""
    room = BodyStore()
    for entry in entries:
        if room.take(entry):
            shown.add((entry.recording, entry.line))
        yield entry


@contextlib.contextmanager
def _spark_errors() -> Iterator[None]:
    """Turn the errors of a call of Spark into errors that end a command.

    Raises:
        TapeheadError: Spark failed.
    """
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        raise spark_error(error) from error
    except (ConnectionError, TimeoutError) as error:  # to the Java process
        raise TapeheadError(f"the connection to Spark was lost: {error}; there is no report") from error
    except OSError as error:  # pyspark has temporary files, too
        raise TapeheadError(f"Spark failed: {error}; there is no report") from error


@contextlib.contextmanager
def _watching(context: "SparkContext", show: ShowTasks) -> Iterator[None]:
    """Show how many tasks are done, as long as a job runs."""
    over = threading.Event()
    tracker: Any = context.statusTracker()
    stages: dict[int, tuple[int, int]] = {}

    def poll() -> None:
        while not over.wait(_POLL_SECONDS):
            with contextlib.suppress(Exception):  # what is not known is not shown
                for number in tracker.getActiveStageIds():
                    if info := tracker.getStageInfo(number):
                        stages[number] = info.numCompletedTasks, info.numTasks
                show(sum(done for done, _ in stages.values()), sum(tasks for _, tasks in stages.values()))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
