"""The live table as text: sessions, rates, the latest findings and lines, in the columns and rows of a terminal."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tapehead.auditor.live_findings import FindingState
from tapehead.journal.rows import FindingCounts, FindingRow, SessionRow, Totals
from tapehead.protocol.exchange import Severity
from tapehead.reports.terminal_text import COLOURS, safe_text
from tapehead.text import count_of, local_time

# Rows of the latest findings, and of lines that came meanwhile.
MOST_FINDINGS, MOST_NOTES = 5, 3
# Columns of the terminal from which a column is shown.
_PLAYHEAD_FROM, _EVENTS_FROM, _LAST_FROM, _PLAYER_FROM = 38, 56, 66, 76
_STATES = {
    "playing": "green",
    "silent": "yellow",
    **dict.fromkeys(("start refused", "start unanswered", "unknown session"), "red"),
}
_LETTERS = {Severity.ERROR: "E", Severity.WARNING: "W", Severity.INFO: "I"}


def table_view(
    title: str,
    sessions: Sequence[SessionRow],
    findings: Sequence[FindingRow],
    totals: Totals,
    calls_a_second: float | None,
    notes: Sequence[str],
    size: tuple[int, int],
) -> RenderableType:
    """Return the live table.

    Args:
        title: the name of the command, which stands above the table.
        sessions: the latest, the last change first.
        findings: the latest, the last change first.
        totals: the counts of the run.
        calls_a_second: the rate over the last ten seconds; None at the end.
        notes: lines that came meanwhile.
        size: the columns and rows that there are.
    """
    columns, rows = size
    now = datetime.now(UTC)
    head = [f"{title}  {local_time(now)[11:]}", *rate_lines(totals, calls_a_second, columns)]
    below = [note_text(line) for line in notes[-MOST_NOTES:]]
    below += [finding_text(row) for row in findings[: max(0, min(MOST_FINDINGS, (rows - len(head) - len(below)) // 3))]]
    room = max(1, rows - len(head) - len(below) - 3)
    shown = sorted(sessions[:room], key=lambda row: (row.outcome is not None, -row.number))
    more = totals.sessions - len(shown)
    left = [f"and {count_of(more, 'more session')}"] if more > 0 else []
    lines = [Text(line, "bold" if not index else "") for index, line in enumerate(head)]
    texts = [*(Text(line, "dim") for line in left), *below]
    for text in (*lines, *texts):
        text.no_wrap, text.overflow = True, "ellipsis"
    return Group(*lines, session_table(shown, columns, now), *texts)


def rate_lines(totals: Totals, calls_a_second: float | None, columns: int) -> list[str]:
    """Return the rates and counts, in one line, or in two where the terminal is narrow."""
    rate = "" if calls_a_second is None else f"{calls_a_second:.1f} calls/s, "
    calls = (
        f"{rate}{count_of(totals.calls, 'call', grouped=True)} in {count_of(totals.sessions, 'session', grouped=True)}"
    )
    refused = f"{totals.refused:,} refused or unanswered"
    answers = f"{refused}, {count_of(totals.misses, 'miss', 'misses', grouped=True)}" if totals.misses else refused
    one = f"{calls}, {answers}, {counts_text(totals.findings).plain}"
    left_out = [f"{count_of(totals.left_out_sessions, 'session')} left out of the audit"]
    lines = [one] if len(one) <= columns else [calls, f"{answers}, {counts_text(totals.findings).plain}"]
    return lines + (left_out if totals.left_out_sessions else [])


def session_table(sessions: Sequence[SessionRow], columns: int, now: datetime) -> Table:
    """Return the rows of sessions; a narrow terminal has fewer columns."""
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True, padding=(0, 1, 0, 0))
    table.add_column("content", ratio=2, no_wrap=True, overflow="ellipsis", min_width=8)
    if columns >= _PLAYER_FROM:
        table.add_column("player", ratio=1, no_wrap=True, overflow="ellipsis", min_width=6)
    table.add_column("state", width=14 if columns >= _EVENTS_FROM else 10, no_wrap=True, overflow="ellipsis")
    if columns >= _PLAYHEAD_FROM:
        table.add_column("playhead", width=8, no_wrap=True, justify="right")
    if columns >= _EVENTS_FROM:
        table.add_column("events", width=6, no_wrap=True, justify="right")
    table.add_column("findings", width=8, no_wrap=True, overflow="ellipsis")
    if columns >= _LAST_FROM:
        table.add_column("last event", width=16, no_wrap=True, overflow="ellipsis")
    for row in sessions:
        table.add_row(*cells_of(row, columns, now))
    return table


def cells_of(row: SessionRow, columns: int, now: datetime) -> Iterator[Text]:
    """Yield the cells of a session."""
    yield safe_text(row.content or row.content_id or row.session or "-")
    if columns >= _PLAYER_FROM:
        yield safe_text(row.player or "-")
    yield Text(row.state, _STATES.get(row.state, "dim" if row.outcome else ""))
    if columns >= _PLAYHEAD_FROM:
        yield Text("-" if row.playhead is None else position_text(row.playhead))
    if columns >= _EVENTS_FROM:
        yield Text(f"{row.events:,}")
    yield counts_text(row.findings, "-")
    if columns >= _LAST_FROM:
        yield safe_text(f"{age_text(row.last, now):>4} {row.last_event or '-'}")


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


def finding_text(row: FindingRow) -> Text:
    """Return the line of a finding."""
    state = "" if row.state == FindingState.CONFIRMED else f"{row.state}: "
    event = f" at {row.event.type}" if row.event else ""
    return Text.assemble(
        (f"{row.severity:<7} {row.rule}", COLOURS[row.severity]), safe_text(f"{event}: {state}{row.message}")
    )


def note_text(line: str) -> Text:
    """Return a line of the terminal, with its colours."""
    text = Text.from_ansi(line)
    return safe_text(text.plain) if "\n" in text.plain else text
