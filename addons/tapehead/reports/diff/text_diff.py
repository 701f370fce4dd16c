"""The diff for a terminal: a block for each session that changed, and a line for all of it."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.audit.results import SessionResult
from tapehead.diff.differences import Diff, Difference, SessionDiff, Verdict
from tapehead.reports.diff.difference_lines import Item, sections_of, short_id, title_of, totals_of
from tapehead.reports.report_wording import plural
from tapehead.reports.terminal_text import TextStyle, render
from tapehead.text import escape_controls

# Sessions that are shown in full; many more changed in the same way say no more.
MOST_SESSIONS = 50

_COLOURS = {"-": "red", "+": "green", "~": "yellow"}
_VERDICTS = {Verdict.MISSING: "-", Verdict.ADDED: "+", Verdict.CHANGED: "~"}
# The widest column of names, as a share of the line.
_NAMES = 0.45


def render_text(diff: Diff, look: TextStyle) -> str:
    """The diff as text; sessions without a difference are only counted."""
    told = [session for session in diff.sessions if session.verdict is not Verdict.SAME]
    parts = [part for session in told[:MOST_SESSIONS] for part in _block(session, look)]
    if left := len(told) - MOST_SESSIONS:
        parts += [Text(f"and {plural(left, 'more session')}; --format html shows all\n")] if left > 0 else []
    if diff.outside:
        parts += [Text("outside any session", style="bold"), *_sections(diff.outside, look), Text()]
    parts += _notes_of_same(diff)
    return render([*parts, Text(totals_of(diff), style="bold")], look)


def _block(session: SessionDiff, look: TextStyle) -> Iterator[RenderableType]:
    mark = _VERDICTS[session.verdict]
    yield Text.assemble((f"{mark} ", _COLOURS[mark]), (title_of(session), "bold"), f"  {_found(session)}")
    yield Padding(Text(" -> ".join(_sides(session)), style="dim"), (0, 0, 0, 2))
    yield from _sections(session.differences, look)
    yield from _notes(session.notes)
    yield Text()


def _found(session: SessionDiff) -> str:
    if session.verdict is Verdict.CHANGED:
        return plural(len(session.differences), "difference")
    return f"session {session.verdict}"


def _sides(session: SessionDiff) -> Iterator[str]:
    return (_side(side) for side in (session.base, session.new) if side)


def _side(session: SessionResult) -> str:
    return f"{short_id(session)}, {plural(session.events, 'event')}, {session.outcome}"


def _sections(differences: Iterable[Difference], look: TextStyle) -> Iterator[RenderableType]:
    for title, items in sections_of(differences):
        yield Padding(Text(title, style="dim"), (0, 0, 0, 2))
        yield Padding(_table(items, look), (0, 0, 0, 4))


def _table(items: Iterable[Item], look: TextStyle) -> Table:
    listed = list(items)
    widest = min(max(len(item.name) for item in listed), round(look.width * _NAMES))
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=1)
    table.add_column(width=widest, overflow="fold")
    table.add_column(overflow="fold")
    for item in listed:
        table.add_row(Text(item.mark, style=_COLOURS[item.mark]), Text(item.name), Text(item.message))
    return table


def _notes(notes: Iterable[str]) -> Iterator[RenderableType]:
    for note in notes:
        yield Padding(Text(f"note: {escape_controls(note)}", style="dim"), (0, 0, 0, 2))


def _notes_of_same(diff: Diff) -> list[RenderableType]:
    """The notes of sessions that have no block of their own, each once."""
    quiet = (session for session in diff.sessions if session.verdict is Verdict.SAME)
    return list(_notes(dict.fromkeys(note for session in quiet for note in session.notes)))
