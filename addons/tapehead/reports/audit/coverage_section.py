"""Coverage of a tracking plan for a terminal: totals, items never exercised, and items sent beyond the plan."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tapehead.auditor.coverage import CoverageReport, Covered, KindCoverage
from tapehead.auditor.tracking_plan import ItemKind
from tapehead.reports.terminal_text import TextStyle, make_table, render
from tapehead.text import escape_controls, format_number, shorten

BAR = 20
# Items in no plan that are shown of each kind, unless all are asked for.
FEW = 10
MOST_CHARACTERS = 60
MOST_PLACE = 36
FULL, HALF = 100.0, 50.0


def render_coverage(coverage: CoverageReport, style: TextStyle) -> str:
    """Render the coverage as text."""
    return render(coverage_parts(coverage, verbose=style.verbose), style)


def coverage_parts(coverage: CoverageReport, *, verbose: bool = False) -> Iterator[RenderableType]:
    """Yield the parts of the coverage, to be printed one below the other."""
    kinds = coverage.kinds
    whole = "" if coverage.percent is None else f": {format_number(coverage.percent)} %"
    yield Text(f"coverage of {coverage.plan}{whole}", style="bold")
    yield totals_table(kinds)
    yield from section("never exercised", ((kind, never_table(kind)) for kind in kinds))
    if verbose:
        sent = ((kind, [item for group in kind.groups for item in group.items if item.count]) for kind in kinds)
        yield from section("exercised, and where first", ((kind, places_table(items)) for kind, items in sent))
    beyond = ((kind, places_table(kind.beyond if verbose else kind.beyond[:FEW])) for kind in kinds)
    yield from section("sent, but in no plan", beyond)
    for kind in kinds:
        if not verbose and len(kind.beyond) > FEW:
            yield Text(f"and {len(kind.beyond) - FEW:,} more {kind.kind}; -v shows all", style="dim")
        if kind.dropped:
            yield Text(f"and {kind.dropped:,} more times {kind.kind} that are not listed", style="dim")


def section(title: str, tables: Iterable[tuple[KindCoverage, Table]]) -> Iterator[RenderableType]:
    """Yield a title, then a table for each kind; nothing if all of them are empty."""
    filled = [(kind, table) for kind, table in tables if table.row_count]
    if filled:
        yield Text(f"\n{title}", style="bold")
    for kind, table in filled:
        yield Text(f"  {kind.kind}", style="dim")
        yield Padding(table, (0, 0, 0, 4))


def totals_table(kinds: Iterable[KindCoverage]) -> Table:
    """Return the table of how much of each kind was exercised."""
    table = make_table()
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    for kind in kinds:
        if kind.percent is None:
            table.add_row(kind.kind, "-", "", Text(f"none planned, {len(kind.beyond):,} sent", style="dim"))
            continue
        filled = int(BAR * kind.percent / 100)
        colour = "green" if kind.percent == FULL else "yellow" if kind.percent >= HALF else "red"
        bar = Text.assemble(("█" * filled, colour), ("░" * (BAR - filled), "dim"))
        table.add_row(kind.kind, f"{kind.exercised:,} of {kind.planned:,}", f"{format_number(kind.percent)} %", bar)
    return table


def never_table(kind: KindCoverage) -> Table:
    """Return the table of items that were never sent, a row for each group; moves from the same state together."""
    table = items_table(grouped=any(group.name for group in kind.groups))
    for group in kind.groups:
        missing = [item for item in group.items if not item.count]
        if kind.kind is ItemKind.MOVES:
            by_state: dict[str, list[str]] = {}
            for move in missing:
                by_state.setdefault(move.part, []).append(move.name)
            listed = "; ".join(f"{state}: {', '.join(events)}" for state, events in by_state.items())
        else:
            listed = ", ".join(readable(item.label) for item in missing)
        if missing:
            add_item(table, group.name, Text(listed))
    return table


def places_table(items: Sequence[Covered]) -> Table:
    """Return a table of items with how often they were sent, and where first; of a long path the end."""
    table = items_table(grouped=any(item.of for item in items))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    for item in items:
        label = Text.assemble(readable(item.label), (f"  {item.rule}" if item.rule else "", "yellow"))
        place = escape_controls(f"{item.first.recording}:{item.first.line}") if item.first else ""
        place = place if len(place) <= MOST_PLACE else f"...{place[3 - MOST_PLACE :]}"
        add_item(table, item.of, label, Text(f"{item.count:,}"), Text(place))
    return table


def items_table(*, grouped: bool) -> Table:
    """Return an empty table of items, with a column for their event type or machine before them where `grouped`."""
    table = make_table()
    if grouped:
        table.add_column(no_wrap=True, max_width=20, overflow="ellipsis")
    table.add_column(overflow="fold")
    return table


def add_item(table: Table, of: str, *cells: Text) -> None:
    """Add a row; `of` is the event type or the machine, empty where there is none."""
    table.add_row(*([Text(readable(of.replace("_", " ")))] if of else []), *cells)


def readable(text: str) -> str:
    """Return a text that players sent, escaped and cut to a length that can be read."""
    return shorten(escape_controls(text), MOST_CHARACTERS)
