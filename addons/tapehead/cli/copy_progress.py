"""Copies of recordings in object storage as commands make them: with a progress bar on stderr, and nothing left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tapehead.cli.progress import terminal_console
from tapehead.remote import copies
from tapehead.remote.stores import quiet_libraries


def prepare_copies() -> None:
    """Have a bar shown while objects are copied, libraries be quiet, and copies be removed by a signal."""
    if show_copies not in copies.show_copies:
        copies.show_copies.append(show_copies)
        quiet_libraries()
        copies.COPIES.remove_at_signals()


@contextmanager
def show_copies(count: int, size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar while objects are copied, and provide a function that takes bytes as they come.

    Args:
        count: the number of objects.
        size: their bytes, as far as they are known.
    """
    if not sys.stderr.isatty():
        yield lambda _size: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    text = TextColumn(f"of {count:,} recordings copied" if count > 1 else "copied")
    with Progress(BarColumn(), DownloadColumn(), text, console=terminal_console(), transient=True) as bar:
        task = bar.add_task("", total=size or None)
        yield lambda length: bar.advance(task, length)
