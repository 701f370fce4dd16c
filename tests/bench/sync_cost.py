"""The cost of each --sync of tapehead record, next to stock mitmdump.

cd tests && python -m bench.sync_cost --dir FOLDER

The folder says which disk is measured; memory that looks like a disk (tmpfs) confirms at once, whatever --sync is.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.calls import any_pings
from bench.load import BARE, Contestant, Size, compete, listening, rows
from bench.options import parser, print_rows
from bench.peers import mitmdump
from bench.table import Row
from tapehead.recording.recorder_settings import Sync

STOCK = "mitmdump -q, nothing recorded"


def measure(size: Size, parent: Path) -> list[Row]:
    """Measure pings."""
    with listening(*BARE) as server, tempfile.TemporaryDirectory(dir=parent) as folder:
        conf = ["--set", f"confdir={folder}"]
        record = [
            sys.executable,
            "-m",
            "tapehead",
            "record",
            "-q",
            "--to",
            server.url,
            "--listen",
            "127.0.0.1:0",
            *conf,
        ]
        contestants = [
            Contestant(
                f"record -q --sync {sync}", [*record, "--out", f"{folder}/{sync}.jsonl", "--sync", sync], any_pings
            )
            for sync in Sync
        ]
        stock = Contestant(STOCK, mitmdump("--mode", f"reverse:{server.url}", *conf), any_pings)
        return rows(compete([*contestants, stock], size), [(each.name, STOCK) for each in contestants], "ping")


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    options = parser(__doc__)
    options.add_argument("--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    return print_rows(options, {"sync": lambda size: measure(size, options.parse_args(argv).dir)}, argv)


if __name__ == "__main__":
    main()
