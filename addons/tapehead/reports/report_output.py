"""Where a report goes: to a terminal or a pipe, as it looks there, or into a file."""

import os
import sys
from pathlib import Path

import typer
from rich.console import Console

from tapehead.errors import TapeheadError
from tapehead.recording.paths import private
from tapehead.reports.terminal_text import TextStyle


def look_at(output: Path | None, *, verbose: bool = False) -> TextStyle:
    """How text looks where it goes: as wide as the terminal, in colour unless NO_COLOR is set; plain elsewhere."""
    if output or not sys.stdout.isatty():
        return TextStyle(verbose=verbose)
    return TextStyle(Console().width, colour="NO_COLOR" not in os.environ, verbose=verbose)


def deliver(text: str, output: Path | None) -> None:
    """Print a report, or write it into a file whose directory is made if need be; it has bodies of recordings in it.

    Raises:
        Problem: the file cannot be written.
    """
    if output is None:
        _print(text)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with open(output, "w", encoding="utf-8", errors="replace", opener=private) as file:
            file.write(text)
    except OSError as error:
        raise TapeheadError(f"cannot write {output}: {error.strerror}") from error


def _print(text: str) -> None:
    """Print; a reader that has seen enough, such as `head`, is no failure."""
    try:
        typer.echo(text.encode("utf-8", "replace"), nl=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
