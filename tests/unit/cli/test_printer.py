"""Printing in a thread: lines come together, in order, and none is lost without a word."""

import io
import re
import sys
import threading
from typing import Any

from support.processes import run_program
from tapehead.cli import printer as module
from tapehead.cli.printer import MOST_TOGETHER, MOST_WAITING, Printer


class Output(io.RawIOBase):
    """An output that takes nothing before `opens` is set, `most` bytes at a time, and fails after `room` bytes once."""

    def __init__(self, most: int | None = None, room: int | None = None) -> None:
        self.opens = threading.Event()
        self.taken = b""
        self.writes = 0
        self._most = most
        self._room = room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.opens.wait()
        self.writes += 1
        part = bytes(data)[: self._most]
        if self._room is not None:
            part = part[: self._room - len(self.taken)]
            if not part:
                self._room = None
                raise OSError(28, "No space left on device")
        self.taken += part
        return len(part)


def printing_on(output: Output) -> Printer:
    return Printer(io.TextIOWrapper(output, encoding="utf-8", write_through=True))  # type: ignore[type-var]


def test_lines_that_come_together_are_printed_together_and_in_order() -> None:
    output = Output()
    printer = printing_on(output)
    lines = [f"line {number}" for number in range(4 * MOST_TOGETHER)]
    for line in lines:
        printer.show(line)
    output.opens.set()
    printer.close()

    assert output.taken.decode().splitlines() == lines
    assert output.writes <= 6


def test_an_output_that_takes_a_few_bytes_at_a_time_gets_all() -> None:
    output = Output(most=7)
    output.opens.set()
    printer = printing_on(output)
    for number in range(100):
        printer.show(f"line {number}")
    printer.close()

    assert output.taken.decode().splitlines() == [f"line {number}" for number in range(100)]


def test_lines_beyond_those_that_may_wait_are_counted() -> None:
    output = Output()
    printer = printing_on(output)
    count = MOST_WAITING + 3 * MOST_TOGETHER
    for number in range(count):
        printer.show(f"line {number}")
    output.opens.set()
    printer.flush()
    printer.show("last")
    printer.close()

    *lines, last = output.taken.decode().splitlines()
    told = [int(match[1]) for line in lines if (match := re.fullmatch(r"\((\d+) lines? left out, .*\)", line))]
    assert last == "last"
    assert sum(told) + len([line for line in lines if line.startswith("line ")]) == count
    assert sum(told) >= MOST_TOGETHER


def test_lines_that_were_not_taken_whole_are_counted() -> None:
    """The first line may be printed before the others, or together with them."""
    output = Output(room=2 * len("line 0\n") + 3)
    printer = printing_on(output)
    for number in range(6):
        printer.show(f"line {number}")
    output.opens.set()
    printer.flush()
    printer.show("last")
    printer.close()

    told = "(4 lines left out, which could not be printed)"
    assert output.taken.decode() == f"line 0\nline 1\nlin{told}\nlast\n"


def test_a_flush_ends_with_the_lines_before_it() -> None:
    output = Output()
    output.opens.set()
    printer = printing_on(output)
    for number in range(20):
        printer.show(f"line {number}")
        printer.flush()
        assert output.taken.decode().splitlines()[-1] == f"line {number}"
    printer.close()


def test_lines_are_printed_by_a_process_that_ends_without_closing() -> None:
    shows = "printer.show('first'); printer.flush(); printer.show('second'); printer.show('third')"
    code = f"import sys; from {module.__name__} import Printer; printer = Printer(sys.stdout); {shows}"
    ended = run_program(sys.executable, "-c", code)

    assert ended.stdout.splitlines() == ["first", "second", "third"]
