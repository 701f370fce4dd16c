"""Printing that fails and waits for nobody: on standard streams that are closed, full, broken or read by no one."""

import atexit
import os
import queue
import re
import select
import shutil
import signal
import sys
import threading
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import TextIO

from tapehead.colour import in_colour
from tapehead.text import count_of, escape_output, without_styles

# Lines that may wait for an output that takes none, such as a terminal in a stopped window.
MOST_WAITING = 10_000
# Lines that are printed together at most, and the time in which they come.
MOST_TOGETHER = 1_000
PAUSE_SECONDS = 0.05
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
    write_text(stream, _text_of(line, in_colour(stream)))


def write_text(stream: TextIO, text: str) -> None:
    """Print text as it is, past the stream's buffer, and wait until all of it is taken; it raises as `write_line`."""
    for _ in write_parts(stream, text.encode(stream.encoding, "replace")):
        pass


def write_parts(stream: TextIO, content: bytes) -> Iterator[int]:
    """Print bytes past the stream's buffer, and yield how many were taken so far; it raises as `write_line`."""
    raw, taken = getattr(stream.buffer, "raw", stream.buffer), 0
    while taken < len(content):
        written = raw.write(memoryview(content)[taken:])
        if written is None:  # it is in non-blocking mode, and full
            select.select([], [raw], [], CLOSE_SECONDS)
        else:
            taken += written
            yield taken


def _text_of(line: str, is_coloured: bool) -> str:
    plain = without_styles(line)
    if plain.isprintable() and not plain.startswith(("{", "[")):  # as nearly all are: nothing to escape
        return f"{line if is_coloured else plain}\n"
    escaped = escape_output(line, styled=True)
    return f"{escaped if is_coloured else _STYLES.sub('', escaped)}\n"


class Printer:
    """Printing in a thread of its own, so that an output that is slow, or takes nothing, stalls and breaks nothing.

    Lines that come shortly after others are printed together. Lines that cannot be printed are left out; their number
    is printed as soon as the output takes lines again.

    Args:
        stream: where to print.

    Attributes:
        width: the terminal's columns; None if the stream is not a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.width = shutil.get_terminal_size().columns if stream.isatty() else None
        self._lines: queue.SimpleQueue[str | threading.Event | None] = queue.SimpleQueue()
        # Ends the pause after some lines.
        self._hurries = threading.Event()
        # Lines that found no room, and those of them that were told; lines that the stream refused.
        self._no_room = self._reported = self._refused = 0
        self._thread = threading.Thread(target=self._run, name="tapehead-printer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def show(self, line: str) -> None:
        """Print `line` soon; if too many wait, leave it out and count it."""
        if self._lines.qsize() < MOST_WAITING:
            self._lines.put(line)
        else:
            self._no_room += 1

    def flush(self) -> None:
        """Wait until the lines so far are printed, as far as the output takes them soon."""
        printed = threading.Event()
        self._lines.put(printed)
        self._hurries.set()
        printed.wait(CLOSE_SECONDS)

    def close(self) -> None:
        """Print the lines that wait, as far as the output takes them soon."""
        atexit.unregister(self.close)
        self._lines.put(None)
        self._hurries.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        if hasattr(signal, "pthread_sigmask"):  # signals are for the thread that waits for them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        is_open = True
        while is_open:
            lines = []
            for each in self._take():
                if isinstance(each, str):
                    lines.append(each)
                    continue
                self._print(lines)
                lines = []
                self._hurries.clear()
                if each:
                    each.set()
                is_open = each is not None
            self._print(lines)
            if is_open and self._lines.empty():
                self._hurries.wait(PAUSE_SECONDS)
        self._report_left_out()

    def _take(self) -> list[str | threading.Event | None]:
        """Wait for a line, and return it and those behind it."""
        taken = [self._lines.get()]
        while len(taken) < MOST_TOGETHER and taken[-1] is not None and not self._lines.empty():
            taken.append(self._lines.get())
        return taken

    def _print(self, lines: list[str]) -> None:
        self._report_left_out()
        self._refused += len(lines) - self._count_taken(lines)

    def _report_left_out(self) -> None:
        no_room = self._no_room
        left_out = no_room - self._reported + self._refused
        if left_out and self._count_taken([f"({count_of(left_out, 'line')} left out, which could not be printed)"]):
            self._reported, self._refused = no_room, 0

    def _count_taken(self, lines: list[str]) -> int:
        """Print lines, and return how many of them the output took."""
        taken, ends = 0, []
        with suppress(Exception):  # there is nowhere to report that printing failed
            is_coloured = in_colour(self._stream)
            texts = [_text_of(line, is_coloured).encode(self._stream.encoding, "replace") for line in lines]
            ends = list(accumulate(map(len, texts)))
            for taken in write_parts(self._stream, b"".join(texts)):  # noqa: B007 - counted where it fails
                pass
        return bisect_right(ends, taken)
