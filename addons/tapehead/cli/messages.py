"""Lines on stderr."""

import typer

from tapehead.text import escape_controls


def warn(line: str) -> None:
    """Print one line on stderr, with control characters escaped; a traceback keeps its line breaks."""
    typer.echo("tapehead: " + "\n".join(map(escape_controls, line.split("\n"))), err=True)
