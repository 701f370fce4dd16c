"""The cost of each --sync of tapehead record, next to stock mitmdump.

cd tests && python -m bench.sync_cost --dir FOLDER

The folder says which disk is measured; memory that looks like a disk (tmpfs) confirms at once, whatever --sync is.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench.load import Contestant, Score, bare, compete, mitmdump, options, rounds_of, show
from bench.serving import any_ping
from support.processes import Command, running
from tapehead.recording.recorder_settings import Sync

FIRST = Sync.SECOND


def _contestants(server: Command, folder: Path) -> Iterator[Contestant]:
    """The default first, so that the others are told in times of it."""
    conf = ["--set", f"confdir={folder}"]

    def recording(sync: Sync) -> Callable[[], AbstractContextManager[Command]]:
        out = ["--out", folder / f"{sync}.jsonl", "--append"]
        return lambda: running("record", "-q", "--to", server.url, *out, "--sync", sync, *conf)

    for sync in sorted(Sync, key=lambda each: each is not FIRST):
        yield Contestant(f"tapehead record --sync {sync}", recording(sync), any_ping)
    yield Contestant(
        "mitmdump, recording nothing", lambda: mitmdump("--mode", f"reverse:{server.url}", *conf), any_ping
    )


def main(argv: Sequence[str] | None = None) -> list[Score]:
    """Measure, and print the table."""
    parser = options("tapehead record with each --sync, next to stock mitmdump")
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    told = parser.parse_args(argv)
    with bare() as server, tempfile.TemporaryDirectory(dir=told.dir) as folder:
        scores = compete(list(_contestants(server, Path(folder))), rounds_of(told))
    show(f"recording with --sync, {told.connections} connections", scores)
    return scores


if __name__ == "__main__":
    main()
