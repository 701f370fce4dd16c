"""A progress bar on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from tapehead.cli.printer import write_text
from tapehead.colour import in_colour

if TYPE_CHECKING:
    from rich.console import Console

# Takes the number of files that are done, and of items that were read in all.
Show = Callable[[int, int], None]


class _Terminal:
    """A terminal that may be gone, as when its window was closed: what it does not take is left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Print text, or leave it out."""
        with suppress(OSError, ValueError):
            write_text(self._stream, text)
        return len(text)

    def flush(self) -> None:
        """Do nothing, since nothing waits."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True

    def fileno(self) -> int:
        """Return its descriptor, for its width."""
        return self._stream.fileno()


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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text))
    with Progress(*columns, console=terminal_console(), transient=True) as bar:
        task = bar.add_task("", total=total, read=0)
        yield lambda done, read: bar.update(task, completed=done, read=read)


def terminal_console() -> "Console":
    """Return a console on stderr, which is a terminal."""
    from rich.console import Console

    # A colour that is forced makes no terminal of a pipe, in which a bar would be lines.
    terminal = cast("TextIO", _Terminal(sys.stderr))
    return Console(file=terminal, force_terminal=True, color_system="standard" if in_colour(sys.stderr) else None)
