"""Lines for the terminal: calls, answers and findings.

Colours are left out where the output has none, as `colour.in_colour` says.
"""

import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from math import floor

import click

from tapehead.answers import Answer, Outcome
from tapehead.cli.printer import Printer
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.near_calls import near_path_hint
from tapehead.protocol.routes import sid_of_location
from tapehead.redaction.call_names import MOST_KNOWN, discreet_path, named_event
from tapehead.text import count_of, escape_controls, http_url, local_time

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
SHORT_SID = 8
# The longest session id whose part of a line is kept.
MOST_KNOWN_SID = 100
INDENT = 10
MIN_WIDTH = 40


def lines_of(exchange: Exchange, width: int | None = None) -> Iterator[str]:
    """Yield a line for an exchange, and one for each of its findings or more, where `width` columns do not suffice."""
    clock = escape_controls(local_time(exchange.started, timespec="milliseconds")[11:])
    line = _call_line(clock, exchange.session, exchange.call, exchange.request)
    took = click.style(f"{exchange.elapsed_ms:.0f} ms", dim=True)
    yield f"{line}  {_status(exchange.response, exchange.error)}  {took}"
    for finding in exchange.findings:
        yield from finding_lines("  ", finding.severity, finding.rule, finding.message, width)


def finding_lines(before: str, severity: Severity, rule: str, message: str, width: int | None) -> Iterator[str]:
    """Yield the lines for a finding, the first after `before`: more than one where `width` columns do not suffice."""
    head = f"{severity:<7} {rule}"
    text = f"{before}{head}: {escape_controls(message)}"
    first, *rest = (
        [text] if width is None else textwrap.wrap(text, max(width, MIN_WIDTH), subsequent_indent=" " * INDENT)
    )
    begun = len(before) + len(head)
    yield f"{before}{click.style(first[len(before) : begun], fg=COLOURS[severity])}{first[begun:]}"
    yield from rest


_PLAIN = (Outcome.HIT, Outcome.SIMULATED)


def answer_line(request: Request, answer: Answer, now: float, *, explain: bool) -> str:
    """Return the line for an engine's answer at `now`, in seconds since 1970; `explain` adds why it was chosen."""
    call = request.collection_call
    sid = call.sid if call else None
    if sid is None and answer.response:
        sid = sid_of_location(answer.response.header("Location"))
    line = _call_line(_clock(now), sid, call.call if call else request.method, request, discreet=True)
    is_plain = answer.outcome in _PLAIN
    if is_plain and not explain and answer.response and not answer.forward:  # as nearly all are
        return f"{line}  {_styled_status(answer.response.status)}"
    silence = f"by {answer.note}" if answer.outcome is Outcome.FAULT else "as recorded"
    status = "forwarded" if answer.forward else _status(answer.response, silence)
    note = "" if is_plain and not explain else escape_controls(answer.note)
    shown = click.style(f"  {note}", fg=None if is_plain else "yellow") if note else ""
    return f"{line}  {status}{shown}"


def _clock(now: float) -> str:
    """Return the local time of day of a time in seconds since 1970, with milliseconds."""
    second = floor(now)
    # Rounded as `datetime.fromtimestamp` does, at a third of its cost.
    microseconds = round((now - second) * 1_000_000)
    if microseconds == 1_000_000:
        second, microseconds = second + 1, 0
    return _clock_millisecond(second, microseconds // 1000, time.tzname)


@lru_cache(4)
def _clock_millisecond(second: int, milliseconds: int, _zone: tuple[str, str]) -> str:
    text = local_time(datetime.fromtimestamp(second, UTC))[11:]
    return f"{text[:8]}.{milliseconds:03}{text[8:]}"


def _call_line(clock: str, sid: str | None, call: str, request: Request, *, discreet: bool = False) -> str:
    """Return the beginning of a line; `discreet` if the request still has its identifiers."""
    event_type, playhead = named_event(call, request, discreet=discreet)
    middle = _known_middle if len(event_type) <= MOST_KNOWN and len(sid or "") <= MOST_KNOWN_SID else _middle_of
    position = "         -" if playhead is None else f"{playhead:10.3f}"
    return f"{clock}{middle(sid, event_type)}{position}"


def _middle_of(sid: str | None, event_type: str) -> str:
    return f"  {escape_controls(sid or '-')[:SHORT_SID]:<{SHORT_SID}}  {event_type:<16} "


_known_middle = lru_cache(2_000)(_middle_of)


def _status(response: Response | None, error: str | None) -> str:
    if response is None:
        return click.style(f"no answer: {escape_controls(error or '')}", fg="red")
    return _styled_status(response.status)


@lru_cache(256)
def _styled_status(status: int) -> str:
    return click.style(str(status), fg="green" if status < 300 else "yellow" if status < 400 else "red")


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
    return f"{clock}  {'-':<{SHORT_SID}}  {request}  {status}  {click.style(escape_controls(hint), fg='yellow')}"


class Screen(Printer):
    """Printing of calls on stdout.

    Args:
        with_keys: whether calls are shown with the keys of their tests.

    Attributes:
        take: takes lines instead, while the terminal shows something else.
    """

    def __init__(self, *, with_keys: bool = False) -> None:
        super().__init__(sys.stdout)
        self._with_keys = with_keys
        self.take: Callable[[str], None] | None = None

    def show(self, line: str) -> None:
        """Print a line soon, as `Printer.show`."""
        if take := self.take:
            take(line)
        else:
            super().show(line)

    def show_exchange(self, exchange: Exchange, _line: bytes) -> None:
        """Print the lines of an exchange soon."""
        key = exchange.answered.key if exchange.answered and self._with_keys else ""
        first, *others = lines_of(exchange, self.width)
        for line in (first + key_text(key), *others):
            self.show(line)


def key_text(key: str) -> str:
    """Return how the line of a call ends that has the key of a test."""
    return click.style(f"  key {escape_controls(key)}", dim=True) if key else ""


def observer(
    screen: Screen, *, explain: bool = False, verbose: bool = False
) -> Callable[[Request, Answer, float], None]:
    """Return a function that shows each answer on `screen`.

    Args:
        screen: the screen.
        explain: whether the line says why the answer was chosen.
        verbose: whether it says that, and the key of the test.
    """

    def observe(request: Request, answer: Answer, now: float) -> None:
        line = answer_line(request, answer, now, explain=explain or verbose)
        screen.show(line + key_text(answer.key) if verbose else line)

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
