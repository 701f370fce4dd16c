"""The destination of a report: a terminal or a pipe, with the style that fits it, or a file."""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from pathlib import Path

import click

from tapehead.colour import in_colour
from tapehead.errors import TapeheadError
from tapehead.files import create_folder, open_private
from tapehead.reports.terminal_text import WIDE, TextStyle
from tapehead.text import escape_output

# Characters of a report that are written at once.
PART_CHARACTERS = 1_000_000


def style_for(output: Path | None, *, verbose: bool = False) -> TextStyle:
    """Return the style of a text: as wide as the terminal, in colour where stdout has colours; plain in a file."""
    width = WIDE
    if sys.stdout.isatty() and not output:
        from rich.console import Console

        width = Console().width
    return TextStyle(width, in_colour(sys.stdout) and not output, verbose, report_zone())


def report_zone() -> tzinfo | None:
    """Return the zone of the times in reports: the system's (None), or UTC for reports equal to the byte."""
    return UTC if "SOURCE_DATE_EPOCH" in os.environ else None


def write_report(text: str | Iterable[str], output: Path | None, *, styled: bool = False) -> None:
    """Print a report, or write it into a private file, since it holds bodies of recordings; create its folder.

    Args:
        text: the report, or its parts.
        output: the file; None for stdout.
        styled: whether it is a text that may have styles for a terminal.

    Raises:
        TapeheadError: the file cannot be written.
    """
    parts = [text] if isinstance(text, str) else _joined(text)
    if output is None:
        is_json: bool | None = None
        try:
            for part in parts:
                is_json = part.startswith(("{", "[")) if is_json is None else is_json
                click.echo(escape_output(part, styled=styled, is_json=is_json).encode("utf-8", "replace"), nl=False)
        except BrokenPipeError:  # a reader that has seen enough, such as `head`, is no failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    try:
        create_folder(output.parent)
        with open(output, "w", encoding="utf-8", errors="replace", newline="", opener=open_private) as file:
            file.writelines(parts)
    except OSError as error:
        raise TapeheadError(f"cannot write '{output}': {error.strerror}") from error


def _joined(parts: Iterable[str]) -> Iterator[str]:
    """Yield parts joined to larger ones."""
    waiting, size = list[str](), 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size > PART_CHARACTERS:
            yield "".join(waiting)
            waiting, size = [], 0
    yield "".join(waiting)
