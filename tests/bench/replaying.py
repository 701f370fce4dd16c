"""Throughput of tapehead replay through the proxy, next to stock mitmdump's own replay.

cd tests && python -m bench.replaying
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.calls import any_pings, pings
from bench.load import Contestant, Size, compete, rows
from bench.options import parser, print_rows
from bench.peers import mitmdump
from bench.recording import SCRIPT, SCRIPTED
from bench.serving import write_pings
from bench.table import Row
from support.captured_traffic import read
from support.har_files import flow_file, flow_of

PEER = "mitmdump -q --server-replay"
WORKERS = "tapehead replay -q --workers 2"
LINES = [
    *((name, PEER) for name in ("tapehead replay", "tapehead replay -q", SCRIPTED)),
    (WORKERS, "tapehead replay -q"),
]
REPEATING = (
    "server_replay_reuse",
    "server_replay_ignore_content",
    "server_replay_ignore_host",
    "server_replay_ignore_port",
)


def measure(size: Size) -> list[Row]:
    """Measure pings."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        recording, flows = write_pings(folder), folder / "pings.flow"
        # Content is ignored, so one ping of a session answers all of them.
        events = {each.session: each for each in read(recording) if each.call == "event"}
        flows.write_bytes(flow_file(*map(flow_of, events.values())))
        conf = ["--set", f"confdir={folder}"]
        stock = mitmdump("--mode", "reverse:https://collection.invalid", *conf, "--set", "connection_strategy=lazy")
        replay = [sys.executable, "-m", "tapehead", "replay", recording, "--listen", "127.0.0.1:0", *conf]
        options = [word for name in REPEATING for word in ("--set", f"{name}=true")]
        contestants = [
            Contestant("tapehead replay", replay, pings()),
            Contestant("tapehead replay -q", [*replay, "-q"], pings()),
            Contestant(WORKERS, [*replay, "-q", "--workers", 2], pings()),
            Contestant(
                PEER, [*stock, "--server-replay", flows, "--set", "server_replay_extra=500", *options], any_pings
            ),
            Contestant(SCRIPTED, [*stock, "-s", SCRIPT, "--set", f"tapehead_replay={recording}"], pings()),
        ]
        return rows(compete(contestants, size), LINES, "ping")


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    return print_rows(parser(__doc__), {"replay": measure}, argv)


if __name__ == "__main__":
    main()
