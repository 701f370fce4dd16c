"""The command `serve`: its options. The work is in `serve_run`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.display import display_of
from tapehead.cli.lean_imports import import_server_lazily
from tapehead.cli.messages import warn
from tapehead.cli.parameters import Argument, RecordingPath
from tapehead.errors import UsageError
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn


@click.pass_context
def serve(
    context: click.Context,
    recordings: Annotated[
        list[Path] | None,
        Argument(
            metavar="RECORDING",
            type=RecordingPath(),
            help="Recordings, HAR or flow files, folders, URLs, or - for stdin; none to simulate the endpoint.",
        ),
    ] = None,
    endpoint: option_types.Endpoints = None,
    on_miss: option_types.Miss = OnMiss.SIMULATE,
    fault: option_types.Faults = None,
    latency: option_types.LatencyOption = None,
    time_scale: option_types.TimeScale = 1.0,
    strict_schema: option_types.StrictSchema = False,
    second_end: option_types.SecondEnd = option_types.SecondEndStatus.DROPPED,
    over_limit: option_types.OverLimit = option_types.OverLimitStatus.TAKEN,
    strict: option_types.Strict = False,
    explain: option_types.Explain = False,
    out: option_types.RunRecording = None,
    append: option_types.Append = False,
    overwrite: option_types.Overwrite = False,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    rotate: option_types.Rotate = None,
    compress: option_types.Compress = False,
    fail_on: option_types.FailOnFindings = FailOn.NEVER,
    no_audit: option_types.NoAudit = False,
    summary: option_types.SummaryFile = None,
    workers: option_types.Workers = 1,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    allow_client: option_types.Clients = None,
    live: option_types.Live = None,
    token: option_types.Token = None,
    live_origin: option_types.LiveOrigins = None,
    otlp: option_types.Otlp = None,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
    table: option_types.Table = False,
    config: option_types.ConfigFile = None,
) -> None:
    """Answer players in an HTTP server, recorded or simulated.

    Example: tapehead serve
    """
    import_server_lazily()
    from tapehead.cli import library_warnings, offline_run, option_parsing, run_journal, serve_run

    if on_miss in (OnMiss.FORWARD, OnMiss.ONCE):
        raise UsageError(f"serve cannot forward; use tapehead replay --on-miss {on_miss} --to URL")
    journal = run_journal.options_of(context)
    engine = offline_run.engine_settings(context.params, recordings or (), on_miss)
    display, clients = display_of(context.params, warn), option_parsing.parse_clients(allow_client)
    address = option_parsing.parse_listen(listen)
    run = partial(serve_run.serve, workers=workers, clients=clients, journal=journal)
    with library_warnings.logging_in_background(2 if out else 1):
        raise click.exceptions.Exit(run(engine, display, *address, warn))
