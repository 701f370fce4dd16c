"""Throughput of tapehead replay through the proxy, next to stock mitmdump with our script.

cd tests && python -m bench.replaying
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.load import Contestant, Score, compete, mitmdump, read_rounds, show
from bench.recording import SCRIPT
from bench.serving import ping_of, recording
from support.processes import running


def main(argv: Sequence[str] | None = None) -> list[Score]:
    """Measure, and print the table."""
    rounds = read_rounds(argv, "tapehead replay next to stock mitmdump")
    with recording() as path, tempfile.TemporaryDirectory() as folder:
        conf, mode = ["--set", f"confdir={Path(folder)}"], ["--mode", "reverse:http://collection.invalid"]
        script = ["-s", SCRIPT, "--set", f"tapehead_replay={path}"]
        scores = compete(
            [
                Contestant("mitmdump -s addons/collection.py", lambda: mitmdump(*mode, *conf, *script), ping_of),
                Contestant("tapehead replay", lambda: running("replay", path, *conf), ping_of),
                Contestant("tapehead replay -q", lambda: running("replay", path, "-q", *conf), ping_of),
            ],
            rounds,
        )
    show("replaying through the proxy", scores)
    return scores


if __name__ == "__main__":
    main()
