"""The command `record`: its options. The work is in `record_run`."""

from pathlib import Path

import typer

from tapehead.cli import option_types
from tapehead.cli.messages import warn
from tapehead.recording.paths import compressed, new_recording
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation, parse_size


def record(
    to: option_types.Upstream = None,
    mode: option_types.Mode = None,
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
    insecure: option_types.Insecure = False,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    proxyauth: option_types.Login = None,
    allow_client: option_types.Clients = None,
    open_: option_types.Open = False,
    set_: option_types.ProxyOptions = None,
    live: option_types.Live = None,
    quiet: option_types.Quiet = False,
) -> None:
    """Record what players send and the endpoint answers, checking each call as it comes.

    Example: tapehead record --to https://company.hb-api.omtrdc.net --out session.jsonl
    """
    import asyncio

    from tapehead.cli import log_output, option_parsing

    target = option_parsing.parse_target(to) if to else None
    protection = option_parsing.parse_protection(proxyauth, allow_client, open_=open_)
    modes = option_parsing.proxy_modes(mode, target)
    proxy = option_parsing.proxy_settings(listen, modes, set_ or (), protection, insecure=insecure)
    option_parsing.check_append(append=append, overwrite=overwrite)
    rotation = parse_rotation(rotate)
    # It loads mitmproxy, which errors in the arguments should not wait for.
    from tapehead.cli.record_run import RecorderSettings, run_recorder

    out = out or new_recording(Path("recordings"))
    settings = RecorderSettings(
        proxy=proxy,
        endpoints=tuple(endpoint or ()),
        prefix=target.prefix if target else "",
        store=StoreSettings(
            out=compressed(out) if compress else out,
            append=append,
            overwrite=overwrite,
            keep_ids=keep_ids,
            redact_keys=option_parsing.redact_keys(redact_key, keep_ids=keep_ids),
            sync=sync,
            rotation=rotation,
            backlog=parse_size(backlog, "--backlog"),
        ),
        quiet=quiet,
        live=option_parsing.live_settings(live, "record"),
    )
    log_output.log_to_stderr()
    raise typer.Exit(asyncio.run(run_recorder(settings, warn)))
