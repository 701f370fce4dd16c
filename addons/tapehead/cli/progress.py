"""A progress bar on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tapehead.colour import in_colour

# Takes the number of files that are done, and of items that were read in all.
Show = Callable[[int, int], None]


@contextmanager
def progress(total: int, text: str) -> Iterator[Show]:
    """Show a bar on stderr while files are read, if that is a terminal, and provide a function that moves it.

    Args:
        total: the number of files.
        text: what stands behind it, with `task.fields[read]` for the number of items that were read.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _read: None
        return
    # A colour that is forced makes no terminal of a pipe, in which a bar would be lines.
    console = Console(stderr=True, force_terminal=True, color_system="standard" if in_colour(sys.stderr) else None)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, read=0)
        yield lambda done, read: bar.update(task, completed=done, read=read)
