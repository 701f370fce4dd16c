"""Text for a terminal: its style, and Rich tables rendered as text; what needs only the style loads no Rich."""

from collections.abc import Iterable
from datetime import tzinfo
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

from tapehead.protocol.exchange import Severity
from tapehead.text import escape_controls

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

# Columns where the width of the reader's screen is not known.
WIDE = 160

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


class TextStyle(NamedTuple):
    """The layout of a text: columns, whether in colour, whether in full, the zone of times (None: the system's)."""

    width: int = WIDE
    colour: bool = False
    verbose: bool = False
    zone: tzinfo | None = None


def safe_text(text: str, style: str = "") -> "Text":
    """Return a text that may come from a recording with its control characters escaped."""
    from rich.text import Text

    return Text(escape_controls(text), style)


def count_cell(count: int, severity: Severity) -> "Text":
    """Return the number of findings of a severity, in its colour if there are any."""
    from rich.text import Text

    return Text(f"{count:,}", COLOURS[severity] if count else "dim")


def make_table(*, header: bool = False) -> "Table":
    """Return a table without lines."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, header_style="dim", show_header=header)


def render(parts: "Iterable[RenderableType]", style: TextStyle) -> str:
    """Render Rich's renderables, one below the other, as text."""
    from rich.console import Console, Group
    from rich.segment import Segments

    out = StringIO()
    console = Console(
        file=out,
        width=style.width,
        force_terminal=style.colour,
        no_color=not style.colour,
        color_system="standard" if style.colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    # What a stranger sent has no style of its own, whatever part of a report forgot to escape it.
    segments = [
        segment if segment.control else segment._replace(text="\n".join(map(escape_controls, segment.text.split("\n"))))
        for segment in console.render(Group(*parts))
    ]
    console.print(Segments(segments), end="")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())
