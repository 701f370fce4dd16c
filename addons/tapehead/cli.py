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

from tapehead import __version__, arguments, auditing, diffing, importing, options
from tapehead.api import EVENT_TYPES
from tapehead.complaints import nearest
from tapehead.launch import StoreSettings, Sync, parse_rotation, parse_size
from tapehead.problems import Problem, UsageProblem
from tapehead.replay import OnMiss
from tapehead.schemas import build_schema
from tapehead.store import STDIN

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def complain(line: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"tapehead: {line}", err=True)


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
    mode: options.Mode = None,
    endpoint: options.Endpoints = None,
    out: options.NewRecording = None,
    append: options.Append = False,
    overwrite: options.Overwrite = False,
    keep_ids: options.KeepIds = False,
    redact_key: options.RedactKeys = None,
    sync: options.SyncOption = Sync.SECOND,
    rotate: options.Rotate = None,
    compress: options.Compress = False,
    backlog: options.Backlog = options.DEFAULT_BACKLOG,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify the endpoint's certificate.")] = False,
    listen: options.Listen = options.DEFAULT_LISTEN,
    proxyauth: options.Login = None,
    allow_client: options.Clients = None,
    open_: options.Open = False,
    set_: options.ProxyOptions = None,
    live: options.Live = None,
    quiet: options.Quiet = False,
) -> None:
    """Record what players send and the endpoint answers, checking each call as it comes.

    Example: tapehead record --to https://company.hb-api.omtrdc.net --out session.jsonl
    """
    target = arguments.parse_target(to) if to else None
    protection = arguments.parse_protection(proxyauth, allow_client, open_=open_)
    proxy = arguments.proxy_settings(listen, _modes(mode, target), set_ or (), protection, insecure=insecure)
    arguments.check_append(append=append, overwrite=overwrite)
    rotation = parse_rotation(rotate)
    from tapehead.files import compressed, new_recording
    from tapehead.recorder import RecorderSettings, run_recorder

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
            redact_keys=arguments.redact_keys(redact_key, keep_ids=keep_ids),
            sync=sync,
            rotation=rotation,
            backlog=parse_size(backlog, "--backlog"),
        ),
        quiet=quiet,
        live=arguments.live_settings(live, "record"),
    )
    _log()
    raise typer.Exit(asyncio.run(run_recorder(settings, complain)))


def _modes(mode: list[str] | None, target: arguments.Target | None) -> list[str]:
    if bool(mode) == bool(target):
        raise UsageProblem("say where the endpoint is: --to URL to stand in front of it, or --mode regular and others")
    return mode or [target.mode if target else ""]


@app.command()
def replay(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="What to replay; - for stdin.")],
    mode: options.Mode = None,
    endpoint: options.Endpoints = None,
    allow: options.Allow = None,
    on_miss: options.Miss = OnMiss.SIMULATE,
    to: options.ForwardTo = None,
    out: options.Out = None,
    keep_ids: options.KeepIds = False,
    redact_key: options.RedactKeys = None,
    fault: options.Faults = None,
    latency: options.LatencyOption = None,
    time_scale: options.TimeScale = 1.0,
    strict_schema: options.StrictSchema = False,
    strict: options.Strict = False,
    explain: options.Explain = False,
    summary: options.SummaryFile = None,
    listen: options.Listen = options.DEFAULT_LISTEN,
    proxyauth: options.Login = None,
    allow_client: options.Clients = None,
    open_: options.Open = False,
    set_: options.ProxyOptions = None,
    live: options.Live = None,
    quiet: options.Quiet = False,
) -> None:
    """Answer players from recordings; nothing leaves the machine.

    Example: tapehead replay session.jsonl
    """
    from tapehead.playing import OFFLINE_MODE, PlayerSettings, play_recordings
    from tapehead.stage import EngineSettings

    target = arguments.forward_target(on_miss, to, mode)
    modes = mode or [target.mode if target else OFFLINE_MODE]
    named = arguments.redact_keys(redact_key, keep_ids=keep_ids)
    protection = arguments.parse_protection(proxyauth, allow_client, open_=open_)
    settings = PlayerSettings(
        proxy=arguments.proxy_settings(listen, modes, set_ or (), protection, offline=target is None),
        engine=EngineSettings(
            recordings=tuple(recordings),
            on_miss=on_miss,
            faults=arguments.parse_faults(fault),
            latency=arguments.parse_waiting(latency),
            time_scale=time_scale,
            strict_schema=strict_schema,
            strict=strict,
            explain=explain,
            summary=summary,
            quiet=quiet,
            keep_ids=keep_ids,
            redact_keys=named,
            live=arguments.live_settings(live, "replay"),
        ),
        endpoints=tuple(endpoint or ()),
        allow=tuple(allow or ()),
        prefix=target.prefix if target else "",
        store=arguments.episodes_store(target, out, recordings, keep_ids=keep_ids, redact_keys=named),
    )
    _log()
    raise typer.Exit(play_recordings(settings, complain))


@app.command()
def serve(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RECORDING...]", help="What to replay, - for stdin; none to simulate all of it."),
    ] = None,
    on_miss: options.Miss = OnMiss.SIMULATE,
    fault: options.Faults = None,
    latency: options.LatencyOption = None,
    time_scale: options.TimeScale = 1.0,
    strict_schema: options.StrictSchema = False,
    strict: options.Strict = False,
    explain: options.Explain = False,
    redact_key: options.RedactKeys = None,
    summary: options.SummaryFile = None,
    workers: options.Workers = 1,
    listen: options.Listen = options.DEFAULT_LISTEN,
    allow_client: options.Clients = None,
    live: options.Live = None,
    quiet: options.Quiet = False,
) -> None:
    """Answer players with a plain HTTP server: from recordings, or as the documented endpoint does.

    Example: tapehead serve
    """
    from tapehead import serving
    from tapehead.stage import EngineSettings

    if on_miss is OnMiss.FORWARD:
        raise UsageProblem("serve is no proxy and cannot forward; use tapehead replay --on-miss forward --to URL")
    if workers > 1 and STDIN in (recordings or ()):
        raise UsageProblem("--workers needs recordings in files, since each worker reads them; stdin is read once")
    engine = EngineSettings(
        recordings=tuple(recordings or ()),
        on_miss=on_miss,
        faults=arguments.parse_faults(fault),
        latency=arguments.parse_waiting(latency),
        time_scale=time_scale,
        strict_schema=strict_schema,
        strict=strict,
        explain=explain,
        summary=summary,
        quiet=quiet,
        redact_keys=arguments.redact_keys(redact_key, keep_ids=False),
        live=arguments.live_settings(live, "serve", workers),
    )
    clients = arguments.parse_clients(allow_client)
    _log()
    address = arguments.parse_listen(listen)
    raise typer.Exit(serving.serve(engine, *address, complain, workers=workers, clients=clients))


@app.command()
def show(
    recording: Annotated[Path, typer.Argument(help="The recording, or - for stdin.")],
    sid: Annotated[str | None, typer.Argument(help="A session id, or its first characters.")] = None,
) -> None:
    """Show the sessions of a recording, or one session's timeline.

    Example: tapehead show session.jsonl
    """
    from tapehead.showing import show_recording

    show_recording(recording, sid, complain)


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
        raise UsageProblem(f"there is no event type {event_type}{hint}")


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Keep the recording here.")] = None,
) -> None:
    """Record a documented session, replay it offline, and audit it; no network, no account.

    Example: tapehead demo
    """
    from tapehead.demo import run_demo

    raise typer.Exit(run_demo(out))


auditing.register(app)
diffing.register(app)
importing.register(app)


def _log() -> None:
    """Send the warnings of libraries to stderr, a line each."""
    from tapehead.logs import log_to_stderr

    log_to_stderr(complain)


def run(argv: Sequence[str]) -> int:
    """Run the command that `argv` names; the exit code."""
    try:
        code = get_command(app).main(list(argv), prog_name="tapehead", standalone_mode=False)
    except Problem as problem:
        complain(str(problem))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        complain(str(problem))
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
    complain(f"{' '.join(message.split()).rstrip('.')}; see {command} --help")
    return 2
