"""The audit on a cluster of Apache Spark, for the report of one machine."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tapehead.auditor.divided_audit import NotDivisibleError
from tapehead.auditor.received_events import recorded_schemas
from tapehead.cli.audit_results import AuditResults
from tapehead.cli.audit_run import Audited, AuditOptions, LocalReading, run, warn_without_session
from tapehead.cli.messages import warn, warn_of_memory
from tapehead.cli.progress import progress
from tapehead.ending_signals import called_at_signals
from tapehead.errors import UsageError
from tapehead.extras import needing
from tapehead.interop.reader import SavedTraffic
from tapehead.recording.paths import STDIN, check_outputs
from tapehead.recording.reader import RecordingReader
from tapehead.remote.journal_paths import JournalPath
from tapehead.remote.url_paths import OtherUrlPath, UrlPath
from tapehead.reports.audit.result_rows import AuditSetup
from tapehead.reports.report_formats import Target
from tapehead.spark.cluster import OPTION, spark_context
from tapehead.spark.spark_audit import ShowTasks, SparkAudit

if TYPE_CHECKING:
    from tapehead.reports.tables.parquet_files import ParquetTables


class SparkOptions(NamedTuple):
    """The cluster, and the tables.

    Attributes:
        master: the URL of the cluster; None for that of Spark's settings.
        tables: the folder for tables; None for no tables.
        overwrite: whether existing tables are replaced.
    """

    master: str | None
    tables: Path | None = None
    overwrite: bool = False


def run_on_spark(
    recordings: Sequence[Path], targets: Sequence[Target], options: AuditOptions, spark: SparkOptions
) -> Audited:
    """Audit recordings on a cluster, and write the report and the tables.

    Raises:
        UsageError: an option cannot be used, a library is missing, a table exists, or executors cannot read a
            recording.
        TapeheadError: the cluster cannot be reached or failed, or the tables cannot be written.
    """
    _check_recordings(recordings)
    with contextlib.ExitStack() as stack:
        reading: list[_SparkReading] = []

        def start(local: LocalReading) -> _SparkReading:
            reading.append(_SparkReading(local, spark, stack))
            return reading[0]

        audited = run(recordings, targets, options, start)
        tables = reading[0].tables
        if tables and audited.report is None:
            tables.discard()
    # At the end of the block they have got their names.
    if tables and audited.report is not None:
        warn(f"wrote tables to '{spark.tables}'")
    return audited


def _check_recordings(recordings: Sequence[Path]) -> None:
    other = SavedTraffic(warn)
    for path in recordings:
        if path == STDIN:
            raise UsageError(f"{OPTION} cannot read stdin, which executors do not have; pass files or URLs")
        if isinstance(path, JournalPath):
            raise UsageError(f"{OPTION} cannot read '{path}', which executors do not reach; leave out {OPTION}")
        if not isinstance(path, OtherUrlPath | UrlPath) and other.recognises(path):
            raise UsageError(f"{OPTION} reads recordings alone; make one of '{path}' with: tapehead import '{path}'")


class _SparkReading:
    """A reading and an audit of recordings on a cluster.

    Args:
        local: what would do that on this machine.
        spark: the options of the cluster.
        stack: gets what is to be closed at the end.

    Attributes:
        tables: the tables that are written, if any are.
    """

    def __init__(self, local: LocalReading, spark: SparkOptions, stack: contextlib.ExitStack) -> None:
        self._local = local
        self._spark = spark
        self._stack = stack
        self._audit: SparkAudit
        self.tables: ParquetTables | None = None

    def open(self) -> RecordingReader:
        """Return a reader of the recordings, whose entries executors read."""
        if self._spark.tables:
            with needing("spark", "--output"):
                from tapehead.reports.tables.parquet_files import ParquetTables, table_paths
            self.tables = ParquetTables(self._spark.tables, overwrite=self._spark.overwrite)
        with progress(1, "starting Spark"):
            context = self._stack.enter_context(spark_context(self._spark.master))
        warnings = self._local.warnings
        self._audit = SparkAudit(context, self._local.recordings, warnings.warn, warn_of_memory)
        reader = self._audit.open(warnings.warn)
        if self._spark.tables and self.tables:
            check_outputs(table_paths(self._spark.tables), reader.files)
            self._stack.enter_context(called_at_signals(self.tables.remove_unfinished))
            self._stack.enter_context(self.tables)
        return reader

    def audit(self, reader: RecordingReader, *, has_pages: bool) -> tuple[RecordingReader, AuditResults]:
        """Audit everything that executors can read; return the reader that has read it, and the results."""
        with progress(100, "% read") as show:
            self._audit.fetch(_in_percent(show))
        if not has_pages:  # what a page shows of sessions depends on those before
            try:
                return reader, self._results_of(reader, self._audit.parts, has_pages=False)
            except NotDivisibleError:
                warn("the sessions cannot be divided among executors; one of them evaluates all")
                self._local.warnings.read_again()
                reader = self._audit.open(self._local.warnings.warn)
        return reader, self._results_of(reader, 1, has_pages=has_pages)

    def _results_of(self, reader: RecordingReader, parts: int, *, has_pages: bool) -> AuditResults:
        local, results = self._local, self._local.results(has_pages)
        schemas = self._audit.stored_schemas(reader, local.warnings.warn)
        names = [scenario.name for scenario in local.scenarios]
        setup = AuditSetup(
            parts,
            local.settings,
            recorded_schemas(entry.exchange for entry in schemas),
            local.assumptions,
            names,
            local.options.coverage,
            with_tables=self.tables is not None,
        )
        with tempfile.TemporaryDirectory(prefix="tapehead-") as folder:
            with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
                entries = reader.entries(show, outlined=True)
                division = self._audit.divide(entries, setup, Path(folder))
            with progress(100, "% evaluated") as show:
                for row in self._audit.evaluate(division, reader, setup, _in_percent(show), has_pages=has_pages):
                    results.add_row(row)
                    if self.tables and row.tables:
                        self.tables.add(row.tables)
        warn_without_session(reader, results)
        return results


def _in_percent(show: ShowTasks) -> ShowTasks:
    return lambda done, tasks: show(100 * done // tasks if tasks else 0, 0)
