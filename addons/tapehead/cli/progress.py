"""A bar on stderr while files are read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

# Takes how many files are done, and how much was read in all.
Show = Callable[[int, int], None]


@contextmanager
def progress(total: int, text: str) -> Iterator[Show]:
    """A bar on stderr while files are read, if that is a terminal; a function that moves it.

    Args:
        total: how many files there are.
        text: what stands behind their number, with `task.fields[read]` for how much was read.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _read: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, read=0)
        yield lambda done, read: bar.update(task, completed=done, read=read)
