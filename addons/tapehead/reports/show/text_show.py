"""A recording for a terminal: the table of its sessions, or calls with their findings and bodies."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from tapehead.answers import Outcome
from tapehead.protocol.exchange import Severity
from tapehead.protocol.messages import Message, Response
from tapehead.reports.report_wording import last_part, plural, short_id
from tapehead.reports.show.recorded_calls import ShownCall
from tapehead.reports.terminal_text import COLOURS, TextStyle, render, safe_text
from tapehead.reports.text_columns import Cell, Column, lay_out, render_rows
from tapehead.text import escape_controls, format_number, local_time

INDENT = 4
REDIRECT, CLIENT_ERROR = 300, 400


def render_sessions(sessions: Sequence[Mapping[str, Any]], style: TextStyle) -> Iterator[str]:
    """Yield the table of sessions, each as `session_object` returns it; they are read twice, one at a time."""
    columns = [
        Column("session"),
        Column("started", rank=3),
        Column("content", least=6),
        Column("player", rank=2, least=12),
        Column("outcome", rank=1),
        *(Column(title, is_number=True) for title in ("events", "err", "warn", "info")),
    ]
    names_files = len({name for session in sessions for name in session["recordings"]}) > 1
    columns += [Column("recording", rank=4, least=12, keeps_end=True)] if names_files else []
    return render_rows(columns, SessionRows(sessions, style, names_files=names_files), style)


class SessionRows:
    """The rows of the table of sessions, made anew whenever they are read.

    Args:
        sessions: the sessions, each as `session_object` returns it.
        style: the layout.
        names_files: whether the last cell names the recordings.
    """

    def __init__(self, sessions: Sequence[Mapping[str, Any]], style: TextStyle, *, names_files: bool) -> None:
        self._sessions = sessions
        self._zone = style.zone
        self._names_files = names_files

    def __iter__(self) -> Iterator[list[Cell]]:
        for each in self._sessions:
            texts = (
                short_id(each["id"]) if each["id"] else "-",
                local_time(each["started"], self._zone)[5:],
                each["media_name"] or each["media_id"] or "-",
                each["player"] or "-",
                each["outcome"],
                f"{each['events']:,}",
            )
            counts = ((each[f"{severity}s"], severity) for severity in Severity)
            row = [Cell(escape_controls(text)) for text in texts]
            row += [Cell(f"{count:,}", COLOURS[severity] if count else "dim") for count, severity in counts]
            if self._names_files:
                row.append(Cell(escape_controls(", ".join(each["recordings"])), "dim"))
            yield row


def render_calls(
    sessions: Iterable[tuple[str, Sequence[ShownCall]]], style: TextStyle, *, with_bodies: bool = False
) -> Iterator[str]:
    """Yield the calls of sessions, each session with its title, if it has one."""
    for number, (title, calls) in enumerate(sessions):
        heading: list[RenderableType] = [safe_text(title, "bold")] if title else []
        text = render([*heading, *call_parts(calls, style, with_bodies=with_bodies)], style)
        yield f"\n{text}" if number else text


def call_parts(calls: Sequence[ShownCall], style: TextStyle, *, with_bodies: bool) -> Iterator[RenderableType]:
    """Yield a line for each call, and below it its findings, and its bodies if asked for."""
    exchanges = [call.entry.exchange for call in calls]
    has_files = len({call.entry.recording for call in calls}) > 1
    lines = [str(call.entry.line) for call in calls]
    if has_files:
        lines = [f"{last_part(call.entry.recording)}:{line}" for call, line in zip(calls, lines, strict=True)]
    times = [local_time(exchange.started, style.zone, "milliseconds")[11:] for exchange in exchanges]
    header, *rows = lay_out(
        [
            Column("event", [Text(_plain(call.number)) for call in calls], is_number=True),
            Column("time", list(map(safe_text, times)), rank=2),
            Column("seconds", [Text(_decimals(call.seconds, 1)) for call in calls], is_number=True),
            Column("type", [safe_text(call.name) for call in calls], least=8),
            Column("playhead", [Text(_decimals(call.playhead, 3)) for call in calls], is_number=True),
            Column("answer", [_status(exchange.response) for exchange in exchanges], is_number=True),
            Column("ms", [Text(f"{exchange.elapsed_ms:.0f}") for exchange in exchanges], is_number=True, rank=3),
            Column("line", list(map(safe_text, lines)), is_number=True, rank=4 if has_files else 1),
        ],
        style.width,
    )
    yield header
    for row, call in zip(rows, calls, strict=True):
        yield row
        exchange = call.entry.exchange
        if exchange.error:
            yield Padding(safe_text(f"no answer: {exchange.error}", "red"), (0, 0, 0, INDENT))
        if (answered := exchange.answered) and answered.outcome in (Outcome.MISS, Outcome.FAULT):
            yield Padding(safe_text(answered.reason or answered.outcome, "yellow"), (0, 0, 0, INDENT))
        for finding in call.findings:
            head = (f"{finding.severity} {finding.rule}", COLOURS[finding.severity])
            yield Padding(Text.assemble(head, f": {escape_controls(finding.message)}"), (0, 0, 0, INDENT))
        if with_bodies:
            yield from body_parts("sent", exchange.request, call.body)
            if exchange.response and (exchange.response.content() or not exchange.response.saved):
                yield from body_parts("answered", exchange.response, exchange.response.content())


def body_parts(title: str, message: Message, content: bytes) -> Iterator[RenderableType]:
    """Yield the lines of a body: JSON indented, with its values as they were sent."""
    if not content:
        yield Padding(Text(f"{title}: {'nothing' if message.saved else '(not saved)'}", "dim"), (0, 0, 0, INDENT))
        return
    yield Padding(Text(f"{title}:", "dim"), (0, 0, 0, INDENT))
    for line in format_body(content).splitlines():
        yield Padding(safe_text(line), (0, 0, 0, INDENT))


def format_body(content: bytes) -> str:
    """Return a body as text, over several lines if it is JSON."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
        return msgspec.json.format(content, indent=2).decode("utf-8", "replace")
    except msgspec.MsgspecError:
        return content.decode("utf-8", "replace")


def title_of(session: str | None, calls: Sequence[ShownCall]) -> str:
    """Return the title of a session's calls, with the files or proxies that they came from."""
    sources = dict.fromkeys(filter(None, (call.entry.exchange.source for call in calls)))
    origin = f"  from {', '.join(sources)}" if sources else ""
    return f"{session or 'calls of no session'}  {plural(len(calls), 'call')}{origin}"


def _plain(number: int | None) -> str:
    return "-" if number is None else str(number)


def _decimals(value: float | None, decimals: int) -> str:
    if value is None:
        return "-"
    return f"{value:.{decimals}f}" if decimals == 1 else format_number(value)


def _status(response: Response | None) -> Text:
    if response is None:
        return Text("none", "red")
    status = response.status
    return Text(str(status), "green" if status < REDIRECT else "yellow" if status < CLIENT_ERROR else "red")
