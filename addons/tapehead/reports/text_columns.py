"""Columns of text that keep their numbers in narrow terminals: others are cut, or left out, before a number is."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

GAP = 2
LEAST_TITLE = 4


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its title.
        cells: its cells from top to bottom.
        is_number: whether it is aligned to the right, and only its title may be cut.
        rank: which columns are left out first where room is short: those with the highest rank; 0 stays.
        least: to how many columns of the terminal its texts may be cut; 0 means that they are never cut.
        keeps_end: whether the end of a text that is cut stays, as of a path.
    """

    title: str
    cells: Sequence[Text]
    is_number: bool = False
    rank: int = 0
    least: int = 0
    keeps_end: bool = False

    @property
    def narrowest(self) -> int:
        """The width to which it may be cut."""
        cells = max((cell.cell_len for cell in self.cells), default=0)
        least = max(cells, LEAST_TITLE) if self.is_number else self.least or self.natural
        return min(least, self.natural)

    @property
    def natural(self) -> int:
        """The width that takes its title and all its cells."""
        return max(map(cell_len, (self.title, *(cell.plain for cell in self.cells))))


def lay_out(columns: Sequence[Column], width: int) -> list[Text]:
    """Return the lines of a table that is `width` wide at most: its header in dim text, then its rows."""
    kept = list(columns)

    def room_for(widths: Sequence[int]) -> int:
        return width - sum(widths) - GAP * (len(widths) - 1)

    while room_for([column.narrowest for column in kept]) < 0:
        last = max(kept, key=lambda column: column.rank)
        if not last.rank:
            break
        kept.remove(last)
    widths = [column.natural for column in kept]
    while room_for(widths) < 0:
        spare = [(widths[n], n) for n, column in enumerate(kept) if widths[n] > column.narrowest]
        if not spare:
            break
        widths[max(spare)[1]] -= 1
    rows = [[Text(column.title, "dim") for column in kept], *zip(*(column.cells for column in kept), strict=True)]
    return [_line_of(row, widths, kept) for row in rows]


def _line_of(row: Sequence[Text], widths: Sequence[int], columns: Sequence[Column]) -> Text:
    line = Text()
    for cell, width, column in zip(row, widths, columns, strict=True):
        fitted = cell.copy()
        if column.keeps_end and cell.cell_len > width:
            fitted = Text(f"…{cell.plain[1 - width :]}", cell.style)
        fitted.truncate(width, overflow="ellipsis", pad=not column.is_number)
        if column.is_number:
            fitted.pad_left(width - fitted.cell_len)
        line = Text.assemble(line, fitted, " " * GAP)
    line.rstrip()
    return line
