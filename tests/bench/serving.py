"""Throughput of tapehead serve, next to WireMock, talkback, and a plain server that answers 204 to anything.

cd tests && python -m bench.serving
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.calls import RECORDED, any_pings, pings
from bench.load import BARE, Contestant, Size, compete, rows
from bench.options import parser, print_rows
from bench.peers import talkback, wiremock
from bench.table import Row
from support.exchanges import Step, session
from support.resend import write

WIREMOCK, TALKBACK, PLAIN = "WireMock, a JSON path stub", "talkback, any body", "uvicorn, 204 to anything"
SERVE, FASTEST, LIVE, WORKERS = (
    "serve RECORDING",
    "serve RECORDING -q --no-audit",
    "serve RECORDING -q --no-audit --live 0",
    "serve RECORDING -q --no-audit --workers 2",
)
SIMULATE, OUT = "serve -q --no-audit", "serve RECORDING -q --out FILE"
LINES = [
    (SERVE, WIREMOCK),
    (FASTEST, WIREMOCK),
    (FASTEST, TALKBACK),
    (SIMULATE, TALKBACK),
    (LIVE, WIREMOCK),
    (LIVE, FASTEST),
    (WORKERS, FASTEST),
    (FASTEST, PLAIN),
    (SIMULATE, PLAIN),
    (OUT, PLAIN),
]
_STEPS: list[Step] = [(1.0, 0.0, "play", {}), *((10.0 * nth, 10.0 * nth, "ping", {}) for nth in range(1, 60))]


def write_pings(folder: Path) -> Path:
    """Write a recording of some sessions with many pings."""
    sessions = [session(f"recorded-{nth}", _STEPS) for nth in range(RECORDED)]
    return write(folder / "pings.jsonl", (exchange for each in sessions for exchange in each))


def measure(size: Size) -> list[Row]:
    """Measure pings."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        words = {"RECORDING": write_pings(folder), "FILE": folder / "out.jsonl"}
        tapehead = [sys.executable, "-m", "tapehead"]
        contestants = [
            Contestant(
                name, [*tapehead, *(words.get(word, word) for word in name.split()), "--listen", "127.0.0.1:0"], pings()
            )
            for name in (SERVE, FASTEST, LIVE, WORKERS, SIMULATE, OUT)
        ]
        peers: dict[str, Sequence[object]] = {WIREMOCK: wiremock(folder), TALKBACK: talkback(folder), PLAIN: BARE}
        contestants += [Contestant(name, command, any_pings) for name, command in peers.items() if command]
        return rows(compete(contestants, size), LINES, "ping")


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    return print_rows(parser(__doc__), {"serve": measure}, argv)


if __name__ == "__main__":
    main()
