"""Throughput of tapehead record, next to stock mitmdump and to a lean mitmproxy that records nothing.

cd tests && python -m bench.recording
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import lean_proxy
from bench.calls import LIVE_PING, pings, starts
from bench.load import BARE, Contestant, Size, compete, listening, rows
from bench.options import parser, print_rows
from bench.peers import mitmdump, nginx
from bench.table import Row
from support.paths import ROOT

SCRIPT = ROOT / "addons" / "collection.py"
LEAN = "lean mitmproxy, nothing recorded"
MITMDUMP = "mitmdump -q -w FILE"
SCRIPTED = "mitmdump -q -s addons/collection.py"
WORKERS = "tapehead record -q --workers 2"
LINES = [
    *((name, peer) for peer in (MITMDUMP, LEAN) for name in ("tapehead record", "tapehead record -q")),
    (SCRIPTED, MITMDUMP),
    (WORKERS, "tapehead record -q"),
]


def measure(size: Size) -> list[Row]:
    """Measure pings, and starts of sessions."""
    found = []
    for load, calls in (("ping", pings(ping=LIVE_PING)), ("sessionStart", starts)):
        with (
            tempfile.TemporaryDirectory() as path,
            listening(*(nginx(Path(path)) if size.pairs > 1 else ()) or BARE) as upstream,
        ):
            folder = Path(path)
            conf = ["--set", f"confdir={folder}"]
            stock = mitmdump("--mode", f"reverse:{upstream.url}", *conf)
            ours = [sys.executable, "-m", "tapehead", "record", "--to", upstream.url, "--listen", "127.0.0.1:0", *conf]
            commands: dict[str, Sequence[object]] = {
                "tapehead record": [*ours, "--out", folder / "lines.jsonl"],
                "tapehead record -q": [*ours, "-q", "--out", folder / "quiet.jsonl"],
                WORKERS: [*ours, "-q", "--workers", 2, "--out", folder / "workers.jsonl"],
                MITMDUMP: [*stock, "-w", folder / "stock.flow"],
                SCRIPTED: [*stock, "-s", SCRIPT, "--set", f"tapehead_record={folder}/script.jsonl"],
                LEAN: [sys.executable, lean_proxy.__file__, upstream.url],
            }
            contestants = [Contestant(name, command, calls) for name, command in commands.items()]
            found += rows(compete(contestants, size), LINES, load)
    return found


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    return print_rows(parser(__doc__), {"record": measure}, argv)


if __name__ == "__main__":
    main()
