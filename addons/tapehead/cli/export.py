"""The command `export`: its arguments. The work is in `export_run`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.audit import Assumptions
from tapehead.cli.parameters import Option
from tapehead.errors import UsageError

ParquetFolder = Annotated[
    Path | None,
    Option("--parquet", metavar="FOLDER", help="The folder for Parquet files of sessions, findings, metrics, events."),
]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace existing files.")]


def export(
    recordings: option_types.Recordings,
    parquet: ParquetFolder = None,
    overwrite: Overwrite = False,
    endpoint: option_types.Endpoints = None,
    assume: Assumptions = None,
    config: option_types.ConfigFile = None,
    expect: option_types.Expectations = None,
) -> None:
    """Write audited recordings as tables for data tools.

    Example: tapehead export --parquet tables recordings
    """
    if parquet is None:
        raise UsageError("missing --parquet FOLDER: the folder that the tables are written to")
    from tapehead.cli.export_run import ExportOptions, run_export

    options = ExportOptions(overwrite, endpoint or (), assume or (), config, expect or ())
    raise click.exceptions.Exit(run_export(recordings, parquet, options))
