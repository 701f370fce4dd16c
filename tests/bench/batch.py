"""The time and memory of commands that read recordings, next to one pass of orjson over the same file.

cd tests && python -m bench.batch --exchanges 100000 1000000
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.generated_recording import write
from bench.load import ENVIRONMENT, Size, cpu_of, listening
from bench.options import parser, print_rows
from bench.table import Measured, Row

TAPEHEAD = [sys.executable, "-m", "tapehead"]
ONE, TWO = "audit --format json", "audit --format json --jobs 2"
PASS, PASSES = "orjson.loads of each line", "orjson.loads of each line of both"
_PASS = "import orjson, sys\nfor path in sys.argv[1:]:\n    for line in open(path, 'rb'): orjson.loads(line)"
# A process's peak begins with its parent's, so the parent is a small one.
_MEASURED = """
import os, sys, time
began, pid = time.perf_counter(), os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
code = os.waitstatus_to_exitcode(status)
open(sys.argv[1], "w").write(f"{code} {time.perf_counter() - began} {used.ru_utime + used.ru_stime} {used.ru_maxrss}")
"""
FORMATS = ("json", "text", "csv", "junit", "sarif", "html")


def run(*command: object) -> Measured:
    """Run a command to its end: its seconds, those of the CPU, and the peak of its largest process."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile("r") as told:
        words = [sys.executable, "-I", "-S", "-c", _MEASURED, told.name, *command]
        subprocess.run(list(map(str, words)), stdout=output, stderr=output, env=ENVIRONMENT, check=True)
        code, seconds, cpu, peak = told.read().split()
        if code != "0":
            output.seek(0)
            raise SystemExit(f"{command} ended with {code}: {output.read().decode()}")
    return Measured(float(seconds), float(cpu), memory=int(peak) / 1024)


def start_and_stop(*command: object) -> tuple[Measured, Measured]:
    """Measure a server until it listens, with its peak, and from the signal until it has ended."""
    began = time.perf_counter()
    with listening(*command) as (_, pid):
        listens = Measured(time.perf_counter() - began, sum(cpu_of(pid).values()), memory=_peak_of(pid))
        began = time.perf_counter()
    return listens, Measured(time.perf_counter() - began, 0)


def _peak_of(pid: int) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(size: Size) -> list[Row]:
    """Measure recordings of each size."""
    with tempfile.TemporaryDirectory() as folder:
        return [row for exchanges in size.exchanges for row in _measure(Path(folder), exchanges, size.pairs)]


def _measure(folder: Path, exchanges: int, pairs: int) -> list[Row]:
    recording, same = write(folder / "recording.jsonl", exchanges), folder / "same.jsonl"
    same.unlink(missing_ok=True)
    same.symlink_to(recording)
    commands: dict[str, Sequence[object]] = {
        PASS: [sys.executable, "-c", _PASS, recording],
        PASSES: [sys.executable, "-c", _PASS, recording, same],
        **{
            f"audit --format {name}": [*TAPEHEAD, "audit", recording, "--format", name, "-o", folder / f"report.{name}"]
            for name in FORMATS
        },
        TWO: [*TAPEHEAD, "audit", recording, "--format", "json", "-o", folder / "report.json", "--jobs", "2"],
        "show": [*TAPEHEAD, "show", recording],
        "diff": [*TAPEHEAD, "diff", recording, same],
    }
    quiet = [recording, "-q", "--no-audit", "--listen", "127.0.0.1:0"]
    taken: dict[str, list[Measured]] = {}
    for nth in range(pairs):
        for name in list(commands)[:: -1 if nth % 2 else 1]:
            taken.setdefault(name, []).append(run(*commands[name]))
        for server in ("serve", "replay"):
            listens, stops = start_and_stop(*TAPEHEAD, server, *quiet)
            taken.setdefault(f"{server} RECORDING, until it listens", []).append(listens)
            taken.setdefault(f"{server} RECORDING, until it has stopped", []).append(stops)
    load, peers = f"{exchanges:,} exchanges", {"diff": PASSES, TWO: ONE}
    return [
        Row(name, peer := peers.get(name, PASS), load, "s", took, taken[peer])
        for name, took in taken.items()
        if name not in (PASS, PASSES)
    ]


def main(argv: Sequence[str] | None = None) -> list[Row]:
    """Measure, and print the table."""
    return print_rows(parser(__doc__), {"batch": measure}, argv)


if __name__ == "__main__":
    main()
