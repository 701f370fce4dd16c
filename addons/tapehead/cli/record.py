"""The command `record`: its options. The work is in `record_run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from tapehead.cli import option_types
from tapehead.cli.display import display_of
from tapehead.cli.lean_imports import import_proxy_lazily
from tapehead.cli.messages import warn
from tapehead.cli.parameters import Option
from tapehead.recording.recorder_settings import StoreSettings, Sync
from tapehead.reports.report_formats import FailOn

if TYPE_CHECKING:
    from tapehead.cli.run_journal import JournalOptions

# Options of the recording, by parameter.
_STORED = ("append", "overwrite", "keep_ids", "redact_key", "compress", "rotate", "backlog")


@click.pass_context
def record(
    context: click.Context,
    to: option_types.Upstream = None,
    mode: option_types.Mode = None,
    upstream_proxy: option_types.ThroughProxy = None,
    endpoint: option_types.Endpoints = None,
    out: option_types.NewRecording = None,
    append: option_types.Append = False,
    overwrite: option_types.Overwrite = False,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    sync: option_types.SyncOption = Sync.SECOND,
    rotate: option_types.Rotate = None,
    compress: option_types.Compress = False,
    backlog: option_types.Backlog = option_types.DEFAULT_BACKLOG,
    ship: option_types.Ship = None,
    ship_delete: option_types.ShipDelete = False,
    insecure: option_types.Insecure = False,
    workers: option_types.Workers = 1,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    proxyauth: option_types.Login = None,
    allow_client: option_types.Clients = None,
    open_: option_types.Open = False,
    set_: option_types.ProxyOptions = None,
    strict: Annotated[bool, Option("--strict", help="Exit with 1 if no call came.")] = False,
    fail_on: option_types.FailOnFindings = FailOn.NEVER,
    no_audit: option_types.NoAudit = False,
    summary: option_types.SummaryFile = None,
    live: option_types.Live = None,
    token: option_types.Token = None,
    live_origin: option_types.LiveOrigins = None,
    otlp: option_types.Otlp = None,
    quiet: option_types.Quiet = False,
    verbose: option_types.Verbose = False,
    table: option_types.Table = False,
    config: option_types.ConfigFile = None,
) -> None:
    """Record calls in a proxy, and check each of them at once.

    Example: tapehead record --to https://company.hb-api.omtrdc.net --out session.jsonl
    """
    from tapehead.cli import option_parsing

    target = option_parsing.parse_target(to) if to else None
    access = option_parsing.parse_access(proxyauth, allow_client, open_=open_)
    modes = option_parsing.proxy_modes(mode, target)
    proxy = option_parsing.proxy_settings(
        listen, modes, set_ or (), access, upstream_proxy=upstream_proxy, insecure=insecure
    )
    store = option_parsing.store_settings(out, sync=sync, **{name: context.params[name] for name in _STORED})
    # It loads mitmproxy, which errors in the arguments should not wait for.
    import_proxy_lazily()
    more: Any = {"endpoints": endpoint or (), "prefix": target.prefix if target else "", "strict": strict}
    display = display_of(context.params, warn)
    raise click.exceptions.Exit(_run(workers, proxy, journal_of(context, store), warn, display=display, **more))


def _run(workers: int, *args: Any, **kwargs: Any) -> int:
    """Record in this process, or in several."""
    import asyncio

    from tapehead.cli.library_warnings import logging_in_background

    if workers == 1:
        from tapehead.cli.record_run import run_recorder

        with logging_in_background(2):
            return asyncio.run(run_recorder(*args, **kwargs))
    from tapehead.cli.record_workers import record_in_workers

    with logging_in_background(2):
        return record_in_workers(workers, *args, **kwargs)


def journal_of(context: click.Context, store: StoreSettings) -> "JournalOptions":
    """Return the journal beside a recording, as the options say.

    Raises:
        UsageError: the URL of a store is malformed.
    """
    from tapehead.cli.metrics_export import parse_otlp
    from tapehead.cli.run_journal import JournalOptions

    shipping = None
    if url := context.params["ship"]:
        from tapehead.cli.shipping_run import shipping_setup, with_last_file

        shipping = shipping_setup(url, store, delete=context.params["ship_delete"])
        store = with_last_file(store)
    return JournalOptions(
        store=store,
        shipping=shipping,
        load_settings=context.meta[option_types.AUDIT_SETTINGS],
        fail_on=FailOn(context.params["fail_on"]),
        is_audited=not context.params["no_audit"],
        redact_keys=store.redact_keys,
        summary=Path(context.params["summary"]) if context.params["summary"] else None,
        command="record",
        otlp=parse_otlp(context.params["otlp"]),
    )
