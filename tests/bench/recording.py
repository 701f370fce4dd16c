"""Throughput of tapehead record, next to stock mitmdump with our script and without it, before the same plain server.

cd tests && python -m bench.recording
"""

import tempfile
from collections.abc import Sequence

from bench.load import Contestant, Score, bare, compete, mitmdump, read_rounds, show
from bench.serving import any_ping
from support.paths import ROOT
from support.processes import running

SCRIPT = ROOT / "addons" / "collection.py"


def main(argv: Sequence[str] | None = None) -> list[Score]:
    """Measure, and print the table."""
    rounds = read_rounds(argv, "tapehead record next to stock mitmdump")
    with bare() as server, tempfile.TemporaryDirectory() as folder:
        conf, mode = ["--set", f"confdir={folder}"], ["--mode", f"reverse:{server.url}"]
        script = ["-s", SCRIPT, "--set", f"tapehead_record={folder}/stock.jsonl"]
        record = ["record", "--to", server.url, "--out", f"{folder}/lean.jsonl", "--append"]
        scores = compete(
            [
                Contestant("mitmdump -s addons/collection.py", lambda: mitmdump(*mode, *conf, *script), any_ping),
                Contestant("mitmdump, recording nothing", lambda: mitmdump(*mode, *conf), any_ping),
                Contestant("tapehead record", lambda: running(*record, *conf), any_ping),
                Contestant("tapehead record -q", lambda: running(*record, "-q", *conf), any_ping),
                Contestant(
                    "tapehead record -q --no-audit", lambda: running(*record, "-q", "--no-audit", *conf), any_ping
                ),
            ],
            rounds,
        )
    show("recording through the proxy", scores)
    return scores


if __name__ == "__main__":
    main()
