"""A table of sessions on the terminal, drawn anew while calls come, in a thread of its own.

It is on the terminal's other screen: its size may change, and what the terminal showed before is back at the end, and
while the process is stopped or in the background. A terminal that takes nothing stops the table's thread and nothing
else.
"""

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TextIO, cast

from rich.console import Console, RenderableType
from rich.live import Live

from tapehead.cli.messages import diverted_warnings, warn
from tapehead.cli.printer import CLOSE_SECONDS, write_text
from tapehead.cli.table_view import TableContents, table_view, view_at_end
from tapehead.cli.terminal import Screen
from tapehead.colour import in_colour
from tapehead.journal.journal import Journal
from tapehead.journal.row_filter import RowFilter
from tapehead.journal.rows import FindingRow, SessionRow
from tapehead.text import count_of

# The shortest time between two drawings; each may take a twelfth of the time at most.
REFRESH_SECONDS = 0.25
MOST_SHARE = 12
# The table is drawn anew so often at least: ages, silence and rates change without a call.
IDLE_SECONDS = 1.0
RATE_SECONDS = 10.0
# Lines that came meanwhile and are printed at the end.
MOST_NOTES = 1_000
# Sessions and findings that stay at the end; a run may have thousands.
MOST_SESSIONS_AT_END, MOST_FINDINGS_AT_END = 60, 50
# Whether what is too long for a line goes on in the next one, which would move the rows of the table.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"


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
        self._places: Sequence[str] = ()
        self._recording: Path | None = None
        self._journal: Journal | None = None
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)
        self._warnings: deque[str] = deque(maxlen=MOST_NOTES)
        self._note_count = 0
        self._rates: deque[tuple[float, int]] = deque()
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._is_suspended = self._is_continued = False
        self._diverted = ExitStack()
        self._thread = threading.Thread(target=self._run, name="tapehead-table", daemon=True)
        self._console = make_console()

    def start(self, journal: Journal, places: Sequence[str] = (), recording: Path | None = None) -> None:
        """Show the table of a journal from now on.

        Args:
            journal: the journal.
            places: where the command listens, and has its page.
            recording: where it records.
        """
        self._journal, self._recording = journal, recording
        self._places = [*places[:1], *([f"recording into {recording.name}"] if recording else []), *places[1:]]
        self._screen.take = self._note
        if sys.stderr.isatty():
            self._diverted.enter_context(diverted_warnings(self._warn))
        self._diverted.callback(journal.subscribe(self._changed.set))
        self._handle(("SIGTSTP", self._suspend), ("SIGCONT", self._continue))
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
        sessions, _ = self._journal.latest(MOST_SESSIONS_AT_END, 0)
        contents = self._contents(self._journal, sessions, self._journal.findings(RowFilter()))
        with console.capture() as capture:
            console.print(view_at_end(contents, console, MOST_FINDINGS_AT_END))
        for line in capture.get().splitlines():
            self._screen.show(line.rstrip())
        if left := self._note_count - len(self._notes):
            self._screen.show(f"({count_of(left, 'line')} left out)")
        for line in self._notes:
            self._screen.show(line)
        for line in self._warnings:
            warn(line)

    def _handle(self, *handlers: tuple[str, Callable[[int, FrameType | None], None]]) -> None:
        """Handle signals until the table ends, unless whoever started the process has them ignored."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name, handler in handlers:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, handler)
                self._diverted.callback(signal.signal, number, signal.SIG_DFL)

    def _note(self, line: str) -> None:
        self._notes.append(line)
        self._note_count += 1
        self._changed.set()

    def _warn(self, line: str) -> None:
        self._warnings.append(line)
        self._changed.set()

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Have the table's thread leave the terminal, and then stop the process."""
        self._is_suspended = True
        if not self._thread.is_alive():
            os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self, _number: int, _frame: FrameType | None) -> None:
        self._is_continued = True

    # ---- In the table's thread ----

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the thread that waits for them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        self._screen.flush()
        try:
            while not self._stop.is_set():
                if self._is_suspended:
                    self._is_suspended = False
                    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
                elif is_in_background(sys.stdout):
                    self._stop.wait(REFRESH_SECONDS)
                else:
                    self._is_continued = False
                    self._show()
        except Exception as error:  # noqa: BLE001 - whatever it is, calls go on
            self._screen.take = None
            if not isinstance(error, OSError | ValueError):  # such as a terminal that is gone
                warn(f"the table ended: {error!r}; traffic continues")

    def _show(self) -> None:
        """Show the table until its end, or until the terminal is another's."""
        with Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._view,
        ) as live:
            self._console.file.write(_NO_WRAP)
            try:
                while not (self._stop.is_set() or self._is_suspended or self._is_continued):
                    if is_in_background(sys.stdout):
                        break
                    # The time that drawing takes from others, without that of a slow terminal.
                    began = time.thread_time()
                    live.refresh()
                    spent = time.thread_time() - began
                    self._wait(max(REFRESH_SECONDS, spent * MOST_SHARE))
            finally:
                self._console.file.write(_WRAP)

    def _wait(self, seconds: float) -> None:
        """Wait some time, and then until something has changed, at most a second."""
        self._stop.wait(seconds)
        size = self._console.size
        deadline = time.monotonic() + IDLE_SECONDS - REFRESH_SECONDS
        while time.monotonic() < deadline and self._console.size == size and not self._changed.wait(0.1):
            if self._is_suspended or self._is_continued:  # told by a handler, which must not wait for the event's lock
                break
        self._changed.clear()

    def _view(self) -> RenderableType:
        assert self._journal  # noqa: S101
        rows = self._console.height
        sessions, findings = self._journal.latest(rows, rows)
        contents = self._contents(self._journal, sessions, findings)
        notes = [*self._notes, *(f"tapehead: {line}" for line in self._warnings)]
        contents = contents._replace(calls_a_second=self._rate(contents.totals.calls), notes=notes)
        return table_view(contents, self._console, rows)

    def _contents(
        self, journal: Journal, sessions: Sequence[SessionRow], findings: Sequence[FindingRow]
    ) -> TableContents:
        return TableContents(self._title, self._places, sessions, findings, journal.totals(), recording=self._recording)

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


def is_in_background(stream: TextIO) -> bool:
    """Return whether another process group has the terminal of a stream, as after Ctrl-Z and bg."""
    try:
        return os.tcgetpgrp(stream.fileno()) != os.getpgrp()
    except (AttributeError, OSError, ValueError):  # a system without, or a terminal that controls nobody
        return False
