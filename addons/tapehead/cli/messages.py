"""Lines on stderr."""

import typer

from tapehead.text import escape_controls

RECORD_A_PLAYER = "record or save traffic while the player plays"


def warn(line: str) -> None:
    """Print one line on stderr, with control characters escaped; a traceback keeps its line breaks."""
    typer.echo("tapehead: " + "\n".join(map(escape_controls, line.split("\n"))), err=True)
