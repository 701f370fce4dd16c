"""The command `serve`: its options. The work is in `serve_run`."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead.cli import option_types
from tapehead.cli.messages import warn
from tapehead.errors import UsageError
from tapehead.recording.paths import STDIN
from tapehead.replay.on_miss import OnMiss


def serve(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RECORDING",
            help="Recordings, HAR or flow files, folders, or - for stdin; none to simulate the endpoint.",
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
    redact_key: option_types.RedactKeys = None,
    summary: option_types.SummaryFile = None,
    workers: option_types.Workers = 1,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    allow_client: option_types.Clients = None,
    live: option_types.Live = None,
    quiet: option_types.Quiet = False,
    config: option_types.ConfigFile = None,
) -> None:
    """Answer players in an HTTP server, recorded or simulated.

    Example: tapehead serve
    """
    from tapehead.cli import library_warnings, offline_run, option_parsing, serve_run
    from tapehead.simulator.faults import parse_fault, parse_latency

    if on_miss in (OnMiss.FORWARD, OnMiss.ONCE):
        raise UsageError(f"serve cannot forward; use tapehead replay --on-miss {on_miss} --to URL")
    if workers > 1 and live is not None:
        raise UsageError("--live and --workers exclude each other: the page shows the calls of one process")
    if workers > 1 and STDIN in (recordings or ()):
        raise UsageError("--workers needs recordings in files: each worker reads them, and stdin can be read once")
    engine = offline_run.EngineSettings(
        recordings=tuple(recordings or ()),
        endpoints=tuple(endpoint or ()),
        on_miss=on_miss,
        faults=tuple(map(parse_fault, fault or ())),
        latency=parse_latency(latency) if latency is not None else None,
        simulation=option_parsing.simulation_settings(config, strict_schema, time_scale, second_end, over_limit),
        explain=explain,
        strict=strict,
        summary=summary,
        redact_keys=option_parsing.parse_redact_keys(redact_key, keep_ids=False),
    )
    display = offline_run.DisplaySettings(quiet=quiet, live=live)
    clients = option_parsing.parse_clients(allow_client)
    address = option_parsing.parse_listen(listen)
    with library_warnings.logging_in_background(1):
        raise typer.Exit(serve_run.serve(engine, display, *address, warn, workers=workers, clients=clients))
