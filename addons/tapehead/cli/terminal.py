"""Lines for the terminal: calls, answers and findings; and the thread that prints them.

Colours are left out where the output is not a terminal, or NO_COLOR is set.
"""

import os
import queue
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TextIO

import typer

from tapehead.answers import Answer, Outcome
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.near_calls import near_path_hint
from tapehead.protocol.routes import find_call, sid_of_location
from tapehead.redaction.excerpts import discreet_path, named_event
from tapehead.text import count_of, escape_controls, escape_output, http_url, local_time

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
# Lines that may wait for a terminal that takes none, such as one in a stopped window.
MOST_WAITING = 10_000
SHORT_SID = 8
INDENT = 10
MIN_WIDTH = 40


def lines_of(exchange: Exchange, width: int | None = None) -> Iterator[str]:
    """Yield a line for an exchange, and one for each of its findings or more, where `width` columns do not suffice."""
    line = _call_line(
        local_time(exchange.started, timespec="milliseconds")[11:], exchange.session, exchange.call, exchange.request
    )
    took = typer.style(f"{exchange.elapsed_ms:.0f} ms", dim=True)
    yield f"{line}  {_status(exchange.response, exchange.error)}  {took}"
    for finding in exchange.findings:
        head = f"{finding.severity:<7} {finding.rule}"
        text = f"{head}: {escape_controls(finding.message)}"
        first, *rest = [text] if width is None else textwrap.wrap(text, max(width - INDENT, MIN_WIDTH))
        yield f"  {typer.style(first[: len(head)], fg=COLOURS[finding.severity])}{first[len(head) :]}"
        yield from (" " * INDENT + line for line in rest)


def answer_line(request: Request, answer: Answer, now: float, *, explain: bool) -> str:
    """Return the line for an engine's answer at `now`, in seconds since 1970; `explain` adds why it was chosen."""
    call = find_call(request.method, request.path)
    location = answer.response.header("Location") if answer.response else None
    sid = (call.sid if call else None) or sid_of_location(location)
    clock = local_time(datetime.fromtimestamp(now, UTC), timespec="milliseconds")[11:]
    line = _call_line(clock, sid, call.call if call else request.method, request, discreet=True)
    silence = f"by {answer.note}" if answer.outcome is Outcome.FAULT else "as recorded"
    status = "forwarded" if answer.forward else _status(answer.response, silence)
    is_plain = answer.outcome in (Outcome.HIT, Outcome.SIMULATED)
    if not answer.note or (is_plain and not explain):
        return f"{line}  {status}"
    return f"{line}  {status}{typer.style(f'  {escape_controls(answer.note)}', fg=None if is_plain else 'yellow')}"


def _call_line(clock: str, sid: str | None, call: str, request: Request, *, discreet: bool = False) -> str:
    """Return the beginning of a line; `discreet` if the request still has its identifiers."""
    event_type, playhead = named_event(call, request, discreet=discreet)
    position = "-" if playhead is None else f"{playhead:.3f}"
    session = escape_controls(sid or "-")[:SHORT_SID]
    return f"{escape_controls(clock)}  {session:<{SHORT_SID}}  {event_type:<16} {position:>10}"


def _status(response: Response | None, error: str | None) -> str:
    if response is None:
        return typer.style(f"no answer: {escape_controls(error or '')}", fg="red")
    status = response.status
    return typer.style(str(status), fg="green" if status < 300 else "yellow" if status < 400 else "red")


def announce(show: Callable[[str], None], addresses: Iterable[tuple[str, int]], notes: Iterable[str] = ()) -> None:
    """Show `notes`, then the line that means ready for each address that is listened on."""
    for note in notes:
        show(note)
    for host, port in dict.fromkeys(addresses):
        show(f"listening on {http_url(host, port)}")


def unmatched_line(method: str, path: str, status: int, hint: str) -> str:
    """Return the line for an unmatched request, without the parts of its path that may identify a person."""
    clock = local_time(datetime.now(UTC), timespec="milliseconds")[11:]
    request = escape_controls(f"{method} {discreet_path(path)}")
    return f"{clock}  {'-':<{SHORT_SID}}  {request}  {status}  {typer.style(escape_controls(hint), fg='yellow')}"


class Screen:
    """Printing in a thread of its own, so that a slow terminal stalls no traffic.

    Args:
        stream: where to print; stdout if left out.

    Attributes:
        width: the terminal's columns; None if the stream is not a terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.width = shutil.get_terminal_size().columns if self._stream.isatty() else None
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._left_out = 0
        self._thread = threading.Thread(target=self._print, name="tapehead-screen", daemon=True)
        self._thread.start()

    def show(self, line: str) -> None:
        """Print `line` soon; if too many wait, leave it out and count it."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def show_exchange(self, exchange: Exchange, _size: int) -> None:
        """Print the lines of an exchange soon."""
        for line in lines_of(exchange, self.width):
            self.show(line)

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Print the lines that wait, at most for `timeout_seconds`."""
        if self._left_out:
            self.show(f"({self._left_out} lines were left out: the terminal was too slow)")
        try:
            self._lines.put(None, timeout=timeout_seconds)
        except queue.Full:
            return
        self._thread.join(timeout_seconds)

    def _print(self) -> None:
        """Print lines; once the stream is closed, drop them."""
        colour = False if "NO_COLOR" in os.environ else None
        is_open = True
        while (line := self._lines.get()) is not None:
            try:
                if is_open:
                    typer.echo(escape_output(line, styled=True), file=self._stream, color=colour)
            except (OSError, ValueError):
                is_open = False


def observer(screen: Screen, *, explain: bool = False) -> Callable[[Request, Answer, float], None]:
    """Return a function that shows each answer on `screen`; `explain` adds why it was chosen."""

    def observe(request: Request, answer: Answer, now: float) -> None:
        screen.show(answer_line(request, answer, now, explain=explain))

    return observe


class UnmatchedRequests:
    """Requests to the endpoint that are not Media Collection calls: counted, and shown if they resemble one.

    Args:
        show: prints a line; None to print nothing.

    Attributes:
        count: the number of such requests.
    """

    def __init__(self, show: Callable[[str], None] | None) -> None:
        self.count = 0
        self._show = show

    def add(self, method: str, path: str, status: int) -> None:
        """Count a request, and show it if it resembles a call."""
        self.count += 1
        if self._show and (hint := near_path_hint(method, path)):
            self._show(unmatched_line(method, path, status, hint))

    def summary(self, what: str) -> str:
        """Return their number and what was done with them, to be put behind a summary; empty if there were none."""
        return f"; {count_of(self.count, 'other request')} {what}" if self.count else ""
