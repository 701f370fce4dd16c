"""Lines on stderr."""

import typer

from tapehead.text import escape_controls


def warn(line: str) -> None:
    """Print one line on stderr, with control characters escaped."""
    typer.echo(f"tapehead: {escape_controls(line)}", err=True)
