"""Reading recordings, auditing them, and writing their sessions as tables."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from tapehead.auditor.received_events import recorded_schemas
from tapehead.auditor.recordings_audit import audit
from tapehead.cli.audit_run import naming
from tapehead.cli.config_file import load_config
from tapehead.cli.messages import RECORD_A_PLAYER, nothing_read, warn
from tapehead.cli.progress import progress
from tapehead.ending_signals import called_at_signals
from tapehead.extras import needing
from tapehead.interop.reader import open_recordings
from tapehead.metrics.assumptions import parse_assumptions
from tapehead.metrics.calculator import calculate
from tapehead.recording.paths import check_outputs, quoted_names
from tapehead.recording.stored_schemas import stored_schemas
from tapehead.reports.tables.rows import rows_of
from tapehead.text import count_of, escape_output


class ExportOptions(NamedTuple):
    """The options of an export; the command's help describes them."""

    overwrite: bool = False
    endpoints: Sequence[str] = ()
    assume: Iterable[str] = ()
    config: Path | None = None
    expect: Sequence[str] = ()


def run_export(recordings: Sequence[Path], folder: Path, options: ExportOptions) -> int:
    """Audit recordings and write the tables to a folder; return the exit code.

    It is 2 if a recording that was named cannot be read, and 1 if there is no session.

    Raises:
        UsageError: an option cannot be used, a library is missing, or a table exists.
        TapeheadError: the tables cannot be written.
    """
    with needing("parquet", "--parquet"):
        from tapehead.reports.tables.parquet_files import ParquetTables, table_paths
    with naming("--assume"):
        measure = partial(calculate, assume=parse_assumptions(options.assume))
    settings = load_config(options.config, options.expect).settings
    reader = open_recordings(recordings, warn, strict=False, endpoints=options.endpoints)
    check_outputs(table_paths(folder), reader.files)
    tables = ParquetTables(folder, overwrite=options.overwrite)
    with called_at_signals(tables.remove_unfinished), tables:
        with progress(len(reader.files), "recordings, {task.fields[read]:,} exchanges") as show:
            # What an endpoint accepts does not depend on when its schemas were fetched.
            schemas = recorded_schemas(entry.exchange for entry in stored_schemas(reader.files, warn))
            for result in audit(reader.entries(show), settings, schemas, measure):
                tables.add(rows_of(result))
        if not reader.exchanges:
            tables.discard()
            return nothing_read("export", recordings)
    counts = tables.counts
    written = ", ".join(count_of(counts[name], name.removesuffix("s")) for name in ("sessions", "findings", "events"))
    click.echo(escape_output(f"wrote {written} to '{folder}'"))
    if not counts["sessions"]:
        warn(f"no session in {quoted_names(reader.files)}; {RECORD_A_PLAYER}")
    return 2 if reader.unreadable else int(not counts["sessions"])
