"""The command `show`: its arguments. The work is in `show_run`."""

from pathlib import Path
from typing import Annotated

from tapehead.cli import option_types
from tapehead.cli.parameters import Argument, Option, RecordingPath


def show(
    recording: Annotated[
        Path,
        Argument(
            metavar="RECORDING",
            type=RecordingPath(),
            help="A recording, HAR or flow file, a folder, a URL, or - for stdin.",
        ),
    ],
    sid: Annotated[
        str | None, Argument(metavar="SESSION", help="A session id, or its first characters; - for none.")
    ] = None,
    types: Annotated[
        list[str] | None,
        Option("--type", metavar="TYPE", help="Show calls of this event type only, such as adStart; repeatable."),
    ] = None,
    findings: Annotated[bool, Option("--findings", help="Show calls with findings only.")] = False,
    bodies: Annotated[bool, Option("--bodies", help="Show what was sent and answered, too.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    endpoint: option_types.Endpoints = None,
    config: option_types.ConfigFile = None,
) -> None:
    """Show the sessions of a recording, or its calls.

    Calls are those of SESSION, or of all sessions with --type, --findings or --bodies. Findings and the numbers of
    events are those of the audit.

    Example: tapehead show session.jsonl --type adStart --bodies
    """
    from tapehead.cli.show_run import show_recording
    from tapehead.reports.show.recorded_calls import CallFilter

    calls = CallFilter(tuple(types or ()), findings)
    show_recording(recording, sid, calls, endpoints=endpoint or (), with_bodies=bodies, as_json=as_json, config=config)
