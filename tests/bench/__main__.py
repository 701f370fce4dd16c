"""All benchmarks against peers in one table.

cd tests && python -m bench
"""

from collections.abc import Sequence

from bench import batch, recording, replaying, serving
from bench.options import parser, print_rows
from bench.table import Row

TABLES = {"record": recording.measure, "replay": replaying.measure, "serve": serving.measure, "batch": batch.measure}


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure what is asked for, by default everything, and print the table."""
    return print_rows(parser(__doc__), TABLES, argv)


if __name__ == "__main__":
    main()
