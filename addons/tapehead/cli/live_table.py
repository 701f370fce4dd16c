"""A table of sessions on the terminal, drawn anew while calls come, in a thread of its own.

It is on the terminal's other screen: its size may change, and what the terminal showed before is back at the end. A
terminal that takes nothing stops the table's thread and nothing else.
"""

import signal
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack
from typing import TextIO, cast

from rich.console import Console, RenderableType
from rich.live import Live

from tapehead.cli.messages import diverted_warnings, warn
from tapehead.cli.printer import CLOSE_SECONDS, write_text
from tapehead.cli.table_view import table_view
from tapehead.cli.terminal import Screen
from tapehead.colour import in_colour
from tapehead.journal.journal import Journal
from tapehead.text import count_of

# The shortest time between two drawings; each may take a twelfth of the time at most.
REFRESH_SECONDS = 0.25
MOST_SHARE = 12
# The table is drawn anew so often at least: ages, silence and rates change without a call.
IDLE_SECONDS = 1.0
RATE_SECONDS = 10.0
# Lines that came meanwhile and are printed at the end.
MOST_NOTES = 1_000
# The height of the table that stays; a run may have thousands of sessions.
MOST_ROWS_AT_END = 60


class _Output:
    """A file for Rich that goes past the stream's buffer, as `write_line` does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        self._parts.append(text)
        return len(text)

    def flush(self) -> None:
        text = "".join(self._parts)
        self._parts.clear()
        write_text(self._stream, text)

    def isatty(self) -> bool:
        return True


def make_console() -> Console:
    """Return a console on stdout, past its buffer."""
    return Console(
        file=cast(TextIO, _Output(sys.stdout)),
        force_terminal=True,
        color_system="standard" if in_colour(sys.stdout) else None,
        highlight=False,
        emoji=False,
        markup=False,
    )


class LiveTable:
    """A table of the sessions of a journal, from its `start` to its `close`.

    Args:
        title: the name of the command, which stands above the table.
        screen: the terminal, whose lines it takes meanwhile.
    """

    def __init__(self, title: str, screen: Screen) -> None:
        self._title = title
        self._screen = screen
        self._journal: Journal | None = None
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)
        self._warnings: deque[str] = deque(maxlen=MOST_NOTES)
        self._note_count = 0
        self._rates: deque[tuple[float, int]] = deque()
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._diverted = ExitStack()
        self._thread = threading.Thread(target=self._run, name="tapehead-table", daemon=True)
        self._console = make_console()

    def start(self, journal: Journal) -> None:
        """Show the table of a journal from now on."""
        self._journal = journal
        self._screen.take = self._note
        if sys.stderr.isatty():
            self._diverted.enter_context(diverted_warnings(self._warn))
        self._diverted.callback(journal.subscribe(self._changed.set))
        self._thread.start()

    def close(self) -> None:
        """Leave the table in its last state on the terminal, and below it the lines that came meanwhile."""
        if self._journal is None:
            return
        self._stop.set()
        self._changed.set()
        self._thread.join(CLOSE_SECONDS)
        self._diverted.close()
        self._screen.take = None
        # A terminal that takes nothing keeps the console of the table's thread locked.
        console = make_console()
        with console.capture() as capture:
            console.print(self._view(at_end=True))
        for line in capture.get().splitlines():
            self._screen.show(line.rstrip())
        if left := self._note_count - len(self._notes):
            self._screen.show(f"({count_of(left, 'line')} left out)")
        for line in self._notes:
            self._screen.show(line)
        for line in self._warnings:
            warn(line)

    def _note(self, line: str) -> None:
        self._notes.append(line)
        self._note_count += 1
        self._changed.set()

    def _warn(self, line: str) -> None:
        self._warnings.append(line)
        self._changed.set()

    # ---- In the table's thread ----

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the thread that waits for them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        self._screen.flush()
        try:
            with Live(
                console=self._console,
                screen=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
                get_renderable=self._view,
            ) as live:
                while not self._stop.is_set():
                    # The time that drawing takes from others, without that of a slow terminal.
                    began = time.thread_time()
                    live.refresh()
                    spent = time.thread_time() - began
                    self._wait(max(REFRESH_SECONDS, spent * MOST_SHARE))
        except Exception as error:  # noqa: BLE001 - whatever it is, calls go on
            self._screen.take = None
            if not isinstance(error, OSError | ValueError):  # such as a terminal that is gone
                warn(f"the table ended: {error!r}; traffic continues")

    def _wait(self, seconds: float) -> None:
        """Wait some time, and then until something has changed, at most a second."""
        self._stop.wait(seconds)
        size = self._console.size
        deadline = time.monotonic() + IDLE_SECONDS - REFRESH_SECONDS
        while time.monotonic() < deadline and self._console.size == size and not self._changed.wait(0.1):
            pass
        self._changed.clear()

    def _view(self, *, at_end: bool = False) -> RenderableType:
        assert self._journal  # noqa: S101
        columns, rows = self._console.size
        rows = MOST_ROWS_AT_END if at_end else rows
        sessions, findings = self._journal.latest(rows, 0 if at_end else rows)
        totals = self._journal.totals()
        notes = [] if at_end else [*self._notes, *(f"tapehead: {line}" for line in self._warnings)]
        rate = None if at_end else self._rate(totals.calls)
        return table_view(self._title, sessions, findings, totals, rate, notes, (columns, rows))

    def _rate(self, calls: int) -> float:
        now = time.monotonic()
        rates = self._rates
        if rates and rates[-1][1] > calls:  # the journal was reset
            rates.clear()
        rates.append((now, calls))
        while len(rates) > 2 and rates[1][0] < now - RATE_SECONDS:
            rates.popleft()
        began, first = rates[0]
        elapsed = now - began
        return (calls - first) / elapsed if elapsed > REFRESH_SECONDS else 0.0
