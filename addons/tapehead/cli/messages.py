"""Lines on stderr."""

import contextlib
import sys
from collections.abc import Iterator

from tapehead.cli.printer import Printer, write_line
from tapehead.text import escape_controls

RECORD_A_PLAYER = "record or save traffic while the player plays"

_printers: list[Printer] = []


def warn(line: str) -> None:
    """Print one line on stderr, with control characters escaped; a traceback keeps its line breaks.

    A stderr that does not take it is no failure.
    """
    shown = "tapehead: " + "\n".join(map(escape_controls, line.split("\n")))
    for printer in _printers:
        printer.show(shown)
        return
    with contextlib.suppress(Exception):
        write_line(sys.stderr, shown)


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
