"""Coverage of a tracking plan for a terminal: how much of each kind, what never, and what was sent beyond the plan."""

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.audit.coverage import CoverageReport, Covered, KindCoverage
from tapehead.audit.tracking_plan import ItemKind
from tapehead.text import escape_controls, shorten

BAR = 20
# Items in no plan that are shown of each kind, unless all are asked for.
FEW = 10
MOST_CHARACTERS = 60
MOST_PLACE = 36
_FULL, _HALF = 100.0, 50.0


def render_coverage(coverage: CoverageReport, width: int = 80, *, colour: bool = False, verbose: bool = False) -> str:
    """The coverage as text of `width` columns, in full if `verbose`."""
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
    )
    console.print(*coverage_parts(coverage, verbose=verbose), sep="\n")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def coverage_parts(coverage: CoverageReport, *, verbose: bool = False) -> Iterator[RenderableType]:
    """The parts of the coverage, to be printed one below the other."""
    kinds = coverage.kinds
    yield Text(f"coverage of {coverage.plan}", style="bold")
    yield _totals(kinds)
    yield from _section("never exercised", ((kind, _never(kind)) for kind in kinds))
    if verbose:
        yield from _section("exercised, and where first", ((kind, _places(_exercised(kind))) for kind in kinds))
    beyond = ((kind, _places(kind.beyond if verbose else kind.beyond[:FEW])) for kind in kinds)
    yield from _section("sent, but in no plan", beyond)
    yield from (Text(line, style="dim") for line in _left_out(kinds, verbose=verbose))


def _section(title: str, tables: Iterable[tuple[KindCoverage, Table]]) -> Iterator[RenderableType]:
    """A title, then a table for each kind; nothing if all of them are empty."""
    filled = [(kind, table) for kind, table in tables if table.row_count]
    if filled:
        yield Text(f"\n{title}", style="bold")
    for kind, table in filled:
        yield Text(f"  {kind.kind}", style="dim")
        yield Padding(table, (0, 0, 0, 4))


def _totals(kinds: Iterable[KindCoverage]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    for kind in kinds:
        if kind.percent is None:
            table.add_row(kind.kind, "-", "", Text(f"none planned, {len(kind.beyond):,} sent", style="dim"))
        else:
            counted = f"{kind.exercised:,} of {kind.planned:,}"
            table.add_row(kind.kind, counted, f"{kind.percent:g} %", _bar(kind.percent))
    return table


def _bar(percent: float) -> Text:
    filled = int(BAR * percent / 100)
    colour = "green" if percent == _FULL else "yellow" if percent >= _HALF else "red"
    return Text.assemble(("█" * filled, colour), ("░" * (BAR - filled), "dim"))


def _table(*, grouped: bool) -> Table:
    """A table of items; what they are of, if anything, stands in a column before them."""
    table = Table(box=None, pad_edge=False, show_header=False)
    if grouped:
        table.add_column(no_wrap=True, max_width=20, overflow="ellipsis")
    table.add_column(overflow="fold")
    return table


def _add(table: Table, of: str, *cells: Text) -> None:
    table.add_row(*([Text(_title(of))] if of else []), *cells)


def _never(kind: KindCoverage) -> Table:
    table = _table(grouped=any(group.name for group in kind.groups))
    for group in kind.groups:
        missing = [item for item in group.items if not item.count]
        said = _by_state(missing) if kind.kind is ItemKind.MOVES else ", ".join(_plain(item.label) for item in missing)
        if missing:
            _add(table, group.name, Text(said))
    return table


def _by_state(moves: Iterable[Covered]) -> str:
    """Moves of one machine, those from the same state together."""
    together: dict[str, list[str]] = {}
    for move in moves:
        together.setdefault(move.part, []).append(move.name)
    return "; ".join(f"{state}: {', '.join(events)}" for state, events in together.items())


def _places(items: Sequence[Covered]) -> Table:
    """Items with how often they were sent, and where first."""
    table = _table(grouped=any(item.of for item in items))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    for item in items:
        what = Text.assemble(_plain(item.label), (f"  {item.rule}" if item.rule else "", "yellow"))
        _add(table, item.of, what, Text(f"{item.count:,}"), Text(_place(item)))
    return table


def _exercised(kind: KindCoverage) -> list[Covered]:
    return [item for group in kind.groups for item in group.items if item.count]


def _place(item: Covered) -> str:
    """Where something was sent first; of a long path the end."""
    place = escape_controls(f"{item.first.recording}:{item.first.line}") if item.first else ""
    return place if len(place) <= MOST_PLACE else f"...{place[3 - MOST_PLACE :]}"


def _left_out(kinds: Iterable[KindCoverage], *, verbose: bool) -> Iterator[str]:
    for kind in kinds:
        if not verbose and len(kind.beyond) > FEW:
            yield f"and {len(kind.beyond) - FEW:,} more {kind.kind}; -v shows all"
        if kind.dropped:
            yield f"and {kind.dropped:,} more times {kind.kind} that are not listed"


def _title(name: str) -> str:
    """An event type or a machine, as people read it."""
    return _plain(name.replace("_", " "))


def _plain(text: str) -> str:
    """What players sent, cut to a length that can be read."""
    return shorten(escape_controls(text), MOST_CHARACTERS)
