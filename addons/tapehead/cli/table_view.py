"""The live table as text: sessions, rates, findings and lines, in the columns and rows of a terminal."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tapehead.auditor.results import FindingState
from tapehead.cli.terminal import SHORT_SID
from tapehead.journal.rows import FindingCounts, FindingRow, SessionRow, Totals
from tapehead.journal.session_state import SessionState
from tapehead.protocol.exchange import Severity
from tapehead.reports.terminal_text import COLOURS, safe_text
from tapehead.text import count_of, local_time

# Lines that came meanwhile, and lines of a finding while sessions have to share the terminal with it.
MOST_NOTES, MOST_LINES = 3, 3
# Rows of a terminal from which the places stand above the table that do not fit beside its name.
_PLACES_FROM = 16
# Columns of the terminal from which a column is shown.
_PLAYHEAD_FROM, _SESSION_FROM, _EVENTS_FROM, _PLAYER_FROM, _LAST_FROM = 38, 52, 66, 76, 108
_STATES: dict[str, str] = {
    SessionState.PLAYING: "green",
    SessionState.SILENT: "yellow",
    **dict.fromkeys((state for state in SessionState if state.has_failed), "red"),
}
_LETTERS = {Severity.ERROR: "E", Severity.WARNING: "W", Severity.INFO: "I"}
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
_MARK_WIDTH = 3
# Characters without a width, by which terminals join others or not: a row would get longer than it seems.
_JOINERS = re.compile("[\u00ad\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff]")


class TableContents(NamedTuple):
    """The contents of the live table.

    Attributes:
        title: the name of the command, which stands above the table.
        places: where it listens, records and has a page.
        sessions: the latest, the last change first.
        findings: the latest, the last change first; at the end, all.
        totals: the counts of the run.
        calls_a_second: the rate over the last ten seconds; None at the end.
        notes: lines that came meanwhile.
        recording: the recording; None if there is none.
    """

    title: str
    places: Sequence[str]
    sessions: Sequence[SessionRow]
    findings: Sequence[FindingRow]
    totals: Totals
    calls_a_second: float | None = None
    notes: Sequence[str] = ()
    recording: Path | None = None


def table_view(contents: TableContents, console: Console, rows: int) -> RenderableType:
    """Return the live table, in a number of rows."""
    columns, now = console.width, datetime.now(UTC)
    head = head_lines(contents, columns, rows, now)
    notes = [one_line(note_text(line)) for line in contents.notes[-MOST_NOTES:]]
    room = max(1, rows - len(head) - len(notes) - 1)
    sessions, totals = contents.sessions, contents.totals
    for_findings = max(room // 3, room - max(1, totals.sessions))
    findings = finding_lines(contents.findings, totals.findings.sum, console, for_findings)
    room -= len(findings)
    if totals.sessions > room:
        sessions = sessions[: max(1, room - 1)]
    shown = sorted(sessions, key=lambda row: (row.outcome is not None, -row.number))
    more = totals.sessions - len(shown)
    left = [one_line(f"and {count_of(more, 'more session', grouped=True)}", "dim")] if more > 0 else []
    return Group(*head, session_table(shown, columns, now, at_end=False), *left, *findings, *notes)


def view_at_end(contents: TableContents, console: Console, most_findings: int) -> RenderableType:
    """Return the table that stays: the sessions, and what was confirmed, session by session."""
    columns, now = console.width, datetime.now(UTC)
    places = {row.session: place for place, row in enumerate(sorted(contents.sessions, key=lambda row: row.number))}
    worst = sorted(contents.findings, key=lambda row: _RANKS[row.severity])[:most_findings]
    worst.sort(key=lambda row: (places.get(row.session, len(places)), row.event.index if row.event else -1, row.number))
    shown = sorted(contents.sessions, key=lambda row: row.number)
    more = contents.totals.sessions - len(shown)
    left = [f"and {count_of(more, 'more session', grouped=True)}"] if more > 0 else []
    others = contents.totals.findings.sum - len(worst)
    if others > 0:
        where = f"tapehead audit '{contents.recording}' lists all" if contents.recording else "--out FILE keeps all"
        left.append(f"and {count_of(others, 'more finding', grouped=True)}; {where}")
    head = head_lines(contents, columns, _PLACES_FROM, now)
    table, notes = session_table(shown, columns, now, at_end=True), [Text(line, "dim") for line in left]
    return Group(*head, table, finding_table(worst), *notes)


def head_lines(contents: TableContents, columns: int, rows: int, now: datetime) -> list[Text]:
    """Return what stands above the table: the command, the time, where it listens and records, rates and counts."""
    named = joined([contents.title, local_time(now)[11:], *contents.places], "  ", columns)
    if rows < _PLACES_FROM:
        named = named[:1]
    lines = [one_line(line, "" if index else "bold") for index, line in enumerate(named)]
    rates = rate_lines(contents.totals, contents.calls_a_second, columns)
    return lines + [one_line(line) for line in rates[: max(1, rows // 4)]]


def joined(parts: Iterable[str], between: str, columns: int) -> list[str]:
    """Return texts one behind the other, in as many lines as they need."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(between) + len(part) <= columns:
            lines[-1] += between + part
        else:
            lines.append(part)
    return lines


def one_line(text: str | Text, style: str = "") -> Text:
    """Return a text that is cut where the terminal ends."""
    line = text if isinstance(text, Text) else Text(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def rate_lines(totals: Totals, calls_a_second: float | None, columns: int) -> list[str]:
    """Return the rates and counts, in as many lines as they need."""
    calls = count_of(totals.calls, "call", grouped=True)
    parts = [] if calls_a_second is None else [f"{calls_a_second:.1f} calls/s"]
    parts += [f"{calls} in {count_of(totals.sessions, 'session', grouped=True)}"]
    parts += [f"{totals.refused:,} refused or unanswered"]
    parts += [count_of(totals.misses, "miss", "misses", grouped=True)] if totals.misses else []
    parts += [counts_text(totals.findings).plain]
    if totals.left_out_sessions:
        parts += [f"{count_of(totals.left_out_sessions, 'session')} left out of the audit"]
    return joined(parts, ", ", columns)


def session_table(sessions: Sequence[SessionRow], columns: int, now: datetime, *, at_end: bool) -> Table:
    """Return the rows of sessions; a narrow terminal has fewer columns."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True, padding=(0, 1, 0, 0))
    if columns >= _SESSION_FROM:
        table.add_column("session", width=SHORT_SID, no_wrap=True)
    table.add_column("content", ratio=2, no_wrap=True, overflow="ellipsis", min_width=8)
    if columns >= _PLAYER_FROM:
        table.add_column("player", ratio=1, no_wrap=True, overflow="ellipsis", min_width=6)
    table.add_column("state", width=16 if columns >= _SESSION_FROM else 10, no_wrap=True, overflow="ellipsis")
    if columns >= _PLAYHEAD_FROM:
        table.add_column("playhead", width=8, no_wrap=True, justify="right")
    if columns >= _EVENTS_FROM:
        table.add_column("events", width=6, no_wrap=True, justify="right")
    table.add_column("findings", min_width=8, max_width=16, no_wrap=True, overflow="ellipsis")
    if columns >= _LAST_FROM:
        table.add_column("last event", width=20, no_wrap=True, overflow="ellipsis")
    for row in sessions:
        table.add_row(*cells_of(row, columns, now, at_end=at_end))
    return table


def cells_of(row: SessionRow, columns: int, now: datetime, *, at_end: bool) -> Iterator[Text]:
    """Yield the cells of a session."""
    if columns >= _SESSION_FROM:
        yield cell_text(short_id(row.session))
        yield cell_text(row.content or row.content_id or "-")
    else:
        yield cell_text(row.content or row.content_id or row.session or "-")
    if columns >= _PLAYER_FROM:
        yield cell_text(row.player or "-")
    yield Text(row.state, _STATES.get(row.state, "dim" if row.outcome else ""))
    if columns >= _PLAYHEAD_FROM:
        yield Text("-" if row.playhead is None else position_text(row.playhead))
    if columns >= _EVENTS_FROM:
        yield Text(f"{row.events:,}")
    yield counts_text(row.findings, "-")
    if columns >= _LAST_FROM:
        age = "" if at_end else f"{age_text(row.last, now):>4} "
        yield cell_text(f"{age}{row.last_event or '-'}")


def finding_lines(findings: Sequence[FindingRow], total: int, console: Console, room: int) -> list[RenderableType]:
    """Return the latest findings as far as there is room, under a line that says how many there are.

    Each thing that is returned is a line.
    """
    if not findings or room < 1:
        return []
    lines: list[RenderableType] = []
    count = 0
    for row in findings:
        left = room - 1 - len(lines)
        found = finding_text(row).wrap(console, max(1, console.width - _MARK_WIDTH), overflow="fold")
        most = min(MOST_LINES, left)
        if left < 1 or (count and len(found) > most and left < MOST_LINES):
            break
        kept = list(found[:most])
        if len(found) > most:
            kept[-1] = Text(f"{kept[-1].plain[:-1]}…")
        lines += [marked(row if not index else None, line) for index, line in enumerate(kept)]
        count += 1
    shown = f"the latest {count:,} of {count_of(total, 'finding', grouped=True)}" if count < total else "all findings"
    if not count:
        shown = count_of(total, "finding", grouped=True)
    if any(row.state != FindingState.CONFIRMED for row in findings[:count]):
        shown += "; ? is not confirmed yet"
    return [one_line(shown, "dim"), *lines]


def finding_table(rows: Iterable[FindingRow]) -> Table:
    """Return findings in full."""
    table = Table.grid(padding=0)
    table.add_column(width=_MARK_WIDTH)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(mark_of(row), finding_text(row))
    return table


def marked(row: FindingRow | None, text: Text) -> Text:
    """Return a line of a finding, with the mark of its severity in the first one."""
    mark = mark_of(row) if row else Text()
    mark.pad_right(_MARK_WIDTH - len(mark))
    text.rstrip()
    return one_line(Text.assemble(mark, text))


def mark_of(row: FindingRow) -> Text:
    """Return the letter of a severity, with a question mark if the finding is not confirmed."""
    return Text(_LETTERS[row.severity] + ("" if row.state == FindingState.CONFIRMED else "?"), COLOURS[row.severity])


def finding_text(row: FindingRow) -> Text:
    """Return the rule, session and message of a finding; its message begins with the event."""
    return Text.assemble((row.rule, COLOURS[row.severity]), cell_text(f"  {short_id(row.session)}  {row.message}"))


def short_id(sid: str | None) -> str:
    """Return the beginning of a session id, by which lines and tables name a session."""
    return (sid or "-")[:SHORT_SID]


def cell_text(text: str) -> Text:
    """Return a text of a stranger that takes as many columns on every terminal, and steers none."""
    return safe_text(_JOINERS.sub("", text))


def position_text(seconds: float) -> str:
    """Return a playhead as 1:02:03, with days of a live stream as hours."""
    if not 0 <= seconds < 3_600_000:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def age_text(started: str, now: datetime) -> str:
    """Return the time since a call, in one unit."""
    try:
        seconds = max(0, int((now - datetime.fromisoformat(started)).total_seconds()))
    except (ValueError, TypeError):
        return ""
    return f"{seconds}s" if seconds < 100 else f"{seconds // 60}m" if seconds < 6_000 else f"{seconds // 3600}h"


def counts_text(counts: FindingCounts, none: str = "no findings so far") -> Text:
    """Return the number of findings of each severity, such as `2E 1W`."""
    found = [(getattr(counts, severity), severity) for severity in Severity]
    parts = [(f"{count}{_LETTERS[severity]}", COLOURS[severity]) for count, severity in found if count]
    return Text(" ").join(Text(*part) for part in parts) if parts else Text(none, "dim")


def note_text(line: str) -> Text:
    """Return a line of the terminal, with its colours."""
    text = Text.from_ansi(line)
    return safe_text(text.plain) if "\n" in text.plain else text
