"""The commands.

Exit codes: 0 fine; 1 the answer is bad news; 2 the command could not do its work, with one line on stderr.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from typer.main import get_command

from tapehead import __version__
from tapehead.cli import audit, diff, import_, option_parsing, option_types
from tapehead.errors import TapeheadError, UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.schemas import build_schema
from tapehead.recording.paths import STDIN
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation, parse_size
from tapehead.replay.replayer import OnMiss
from tapehead.text import escape_controls, nearest

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def warn(line: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"tapehead: {escape_controls(line)}", err=True)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"tapehead {__version__}")
        raise typer.Exit


@app.callback()
def tapehead(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Record, replay and audit the tracking that media players send to Adobe's Media Collection API."""


@app.command()
def record(
    to: Annotated[
        str | None, typer.Option("--to", metavar="URL", help="Stand in front of the endpoint at URL.")
    ] = None,
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
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify the endpoint's certificate.")] = False,
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
    target = option_parsing.parse_target(to) if to else None
    protection = option_parsing.parse_protection(proxyauth, allow_client, open_=open_)
    proxy = option_parsing.proxy_settings(listen, _modes(mode, target), set_ or (), protection, insecure=insecure)
    option_parsing.check_append(append=append, overwrite=overwrite)
    rotation = parse_rotation(rotate)
    from tapehead.cli.record_run import RecorderSettings, run_recorder
    from tapehead.recording.paths import compressed, new_recording

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
    _log()
    raise typer.Exit(asyncio.run(run_recorder(settings, warn)))


def _modes(mode: list[str] | None, target: option_parsing.Target | None) -> list[str]:
    if bool(mode) == bool(target):
        raise UsageError("say where the endpoint is: --to URL to stand in front of it, or --mode regular and others")
    return mode or [target.mode if target else ""]


@app.command()
def replay(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="What to replay; - for stdin.")],
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
    from tapehead.cli.offline_run import EngineSettings
    from tapehead.cli.replay_run import OFFLINE_MODE, PlayerSettings, play_recordings

    target = option_parsing.forward_target(on_miss, to, mode)
    modes = mode or [target.mode if target else OFFLINE_MODE]
    named = option_parsing.redact_keys(redact_key, keep_ids=keep_ids)
    protection = option_parsing.parse_protection(proxyauth, allow_client, open_=open_)
    settings = PlayerSettings(
        proxy=option_parsing.proxy_settings(listen, modes, set_ or (), protection, offline=target is None),
        engine=EngineSettings(
            recordings=tuple(recordings),
            on_miss=on_miss,
            faults=option_parsing.parse_faults(fault),
            latency=option_parsing.parse_waiting(latency),
            time_scale=time_scale,
            strict_schema=strict_schema,
            strict=strict,
            explain=explain,
            summary=summary,
            quiet=quiet,
            keep_ids=keep_ids,
            redact_keys=named,
            live=option_parsing.live_settings(live, "replay"),
        ),
        endpoints=tuple(endpoint or ()),
        allow=tuple(allow or ()),
        prefix=target.prefix if target else "",
        store=option_parsing.episodes_store(target, out, recordings, keep_ids=keep_ids, redact_keys=named),
    )
    _log()
    raise typer.Exit(play_recordings(settings, warn))


@app.command()
def serve(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RECORDING...]", help="What to replay, - for stdin; none to simulate all of it."),
    ] = None,
    on_miss: option_types.Miss = OnMiss.SIMULATE,
    fault: option_types.Faults = None,
    latency: option_types.LatencyOption = None,
    time_scale: option_types.TimeScale = 1.0,
    strict_schema: option_types.StrictSchema = False,
    strict: option_types.Strict = False,
    explain: option_types.Explain = False,
    redact_key: option_types.RedactKeys = None,
    summary: option_types.SummaryFile = None,
    workers: option_types.Workers = 1,
    listen: option_types.Listen = option_types.DEFAULT_LISTEN,
    allow_client: option_types.Clients = None,
    live: option_types.Live = None,
    quiet: option_types.Quiet = False,
) -> None:
    """Answer players with a plain HTTP server: from recordings, or as the documented endpoint does.

    Example: tapehead serve
    """
    from tapehead.cli import serve_run
    from tapehead.cli.offline_run import EngineSettings

    if on_miss is OnMiss.FORWARD:
        raise UsageError("serve is no proxy and cannot forward; use tapehead replay --on-miss forward --to URL")
    if workers > 1 and STDIN in (recordings or ()):
        raise UsageError("--workers needs recordings in files, since each worker reads them; stdin is read once")
    engine = EngineSettings(
        recordings=tuple(recordings or ()),
        on_miss=on_miss,
        faults=option_parsing.parse_faults(fault),
        latency=option_parsing.parse_waiting(latency),
        time_scale=time_scale,
        strict_schema=strict_schema,
        strict=strict,
        explain=explain,
        summary=summary,
        quiet=quiet,
        redact_keys=option_parsing.redact_keys(redact_key, keep_ids=False),
        live=option_parsing.live_settings(live, "serve", workers),
    )
    clients = option_parsing.parse_clients(allow_client)
    _log()
    address = option_parsing.parse_listen(listen)
    raise typer.Exit(serve_run.serve(engine, *address, warn, workers=workers, clients=clients))


@app.command()
def show(
    recording: Annotated[Path, typer.Argument(help="The recording, or - for stdin.")],
    sid: Annotated[str | None, typer.Argument(help="A session id, or its first characters.")] = None,
) -> None:
    """Show the sessions of a recording, or one session's timeline.

    Example: tapehead show session.jsonl
    """
    from tapehead.cli.show_run import show_recording

    show_recording(recording, sid, warn)


@app.command()
def schema(
    event_type: Annotated[str | None, typer.Argument(metavar="[EVENT_TYPE]", help="Such as sessionStart.")] = None,
) -> None:
    """Print the JSON Schema of an event type, as the endpoint serves it; without one, list the event types.

    Example: tapehead schema sessionStart
    """
    if event_type is None:
        typer.echo("\n".join(EVENT_TYPES))
    elif event_type in EVENT_TYPES:
        typer.echo(orjson.dumps(build_schema(event_type), option=orjson.OPT_INDENT_2))
    else:
        hint = nearest(event_type, EVENT_TYPES) or "; tapehead schema lists them"
        raise UsageError(f"there is no event type {event_type}{hint}")


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Keep the recording here.")] = None,
) -> None:
    """Record a documented session, replay it offline, and audit it; no network, no account.

    Example: tapehead demo
    """
    from tapehead.demo.run import run_demo

    raise typer.Exit(run_demo(out))


audit.register(app)
diff.register(app)
import_.register(app)


def _log() -> None:
    """Send the warnings of libraries to stderr, a line each."""
    from tapehead.cli.log_output import log_to_stderr

    log_to_stderr(warn)


def run(argv: Sequence[str]) -> int:
    """Run the command that `argv` names; the exit code."""
    try:
        code = get_command(app).main(list(argv), prog_name="tapehead", standalone_mode=False)
    except TapeheadError as problem:
        warn(str(problem))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        warn(str(problem))
        return 2
    except Exception as problem:  # noqa: BLE001 - what it cannot explain goes on
        return _explain(problem)
    return code if isinstance(code, int) else 0


def _explain(problem: Exception) -> int:
    """Say in one line what was wrong with the arguments; a failure of ours goes on as it is."""
    format_message = getattr(problem, "format_message", None)
    if format_message is None:
        raise problem
    message = str(format_message())
    if type(problem).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
        return 2
    command = getattr(getattr(problem, "ctx", None), "command_path", "tapehead")
    warn(f"{' '.join(message.split()).rstrip('.')}; see {command} --help")
    return 2
