"""The command `show`: its arguments. The work is in `show_run`."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead.cli.messages import warn


def show(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A recording or folder, or - for stdin.")],
    sid: Annotated[str | None, typer.Argument(metavar="SESSION", help="A session id, or its first characters.")] = None,
) -> None:
    """Show the sessions of a recording, or one session's timeline.

    Example: tapehead show session.jsonl
    """
    from tapehead.cli.show_run import show_recording

    show_recording(recording, sid, warn)
