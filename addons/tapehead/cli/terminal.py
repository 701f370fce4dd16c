"""What the terminal shows of an exchange: one line, and a line for each finding.

Colours are for people: they come where the output is a terminal and NO_COLOR is not set.
"""

import os
import queue
import re
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

import typer

from tapehead.answers import Answer, Outcome
from tapehead.protocol.exchange import Exchange, Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import PATHS, allowed_method, find_call, find_route, sid_of_location
from tapehead.redaction.excerpts import discreet_path, named_event
from tapehead.text import count_of, escape_controls, nearest

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
# Lines that wait for a terminal that does not take them, such as one in a stopped window.
MOST_WAITING = 10_000
SHORT_SID = 8
_INDENT = 10
MIN_WIDTH = 40


def lines_of(exchange: Exchange, width: int | None = None) -> Iterator[str]:
    """The lines that show an exchange, coloured; findings are wrapped at `width` columns, if there is one."""
    line = _call_line(exchange.started[11:23], exchange.session, exchange.call, exchange.request)
    took = typer.style(f"{exchange.elapsed_ms:.0f} ms", dim=True)
    yield f"{line}  {_status(exchange.response, exchange.error)}  {took}"
    for finding in exchange.findings:
        yield from _finding_lines(finding, width)


def answer_line(request: Request, answer: Answer, now: float, *, explain: bool) -> str:
    """The line that shows what an engine answered at `now`, seconds since 1970; coloured."""
    call = find_call(request.method, request.path)
    location = answer.response.header("Location") if answer.response else None
    sid = (call.sid if call else None) or sid_of_location(location)
    clock = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[11:23]
    line = _call_line(clock, sid, call.call if call else request.method, request, discreet=True)
    silence = f"by {answer.note}" if answer.outcome is Outcome.FAULT else "as recorded"
    status = "forwarded" if answer.forward else _status(answer.response, silence)
    is_plain = answer.outcome in (Outcome.HIT, Outcome.SIMULATED)
    note = (
        typer.style(f"  {escape_controls(answer.note)}", fg=None if is_plain else "yellow")
        if explain or not is_plain
        else ""
    )
    return f"{line}  {status}{note}"


def _call_line(clock: str, sid: str | None, call: str, request: Request, *, discreet: bool = False) -> str:
    """The beginning of a line; `discreet` for a request with its identifiers in it."""
    event_type, playhead = named_event(call, request, discreet=discreet)
    shown = "-" if playhead is None else f"{playhead:.3f}"
    return f"{clock}  {escape_controls(sid or '-')[:SHORT_SID]:<{SHORT_SID}}  {event_type:<16} {shown:>10}"


def _finding_lines(finding: Finding, width: int | None) -> Iterator[str]:
    if width is None:
        yield f"  {line_of(finding)}"
        return
    head = f"{finding.severity:<7} {finding.rule}"
    first, *rest = textwrap.wrap(f"{head}: {escape_controls(finding.message)}", max(width - _INDENT, MIN_WIDTH)) or [
        head
    ]
    yield "  " + typer.style(first[: len(head)], fg=COLOURS[finding.severity]) + first[len(head) :]
    yield from (" " * _INDENT + line for line in rest)


def line_of(finding: Finding) -> str:
    """The line that shows a finding, coloured."""
    graded = typer.style(f"{finding.severity:<7} {finding.rule}", fg=COLOURS[finding.severity])
    return f"{graded}: {escape_controls(finding.message)}"


def _status(response: Response | None, error: str | None) -> str:
    if response is None:
        return typer.style(f"no answer: {error}", fg="red")
    status = response.status
    return typer.style(str(status), fg="green" if status < 300 else "yellow" if status < 400 else "red")


def announce(show: Callable[[str], None], addresses: Iterable[tuple[str, int]], notes: Iterable[str] = ()) -> None:
    """Show the addresses listened on, in the line that means ready, and notes before it."""
    for note in notes:
        show(note)
    for host, port in dict.fromkeys(addresses):
        show(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")


def near_path_hint(method: str, path: str) -> str:
    """What a request that is no collection call was probably meant to be; empty if it looks like none."""
    path = path.partition("?")[0]
    if route := find_route(path):
        return f"{method} is not what this path takes; did you mean {allowed_method(route.call)}?"
    if not _LIKE_THE_API.search(path):
        return ""
    return "no Media Collection call" + (nearest(_sketch(path), PATHS) or f"; the API has {', '.join(PATHS)}")


# What a path has that was meant for the API: its version, or one of its nouns.
_LIKE_THE_API = re.compile(r"/api/|sessions?\b|/events?$|downloaded", re.IGNORECASE)


def _sketch(path: str) -> str:
    """A path as the documentation writes it: from /api on, with {sid} for what stands for a session id."""
    start = path.lower().rfind("/api/")
    return re.sub(r"(/sessions?/)[^/]+(?=/)", r"\1{sid}", path[max(start, 0) :])


def unmatched_line(method: str, path: str, status: int, hint: str) -> str:
    """The line that shows a request that is no collection call, without what of its path may say who asks; coloured."""
    clock = datetime.now(UTC).isoformat(timespec="milliseconds")[11:23]
    asked = escape_controls(f"{method} {discreet_path(path)}")
    return f"{clock}  {'-':<{SHORT_SID}}  {asked}  {status}  {typer.style(hint, fg='yellow')}"


class Screen:
    """Prints lines from a thread of its own, so that a slow terminal stalls no traffic.

    Args:
        stream: where to print.

    Attributes:
        width: the terminal's columns; None where it is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.width = shutil.get_terminal_size().columns if self._stream.isatty() else None
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._left_out = 0
        self._thread = threading.Thread(target=self._print, name="tapehead-screen", daemon=True)
        self._thread.start()

    def show(self, line: str) -> None:
        """Print `line` soon; where too many wait, it is counted and left out."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def show_exchange(self, exchange: Exchange, _size: int) -> None:
        """Print the lines of an exchange soon."""
        for line in lines_of(exchange, self.width):
            self.show(line)

    def close(self, patience: float = 2.0) -> None:
        """Print what waits, `patience` seconds at most."""
        if self._left_out:
            self.show(f"({self._left_out} lines were left out: the terminal was too slow)")
        try:
            self._lines.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _print(self) -> None:
        """Print what comes; once nobody reads the stream any more, only take it."""
        colour = False if "NO_COLOR" in os.environ else None
        readable = True
        while (line := self._lines.get()) is not None:
            if readable:
                readable = self._echo(line, colour=colour)

    def _echo(self, line: str, *, colour: bool | None) -> bool:
        try:
            typer.echo(line, file=self._stream, color=colour)
        except (OSError, ValueError):
            return False
        return True


def observer(screen: Screen, *, explain: bool = False) -> Callable[[Request, Answer, float], None]:
    """A function that shows each answer on `screen`; with `explain`, of hits, too, why that exchange was chosen."""

    def observe(request: Request, answer: Answer, now: float) -> None:
        screen.show(answer_line(request, answer, now, explain=explain))

    return observe


class UnmatchedRequests:
    """Requests to the endpoint that are no collection call: counted, and shown where they look like one.

    Args:
        show: prints a line; None to print nothing.

    Attributes:
        count: how many there were.
    """

    def __init__(self, show: Callable[[str], None] | None) -> None:
        self.count = 0
        self._show = show

    def note(self, method: str, path: str, status: int) -> None:
        """Count a request; show it where it looks like a call gone astray."""
        self.count += 1
        if self._show and (hint := near_path_hint(method, path)):
            self._show(unmatched_line(method, path, status, hint))

    def summary(self, what: str) -> str:
        """How many there were and what was done with them, to be put behind a summary; empty if there were none."""
        return f"; {count_of(self.count, 'other request')} {what}" if self.count else ""
