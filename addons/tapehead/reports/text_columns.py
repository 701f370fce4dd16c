"""Columns of text that keep their numbers in narrow terminals: others are cut, or left out, before a number is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched, chain, groupby
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from tapehead.reports.terminal_text import TextStyle, render

GAP = 2
LEAST_TITLE = 4
# Lines that are rendered at once.
LINES_AT_ONCE = 1000
# Styles as Rich writes them on a terminal.
_STYLES = {"": "", "dim": "\x1b[2m", "red": "\x1b[31m", "yellow": "\x1b[33m", "cyan": "\x1b[36m"}


class Cell(NamedTuple):
    """A text without control characters, and its style."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its title.
        cells: its cells from top to bottom; none where rows are passed apart.
        is_number: whether it is aligned to the right, and only its title may be cut.
        rank: which columns are left out first where room is short: those with the highest rank; 0 stays.
        least: to how many columns of the terminal its texts may be cut; 0 means that they are never cut.
        keeps_end: whether the end of a text that is cut stays, as of a path.
    """

    title: str
    cells: Sequence[Text] = ()
    is_number: bool = False
    rank: int = 0
    least: int = 0
    keeps_end: bool = False

    def narrowest(self, widest: int) -> int:
        """Return the width to which it may be cut where its widest cell has a width."""
        natural = self.natural(widest)
        least = max(widest, LEAST_TITLE) if self.is_number else self.least or natural
        return min(least, natural)

    def natural(self, widest: int) -> int:
        """Return the width that takes its title and its widest cell."""
        return max(cell_len(self.title), widest)


def lay_out(columns: Sequence[Column], width: int) -> list[Text]:
    """Return the lines of a table that is `width` wide at most: its header in dim text, then its rows."""
    widest = [max((cell.cell_len for cell in column.cells), default=0) for column in columns]
    fitted = _fit(columns, widest, width)
    kept = [columns[place] for place in fitted]
    rows = [[Text(column.title, "dim") for column in kept], *zip(*(column.cells for column in kept), strict=True)]
    return [_line_of(row, list(fitted.values()), kept) for row in rows]


def render_rows(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], style: TextStyle) -> Iterator[str]:
    """Yield the lines of the same table as `lay_out`, rendered, from rows of which few are in memory at once.

    Args:
        columns: the columns, without cells.
        rows: their cells, row by row; read twice. Styles are dim, red, yellow and cyan.
        style: the layout.
    """
    widest = [0] * len(columns)
    for row in rows:
        for place, (text, _) in enumerate(row):
            if len(text) * 2 > widest[place]:  # no character is wider than two columns
                widest[place] = max(widest[place], cell_len(text))
    fitted = _fit(columns, widest, style.width)
    kept, widths = [columns[place] for place in fitted], list(fitted.values())
    fits = sum(widths) + GAP * (len(widths) - 1) <= style.width
    header = [Cell(column.title, "dim") for column in kept]

    def is_plain(row: Sequence[Cell]) -> bool:
        return fits and bool(row[-1].text.strip()) and all(_is_narrow(text) for text, _ in row)

    for batch in batched(chain([header], ([row[place] for place in fitted] for row in rows)), LINES_AT_ONCE):
        for plain, run in groupby(batch, is_plain):
            if plain:
                yield "".join(_plain_line(row, widths, kept, colour=style.colour) for row in run)
            else:
                yield render([_line_of([Text(*cell) for cell in row], widths, kept) for row in run], style)


def _is_narrow(text: str) -> bool:
    """Return whether each character of a text takes one column, with certainty: Latin letters and punctuation."""
    return text.isprintable() and (text.isascii() or max(text) < "\u0300")


def _fit(columns: Sequence[Column], widest: Sequence[int], width: int) -> dict[int, int]:
    """Return the columns that are kept, each by its place, and their widths.

    Args:
        columns: all columns.
        widest: the widths of their widest cells.
        width: the width of the table, at most.
    """
    narrowest = [column.narrowest(wide) for column, wide in zip(columns, widest, strict=True)]
    fitted = {place: column.natural(widest[place]) for place, column in enumerate(columns)}

    def room_for(widths: Sequence[int]) -> int:
        return width - sum(widths) - GAP * (len(widths) - 1)

    while room_for([narrowest[place] for place in fitted]) < 0:
        last = max(fitted, key=lambda place: columns[place].rank)
        if not columns[last].rank:
            break
        del fitted[last]
    while room_for(list(fitted.values())) < 0:
        spare = [(wide, place) for place, wide in fitted.items() if wide > narrowest[place]]
        if not spare:
            break
        fitted[max(spare)[1]] -= 1
    return fitted


def _plain_line(row: Sequence[Cell], widths: Sequence[int], columns: Sequence[Column], *, colour: bool) -> str:
    """Return the line of a row of narrow texts, of which the last is not blank, as Rich renders that of `_line_of`."""
    parts = []
    for (text, style), width, column in zip(row, widths, columns, strict=True):
        if len(text) > width:
            text = f"…{text[1 - width :]}" if column.keeps_end else f"{text[: width - 1]}…"
        text = text.rjust(width) if column.is_number else text.ljust(width)
        parts.append((text, style))
    last, style = parts[-1]
    parts[-1] = last.rstrip(), style
    if not colour:
        return f"{(' ' * GAP).join([text for text, _ in parts])}\n"
    return f"{(' ' * GAP).join([f'{_STYLES[style]}{text}\x1b[0m' if style else text for text, style in parts])}\n"


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
