"""Time that commands take to start, next to bare Python: elapsed, and of the processor.

Processes take turns, so that a busy machine slows all of them. The ratio is one of processor times, which other
processes hardly change.

cd tests && python -m bench.start_up
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

import httpx

from support.exchanges import start
from support.paths import RECORDINGS_FOLDER

READY = "listening on "
_SMALL = str(RECORDINGS_FOLDER / "timeline-1.jsonl")


class Contestant(NamedTuple):
    """A command that starts: the arguments of Python, and what is done when it is ready.

    Attributes:
        name: its name in the table.
        arguments: what follows `python`.
        use: uses the command whose URL is given; None if it is only waited for.
        is_server: whether it runs until it is stopped, from a line with its URL on.
    """

    name: str
    arguments: Sequence[str]
    is_server: bool = False
    use: Callable[[str], object] | None = None


class StartTime(NamedTuple):
    """Medians of the start of a command, in milliseconds: elapsed, and of the processor; and the ratio to Python's."""

    name: str
    elapsed: float
    cpu: float
    ratio: float


def start_session(url: str) -> None:
    """Start a session at an endpoint."""
    httpx.post(f"{url}/api/v1/sessions", json=start(), trust_env=False).raise_for_status()


LISTEN = ("--listen", "127.0.0.1:0")
CONTESTANTS = (
    Contestant("bare Python", ("-c", "pass")),
    Contestant("--version", ("-m", "tapehead", "--version")),
    Contestant("--help", ("-m", "tapehead", "--help")),
    Contestant("audit FILE", ("-m", "tapehead", "audit", _SMALL, "--fail-on", "never")),
    Contestant("audit FILE --format json", ("-m", "tapehead", "audit", _SMALL, "--format", "json")),
    Contestant("serve, to its first answer", ("-m", "tapehead", "serve", *LISTEN), True, start_session),
    Contestant("serve FILE, to its first answer", ("-m", "tapehead", "serve", _SMALL, *LISTEN), True, start_session),
    Contestant(
        "record, to listening",
        ("-m", "tapehead", "record", "--to", "http://127.0.0.1:9", "--out", "{folder}/a.jsonl", *LISTEN),
        True,
    ),
)


def main(argv: Sequence[str] | None = None) -> list[StartTime]:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=11, help="processes of each")
    runs = parser.parse_args(argv).runs
    times: dict[str, list[tuple[float, float]]] = {each.name: [] for each in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder:
        environment = plain_environment(folder)
        for contestant in CONTESTANTS:  # which compiles the modules
            measure(contestant, Path(folder), environment)
        for _ in range(runs):
            for contestant in CONTESTANTS:
                times[contestant.name].append(measure(contestant, Path(folder), environment))
    medians = {name: [statistics.median(each) for each in zip(*taken, strict=True)] for name, taken in times.items()}
    base = medians[CONTESTANTS[0].name][1]
    scores = [StartTime(name, elapsed, cpu, cpu / base) for name, (elapsed, cpu) in medians.items()]
    width = max(map(len, medians))
    for score in scores:
        print(
            f"{score.name:<{width}}  {score.elapsed:7.1f} ms  {score.cpu:7.1f} ms of CPU  "
            f"{score.ratio:5.1f} times bare Python"
        )
    return scores


def plain_environment(folder: str) -> dict[str, str]:
    """Return the environment of users: modules are compiled once, and no variable of a test decides."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and not name.startswith(("TAPEHEAD_", "COV"))
    }
    return kept | {"PYTHONPYCACHEPREFIX": f"{folder}/compiled"}


def measure(contestant: Contestant, folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Return the milliseconds until a command has ended or is ready: elapsed, and of the processor."""
    for old in folder.glob("a.jsonl*"):
        old.unlink()
    command = [sys.executable, *(word.format(folder=folder) for word in contestant.arguments)]
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=folder
    ) as process:
        output = cast(IO[str], process.stdout)
        if not contestant.is_server:
            output.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{contestant.name} ended with exit code {process.returncode}")
            return 1000 * (time.perf_counter() - began), 1000 * (usage.ru_utime + usage.ru_stime)
        try:
            url = next(line for line in output if line.startswith(READY)).removeprefix(READY).strip()
            if contestant.use:
                contestant.use(url)
            return 1000 * (time.perf_counter() - began), cpu_of(process.pid)
        finally:
            process.terminate()
            output.read()


def cpu_of(pid: int) -> float:
    """Return the milliseconds of processor time that the threads of a process have taken; Linux only."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


if __name__ == "__main__":
    main()
