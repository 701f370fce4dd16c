"""The command `replay`: its options. The work is in `replay_run`."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead.cli import option_types
from tapehead.cli.messages import warn
from tapehead.replay.on_miss import OnMiss


def replay(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="What to replay, or - for stdin.")],
    mode: option_types.Mode = None,
    endpoint: option_types.Endpoints = None,
    allow: option_types.Allow = None,
    on_miss: option_types.Miss = OnMiss.SIMULATE,
    to: option_types.ForwardTo = None,
    out: option_types.Out = None,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    fault: option_types.Faults = None,
    latency: option_types.LatencyOption = None,
    time_scale: option_types.TimeScale = 1.0,
    strict_schema: option_types.StrictSchema = False,
    strict: option_types.Strict = False,
    explain: option_types.Explain = False,
    summary: option_types.SummaryFile = None,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    proxyauth: option_types.Login = None,
    allow_client: option_types.Clients = None,
    open_: option_types.Open = False,
    set_: option_types.ProxyOptions = None,
    live: option_types.Live = None,
    quiet: option_types.Quiet = False,
) -> None:
    """Answer players from recordings; nothing leaves the machine.

    Example: tapehead replay session.jsonl
    """
    from tapehead.cli import log_output, offline_run, option_parsing, replay_run

    target = option_parsing.forward_target(on_miss, to, mode)
    modes = mode or [target.mode if target else replay_run.OFFLINE_MODE]
    redact = option_parsing.redact_keys(redact_key, keep_ids=keep_ids)
    protection = option_parsing.parse_protection(proxyauth, allow_client, open_=open_)
    settings = replay_run.ReplaySettings(
        proxy=option_parsing.proxy_settings(listen, modes, set_ or (), protection, offline=target is None),
        engine=offline_run.EngineSettings(
            recordings=tuple(recordings),
            on_miss=on_miss,
            faults=option_parsing.parse_faults(fault),
            latency=option_parsing.parse_waiting(latency),
            time_scale=time_scale,
            strict_schema=strict_schema,
            strict=strict,
            summary=summary,
            keep_ids=keep_ids,
            redact_keys=redact,
        ),
        display=offline_run.DisplaySettings(
            quiet=quiet, explain=explain, live=option_parsing.live_settings(live, "replay")
        ),
        endpoints=tuple(endpoint or ()),
        allow=tuple(allow or ()),
        prefix=target.prefix if target else "",
        store=option_parsing.episodes_store(target, out, recordings, keep_ids=keep_ids, redact_keys=redact),
    )
    log_output.log_to_stderr()
    raise typer.Exit(replay_run.run_replay(settings, warn))
