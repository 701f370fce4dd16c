"""Coverage-guided fuzzing: each target of `fuzz.targets` under atheris, in a process of its own.

cd tests && pip install -e '..[fuzz]' && python -m fuzz.coverage_guided --minutes 10

Inputs that reach something new are kept in the folder, so that the next run begins where the last one ended; so is
whatever breaks a target, takes too long, or takes too much memory. To see a finding again, without atheris:

cd tests && python -m fuzz.coverage_guided --again TARGET FILE
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

from fuzz import json_strategies
from fuzz.seeds import seeds
from fuzz.targets import TARGETS
from support.paths import TESTS
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.parameters import PARAMETERS

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapehead-tests" / "guided"

# libFuzzer takes no longer word from a dictionary.
LONGEST_WORD = 64
KEPT = re.compile(r"(?:crash|timeout|oom|leak|slow-unit)-[0-9a-f]+")


class Limits(NamedTuple):
    """Limits of an input: seconds, megabytes of memory, and bytes of its own."""

    seconds: int
    megabytes: int
    length: int


class Outcome(NamedTuple):
    """Results for a target: inputs tried, edges reached by the seeds and in the end, inputs kept, and findings."""

    target: str
    seconds: float
    runs: int
    edges: tuple[int, int]
    kept: int
    slowest: int
    megabytes: int
    findings: tuple[Path, ...]


def _words() -> Iterator[bytes]:
    """Yield words that random bytes would hardly spell."""
    yield from (name.encode() for name in EVENT_TYPES)
    yield from (row.key.encode() for row in PARAMETERS)
    yield from b"eventType playerTime playhead params qoeData customMetadata $ref pattern properties required".split()
    yield from (*json_strategies.NUMBERS, *json_strategies.STRINGS, *json_strategies.WORDS, *json_strategies.ODDITIES)


def _dictionary() -> str:
    quoted = ("".join(f"\\x{byte:02X}" for byte in word) for word in _words() if 0 < len(word) <= LONGEST_WORD)
    return "".join(f'"{word}"\n' for word in quoted)


def _prepare(folder: Path, name: str) -> tuple[Path, Path]:
    """The folders with a target's inputs, seeds among them, and with its findings."""
    corpus, found = folder / name / "corpus", folder / name / "found"
    for each in (corpus, found):
        each.mkdir(parents=True, exist_ok=True)
    for seed in seeds(name):
        (corpus / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    (folder / "words").write_text(_dictionary())
    return corpus, found


def _command(folder: Path, name: str, seconds: float, limits: Limits) -> list[str]:
    corpus, found = _prepare(folder, name)
    options = {
        "max_total_time": max(1, round(seconds)),
        "timeout": limits.seconds,
        "rss_limit_mb": limits.megabytes,
        "max_len": limits.length,
        "dict": folder / "words",
        "artifact_prefix": f"{found}/",
        "print_final_stats": 1,
    }
    told = (f"-{option}={value}" for option, value in options.items())
    return [sys.executable, "-m", "fuzz.coverage_guided_target", name, str(found), *told, str(corpus)]


def _fuzz(folder: Path, name: str, seconds: float, limits: Limits) -> Outcome:
    """Fuzz a target for so long; when its process ends before that, go on in another one."""
    began = time.monotonic()
    outcomes: list[Outcome] = []
    while (left := seconds - (time.monotonic() - began)) > 1:
        command = _command(folder, name, left, limits)
        # Starting and the last input come on top of the time that libFuzzer is given.
        done = subprocess.run(
            command, cwd=TESTS, capture_output=True, timeout=left + 60 + 2 * limits.seconds, check=False
        )
        log = done.stderr.decode("utf-8", "replace")
        outcome = _read(name, folder / name / "found", log, time.monotonic() - began)
        (folder / name / "log").write_text(log)
        if done.returncode and not outcome.findings:
            raise RuntimeError(f"the fuzzing of {name} ended with {done.returncode}:\n{log[-2000:]}")
        outcomes.append(outcome)
    return _sum(outcomes)


def _read(name: str, found: Path, log: str, seconds: float) -> Outcome:
    """Parse the counts that libFuzzer prints."""
    edges = [int(number) for number in re.findall(r"(?m)^#\d+\s.*?cov: (\d+)", log)] or [0]
    stats = {key: int(value) for key, value in re.findall(r"(?m)^stat::(\w+):\s+(\d+)", log)}
    return Outcome(
        name,
        seconds,
        stats.get("number_of_executed_units", 0),
        (edges[0], max(edges)),
        stats.get("new_units_added", 0),
        stats.get("slowest_unit_time_sec", 0),
        stats.get("peak_rss_mb", 0),
        tuple(found / each for each in dict.fromkeys(KEPT.findall(log))),
    )


def _sum(parts: Sequence[Outcome]) -> Outcome:
    """The outcome of all processes of a target."""
    return Outcome(
        parts[0].target,
        parts[-1].seconds,
        sum(each.runs for each in parts),
        (parts[0].edges[0], max(each.edges[1] for each in parts)),
        sum(each.kept for each in parts),
        max(each.slowest for each in parts),
        max(each.megabytes for each in parts),
        tuple(dict.fromkeys(path for each in parts for path in each.findings)),
    )


def _show(outcomes: Sequence[Outcome]) -> None:
    print(f"{'target':<12} {'runs':>9} {'a second':>9} {'edges':>14} {'kept':>6} {'slowest':>8} {'memory':>8} findings")
    for each in outcomes:
        rate, edges = each.runs / each.seconds, f"{each.edges[0]} -> {each.edges[1]}"
        print(
            f"{each.target:<12} {each.runs:>9,} {rate:>9,.0f} {edges:>14} {each.kept:>6}"
            f" {each.slowest:>6} s {each.megabytes:>5} MB {len(each.findings):>8}"
        )
    for each in outcomes:
        for path in each.findings:
            print(f"to see it again: python -m fuzz.coverage_guided --again {each.target} {path}")


def _told(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="fuzzing that is guided by coverage")
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for inputs and findings")
    parser.add_argument("--seconds", type=int, default=20, help="an input that takes longer is a finding")
    parser.add_argument("--megabytes", type=int, default=2048, help="a process that takes more is a finding")
    parser.add_argument("--length", type=int, default=4096, help="the most bytes of an input")
    parser.add_argument("--again", nargs=2, metavar=("TARGET", "FILE"), help="run one input, and nothing else")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> list[Outcome]:
    """Fuzz, and print a table."""
    told = _told(argv)
    if told.again:
        TARGETS[told.again[0]](Path(told.again[1]).read_bytes())
        return []
    limits = Limits(told.seconds, told.megabytes, told.length)
    share = told.minutes * 60 / len(told.targets)
    outcomes = [_fuzz(told.folder.absolute(), name, share, limits) for name in told.targets]
    _show(outcomes)
    return outcomes


if __name__ == "__main__":
    sys.exit(any(each.findings for each in main()))
