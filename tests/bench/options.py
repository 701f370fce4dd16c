"""The command line of benchmarks."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.load import QUICK, Size
from bench.table import Row, markdown, text

# A page's table, and what is before and after it.
TABLE = r"(<!-- python -m bench -->\n).*(<!-- end -->)"
Measure = Callable[[Size], Sequence[Row]]


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return the options that give a measurement's size."""
    made, size = argparse.ArgumentParser(description=(about or "").partition("\n")[0]), Size()
    made.add_argument("--quick", action="store_true", help="measure once and briefly, with few calls")
    made.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    made.add_argument(
        "--into", type=Path, metavar="FILE", help="put the table into a page in Markdown, for its last one"
    )
    made.add_argument("--pairs", type=int, metavar="COUNT", help=f"turns of each [{size.pairs}]")
    made.add_argument("--seconds", type=int, metavar="COUNT", help=f"seconds of a server's turn [{size.seconds}]")
    for name in ("connections", "exchanges"):
        default = " ".join(map(str, getattr(size, name)))
        made.add_argument(f"--{name}", type=int, nargs="+", metavar="COUNT", help=f"each number of {name} [{default}]")
    return made


def print_rows(
    options: argparse.ArgumentParser, tables: Mapping[str, Measure], argv: Sequence[str] | None
) -> list[Row]:
    """Measure what the command line asks for, by default all of it, and print the table."""
    if len(tables) > 1:
        options.add_argument("tables", nargs="*", choices=[*tables, []], metavar="TABLE", help=", ".join(tables))
    told = vars(options.parse_args(argv))
    page = told["into"]
    if page and not re.search(TABLE, page.read_text(), re.DOTALL):
        raise SystemExit(f"'{page}' has no place for a table: lines '<!-- python -m bench -->' and '<!-- end -->'")
    given = {name: value for name, value in told.items() if name in Size._fields and value is not None}
    size = (QUICK if told["quick"] else Size())._replace(**given)
    rows = [row for name in told.get("tables") or tables for row in tables[name](size)]
    print((markdown if told["markdown"] else text)(rows))
    if page:
        table = markdown(rows)
        page.write_text(
            re.sub(TABLE, lambda found: f"{found[1]}{table}\n{found[2]}", page.read_text(), flags=re.DOTALL)
        )
    return rows
