"""A recording for a terminal: the table of its sessions, or calls with their findings and bodies."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from tapehead.answers import Outcome
from tapehead.auditor.results import SessionResult
from tapehead.protocol.exchange import Severity
from tapehead.protocol.messages import Message, Response
from tapehead.reports.report_wording import last_part, plural, short_id
from tapehead.reports.show.recorded_calls import ShownCall
from tapehead.reports.terminal_text import COLOURS, TextStyle, count_cell, render, safe_text
from tapehead.reports.text_columns import Column, lay_out
from tapehead.text import escape_controls, format_number, local_time

INDENT = 4
REDIRECT, CLIENT_ERROR = 300, 400


def render_sessions(results: Sequence[SessionResult], style: TextStyle) -> str:
    """Render the table of sessions with their counts of findings, which are those of the audit."""
    counts = [Counter(finding.severity for finding in result.findings) for result in results]
    recordings = {name for result in results for name in result.recordings}
    columns = [
        Column("session", [safe_text(short_id(result.id) if result.id else "-") for result in results]),
        Column("started", [safe_text(local_time(result.started, style.zone)[5:]) for result in results], rank=3),
        Column("content", [safe_text(result.media_name or result.media_id or "-") for result in results], least=6),
        Column("player", [safe_text(result.player or "-") for result in results], rank=2, least=12),
        Column("outcome", [safe_text(result.outcome) for result in results], rank=1),
        Column("events", [Text(f"{result.events:,}") for result in results], is_number=True),
        *(
            Column(title, [count_cell(found[severity], severity) for found in counts], is_number=True)
            for title, severity in zip(("err", "warn", "info"), Severity, strict=True)
        ),
    ]
    if len(recordings) > 1:
        names = [safe_text(", ".join(result.recordings), "dim") for result in results]
        columns.append(Column("recording", names, rank=4, least=12, keeps_end=True))
    return render(lay_out(columns, style.width), style)


def render_calls(
    sessions: Iterable[tuple[str, Sequence[ShownCall]]], style: TextStyle, *, with_bodies: bool = False
) -> str:
    """Render the calls of sessions, each session with a title unless there is one alone."""
    listed = list(sessions)
    parts: list[RenderableType] = []
    for title, calls in listed:
        parts += [Text(), safe_text(title, "bold")] if len(listed) > 1 else []
        parts += call_parts(calls, style, with_bodies=with_bodies)
    return render(parts, style).lstrip("\n")


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
