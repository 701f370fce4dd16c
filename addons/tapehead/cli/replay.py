"""The command `replay`: its options. The work is in `replay_run`."""

from typing import TYPE_CHECKING, Any

import click

from tapehead.cli import option_types
from tapehead.cli.display import display_of
from tapehead.cli.lean_imports import import_proxy_lazily
from tapehead.cli.messages import warn
from tapehead.errors import UsageError
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn

if TYPE_CHECKING:
    from tapehead.cli.option_parsing import MissHandling


@click.pass_context
def replay(
    context: click.Context,
    recordings: option_types.RecordingsOrNone = None,
    mode: option_types.Mode = None,
    upstream_proxy: option_types.ThroughProxy = None,
    endpoint: option_types.Endpoints = None,
    allow: option_types.Allow = None,
    on_miss: option_types.Miss = OnMiss.SIMULATE,
    to: option_types.ForwardTo = None,
    out: option_types.Out = None,
    append: option_types.Append = False,
    overwrite: option_types.Overwrite = False,
    rotate: option_types.Rotate = None,
    compress: option_types.Compress = False,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    fault: option_types.Faults = None,
    latency: option_types.LatencyOption = None,
    time_scale: option_types.TimeScale = 1.0,
    strict_schema: option_types.StrictSchema = False,
    second_end: option_types.SecondEnd = option_types.SecondEndStatus.DROPPED,
    over_limit: option_types.OverLimit = option_types.OverLimitStatus.TAKEN,
    strict: option_types.Strict = False,
    explain: option_types.Explain = False,
    summary: option_types.SummaryFile = None,
    workers: option_types.Workers = 1,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    proxyauth: option_types.Login = None,
    allow_client: option_types.Clients = None,
    open_: option_types.Open = False,
    set_: option_types.ProxyOptions = None,
    fail_on: option_types.FailOnFindings = FailOn.NEVER,
    no_audit: option_types.NoAudit = False,
    live: option_types.Live = None,
    token: option_types.Token = None,
    live_origin: option_types.LiveOrigins = None,
    otlp: option_types.Otlp = None,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
    table: option_types.Table = False,
    config: option_types.ConfigFile = None,
) -> None:
    """Answer players from recordings, in a proxy.

    Example: tapehead replay session.jsonl
    """
    import_proxy_lazily()
    from tapehead.cli import offline_run, option_parsing

    if not recordings and not mode:
        raise UsageError("missing RECORDING; to simulate the endpoint, use tapehead serve, or --mode for a proxy")
    misses = option_parsing.parse_misses(on_miss, recordings or (), to, out, upstream_proxy)
    modes = mode or [misses.target.mode if misses.target else option_parsing.OFFLINE_MODE]
    access = option_parsing.parse_access(proxyauth, allow_client, open_=open_)
    proxy = option_parsing.proxy_settings(
        listen, modes, set_ or (), access, upstream_proxy=misses.proxy_url, offline=not misses.target, keep_host=True
    )
    engine = offline_run.engine_settings(context.params, misses.recordings, misses.on_miss)
    more: Any = {"endpoints": endpoint or (), "allow": allow or (), "misses": misses}
    raise click.exceptions.Exit(_run(context, proxy, engine, display_of(context.params, warn), warn, **more))


def _run(context: click.Context, *args: Any, misses: "MissHandling", **kwargs: Any) -> int:
    """Replay in this process, or in several."""
    from tapehead.cli.library_warnings import logging_in_background
    from tapehead.cli.run_journal import options_of

    journal, workers = options_of(context), context.params["workers"]
    if workers == 1:
        from tapehead.cli.replay_run import run_replay

        with logging_in_background(2 if misses.out or journal.store else 1):
            return run_replay(*args, misses=misses, journal=journal, **kwargs)
    from tapehead.cli.replay_workers import replay_in_workers

    with logging_in_background(2 if journal.store else 1):
        return replay_in_workers(workers, *args, journal=journal, **kwargs)
