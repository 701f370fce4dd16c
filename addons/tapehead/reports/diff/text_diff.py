"""The diff for a terminal: a block for each session that changed, and a line for all of it."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.comparison.differences import Diff, Difference, SessionDiff, Verdict
from tapehead.reports.diff.difference_lines import describe_side, sections_of, title_of, totals_of
from tapehead.reports.report_wording import plural
from tapehead.reports.terminal_text import TextStyle, render, safe_text

# Sessions that are shown in full; many more changed in the same way say no more.
MOST_SESSIONS = 50

COLOURS = {"-": "red", "+": "green", "~": "yellow"}
VERDICT_MARKS = {Verdict.MISSING: "-", Verdict.ADDED: "+", Verdict.CHANGED: "~"}
# The widest column of names, as a share of the line.
NAMES_SHARE = 0.45


def render_text(diff: Diff, style: TextStyle) -> str:
    """Render the diff as text; sessions without a difference are only counted."""
    parts: list[RenderableType] = []
    shown, notes = 0, dict[str, None]()
    for session in diff.sessions:
        if session.verdict is Verdict.SAME:
            notes |= dict.fromkeys(session.notes)
        elif shown < MOST_SESSIONS:
            parts += session_block(session, style)
            shown += 1
    if left := len(diff.sessions) - diff.count(Verdict.SAME) - shown:
        parts.append(Text(f"and {plural(left, 'more session')}; --format html shows all\n"))
    if diff.outside:
        parts += [Text("outside any session", style="bold"), *difference_tables(diff.outside, style), Text()]
    # The notes of sessions that have no block of their own, each once.
    parts += note_lines(notes)
    return render([*parts, Text(totals_of(diff), style="bold")], style)


def session_block(session: SessionDiff, style: TextStyle) -> Iterator[RenderableType]:
    """Yield a session's title, its two sides, its differences and its notes."""
    mark = VERDICT_MARKS[session.verdict]
    is_pair = session.verdict is Verdict.CHANGED
    size = plural(len(session.differences), "difference") if is_pair else f"session {session.verdict}"
    sides = filter(None, (describe_side(session.base), describe_side(session.new)))
    yield Text.assemble((f"{mark} ", COLOURS[mark]), (title_of(session), "bold"), f"  {size}")
    yield Padding(Text(" -> ".join(sides), style="dim"), (0, 0, 0, 2))
    yield from difference_tables(session.differences, style)
    yield from note_lines(session.notes)
    yield Text()


def difference_tables(differences: Iterable[Difference], style: TextStyle) -> Iterator[RenderableType]:
    """Yield each section of differences: its title, and a table of marks, names and messages."""
    for title, items in sections_of(differences):
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=1)
        widest = min(max(len(item.name) for item in items), round(style.width * NAMES_SHARE))
        table.add_column(width=widest, overflow="fold")
        table.add_column(overflow="fold")
        for item in items:
            table.add_row(Text(item.mark, style=COLOURS[item.mark]), Text(item.name), Text(item.message))
        yield Padding(Text(title, style="dim"), (0, 0, 0, 2))
        yield Padding(table, (0, 0, 0, 4))


def note_lines(notes: Iterable[str]) -> Iterator[RenderableType]:
    """Yield a line for each note."""
    return (Padding(safe_text(f"note: {note}", "dim"), (0, 0, 0, 2)) for note in notes)
