"""Printing that fails and waits for nobody: on standard streams that are closed, full, broken or read by no one."""

import os
import queue
import re
import select
import shutil
import signal
import sys
import threading
from typing import TextIO

from tapehead.colour import in_colour
from tapehead.text import count_of, escape_output

# Lines that may wait for an output that takes none, such as a terminal in a stopped window.
MOST_WAITING = 10_000
# The time that the end of a run waits for an output that takes nothing.
CLOSE_SECONDS = 2.0
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def open_closed_streams() -> None:
    """Open the null device for each standard stream that was closed at start, as `>&-` does.

    The next files to be opened would get their numbers, and whatever prints there would write into a recording.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in order: the lowest free number is next
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode))  # noqa: PTH123, SIM115 - it stays open


def write_line(stream: TextIO, line: str) -> None:
    """Print a line, in colour where the stream has colours; wait until all of it is taken.

    It goes past the stream's buffer: what fails there would fail again at the end of the process, and a thread that
    waits there holds a lock that this end needs.

    Raises:
        OSError: the stream does not take it.
        ValueError: the stream is closed.
    """
    escaped = escape_output(line, styled=True)
    text = escaped if in_colour(stream) else _STYLES.sub("", escaped)
    write_text(stream, f"{text}\n")


def write_text(stream: TextIO, text: str) -> None:
    """Print text as it is, past the stream's buffer, and wait until all of it is taken; it raises as `write_line`."""
    content = memoryview(text.encode(stream.encoding, "replace"))
    raw = getattr(stream.buffer, "raw", stream.buffer)
    while content:
        written = raw.write(content)
        if written is None:  # it is in non-blocking mode, and full
            select.select([], [raw], [], CLOSE_SECONDS)
        else:
            content = content[written:]


class Printer:
    """Printing in a thread of its own, so that an output that is slow, or takes nothing, stalls and breaks nothing.

    Lines that cannot be printed are left out; their number is printed as soon as the output takes lines again.

    Args:
        stream: where to print.

    Attributes:
        width: the terminal's columns; None if the stream is not a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.width = shutil.get_terminal_size().columns if stream.isatty() else None
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(MOST_WAITING)
        # Lines that found no room, and those of them that were told; lines that the stream refused.
        self._no_room = self._reported = self._refused = 0
        self._thread = threading.Thread(target=self._run, name="tapehead-printer", daemon=True)
        self._thread.start()

    def show(self, line: str) -> None:
        """Print `line` soon; if too many wait, leave it out and count it."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._no_room += 1

    def flush(self) -> None:
        """Wait until the lines so far are printed, as far as the output takes them soon."""
        printed = threading.Event()
        try:
            self._lines.put(printed, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        printed.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Print the lines that wait, as far as the output takes them soon."""
        try:
            self._lines.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the thread that waits for them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        while (line := self._lines.get()) is not None:
            self._report_left_out()
            if isinstance(line, threading.Event):
                line.set()
            elif not self._takes(line):
                self._refused += 1
        self._report_left_out()

    def _report_left_out(self) -> None:
        no_room = self._no_room
        left_out = no_room - self._reported + self._refused
        if left_out and self._takes(f"({count_of(left_out, 'line')} left out, which could not be printed)"):
            self._reported, self._refused = no_room, 0

    def _takes(self, line: str) -> bool:
        try:
            write_line(self._stream, line)
        except Exception:  # noqa: BLE001 - there is nowhere to report that printing failed
            return False
        return True
