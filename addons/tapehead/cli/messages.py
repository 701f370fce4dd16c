"""Lines on stderr."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Sized

from tapehead.cli.printer import Printer, write_line
from tapehead.text import escape_controls

NO_SESSION = "no session to audit"
RECORD_A_PLAYER = "record or save traffic while the player plays"

# Behind the address of a live page.
_TOKEN = re.compile(r"((?:127\.0\.0\.1|localhost):\d{1,5}[\w/]*#)[\w.%-]+")
_printers: list[Printer] = []
# What takes warnings instead, since they would disturb what the terminal shows.
_diversions: list[Callable[[str], None]] = []


def warn(line: str) -> None:
    """Print one line on stderr, with control characters escaped; a traceback keeps its line breaks.

    A token is left out, also where a journal's URL was given for something else. A stderr that does not take the line
    is no failure.
    """
    for take in _diversions:
        take(line)
        return
    shown = "tapehead: " + "\n".join(map(escape_controls, _TOKEN.sub(r"\1...", line).split("\n")))
    for printer in _printers:
        printer.show(shown)
        return
    with contextlib.suppress(Exception):
        write_line(sys.stderr, shown)


def warn_of_memory(error: OSError) -> None:
    """Warn that what belongs into a temporary file stays in memory."""
    warn(f"cannot write a temporary file: {error.strerror}; it stays in memory; TMPDIR can name another folder")


def nothing_read(action: str, inputs: Sized) -> int:
    """Say that there is nothing for an action, unless the line about the only input said so; return the exit code."""
    if len(inputs) > 1:
        warn(f"nothing to {action}: no recording could be read")
    return 2


@contextlib.contextmanager
def diverted_warnings(take: Callable[[str], None]) -> Iterator[None]:
    """Have warnings taken by a function, instead of printed."""
    _diversions.append(take)
    try:
        yield
    finally:
        _diversions.remove(take)


@contextlib.contextmanager
def warning_in_background() -> Iterator[None]:
    """Print warnings in a thread, so that a stderr that takes nothing stalls no traffic; at the end, those that wait.

    It holds for the process, as stderr does.
    """
    printer = Printer(sys.stderr)
    _printers.append(printer)
    try:
        yield
    finally:
        _printers.remove(printer)
        printer.close()
