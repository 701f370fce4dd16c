"""What `record --ship` costs players: the store takes files, does not answer, or is down.

cd tests && python -m bench.shipping
"""

import contextlib
import sys
import tempfile
from collections.abc import Sequence

from bench.calls import any_pings
from bench.load import BARE, Contestant, Size, compete, listening, rows
from bench.options import parser, print_rows
from bench.table import Row
from support.object_stores import environment_of, running_store
from support.unreliable_store import DOWN, STALLED, UP, unreliable

# A new file every few seconds.
RECORD = [sys.executable, "-m", "tapehead", "record", "-q", "--rotate", "1MB", "--listen", "127.0.0.1:0"]
NOT_SHIPPED = "record --rotate 1MB"


def measure(size: Size) -> list[Row]:
    """Measure pings."""
    with contextlib.ExitStack() as opened:
        server, store = opened.enter_context(listening(*BARE)), opened.enter_context(running_store())
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        url, record = store.bucket().url, [*RECORD, "--to", server.url, "--set", f"confdir={folder}"]
        contestants = [Contestant(NOT_SHIPPED, [*record, "--out", f"{folder}/none.jsonl"], any_pings)]
        for behaviour in (UP, STALLED, DOWN):
            network = opened.enter_context(unreliable(store.port))
            network.behaviour = behaviour
            variables = [f"{name}={value}" for name, value in environment_of(network.url).items()]
            command = ["env", *variables, *record, "--out", f"{folder}/{behaviour}.jsonl", "--ship", url]
            contestants.append(Contestant(f"the same with --ship, the store is {behaviour}", command, any_pings))
        lines = [(each.name, NOT_SHIPPED) for each in contestants[1:]]
        return rows(compete(contestants, size), lines, "ping")


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    return print_rows(parser(__doc__), {"shipping": measure}, argv)


if __name__ == "__main__":
    main()
