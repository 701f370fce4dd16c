"""Load for benchmarks: requests as fast as they are answered, on kept-alive connections; and rounds of contestants."""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import uvloop

from support.paths import TESTS
from support.processes import Command, start_program


class Contestant(NamedTuple):
    """A server to measure: its name, start, and request; a session is opened first if need be."""

    name: str
    start: Callable[[], AbstractContextManager[Command]]
    request: Callable[[Command], bytes]


class Round(NamedTuple):
    """The result of a round: requests a second, and the milliseconds until an answer, the median and of one in 100."""

    rate: float
    median: float
    slow: float


class Score(NamedTuple):
    """A contestant's result: requests a second as the median of all rounds, how many times the first's, latencies."""

    name: str
    rate: float
    ratio: float
    median: float
    slow: float


class Rounds(NamedTuple):
    """The size of a measurement."""

    requests: int
    pairs: int
    connections: int


def post(path: str, body: bytes) -> bytes:
    """A request on the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: example.hb-api.omtrdc.net\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _hammer(port: int, request: bytes, rounds: Rounds) -> Round:
    left = iter(range(rounds.requests))
    took: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            sent = time.perf_counter()
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            took.append((time.perf_counter() - sent) * 1000)
            assert answer.startswith(b"HTTP/1.1 204"), answer
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(rounds.connections)))
    rate = rounds.requests / (time.perf_counter() - began)
    took.sort()
    return Round(rate, statistics.median(took), took[int(len(took) * 0.99)])


def hammer(port: int, request: bytes, rounds: Rounds) -> Round:
    """One round; every answer has to be a 204."""
    return uvloop.run(_hammer(port, request, rounds))


def compete(contestants: Sequence[Contestant], rounds: Rounds) -> list[Score]:
    """Measure all of them in turn, round after round, each in a fresh process."""
    played: dict[str, list[Round]] = {contestant.name: [] for contestant in contestants}
    for _ in range(rounds.pairs):
        for contestant in contestants:
            with contestant.start() as opened:
                request = contestant.request(opened)
                hammer(opened.port, request, rounds._replace(requests=max(rounds.requests // 5, 1)))
                played[contestant.name].append(hammer(opened.port, request, rounds))
    first = played[contestants[0].name]
    return [_score(name, each, first) for name, each in played.items()]


def _score(name: str, played: Sequence[Round], first: Sequence[Round]) -> Score:
    rate, median, slow = (statistics.median(values) for values in zip(*played, strict=True))
    ratio = statistics.median(mine.rate / other.rate for mine, other in zip(played, first, strict=True))
    return Score(name, rate, ratio, median, slow)


def bare() -> AbstractContextManager[Command]:
    """A plain server that answers 204 to anything; uvicorn with the same loop and parser as ours."""
    command = ["uvicorn", "bench.bare_server:app", "--app-dir", TESTS, "--port", 0, "--no-access-log"]
    return _announced([sys.executable, "-m", *command, "--loop", "uvloop", "--http", "httptools"], "running on ")


def mitmdump(*options: object) -> AbstractContextManager[Command]:
    """Stock mitmdump."""
    tool = Path(sys.executable).with_name("mitmdump")
    return _announced([tool, "--listen-host", "127.0.0.1", "-p", 0, *options], "listening at ")


@contextlib.contextmanager
def _announced(command: Sequence[object], said: str) -> Iterator[Command]:
    """A program that says where it listens in a line with `said` in it."""
    with start_program(*command) as opened:
        line = opened.wait_for(lambda line: said in line)
        opened.url = "http://" + line.partition(said)[2].split()[0].rstrip(".").removeprefix("http://")
        yield opened


def read_rounds(argv: Sequence[str] | None, about: str) -> Rounds:
    """Parse the size of the measurement from the command line."""
    return rounds_of(options(about).parse_args(argv))


def options(about: str) -> argparse.ArgumentParser:
    """The command line of a benchmark."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--requests", type=int, default=20_000, help="requests in a round")
    parser.add_argument("--pairs", type=int, default=5, help="rounds")
    parser.add_argument("--connections", type=int, default=16, help="connections")
    return parser


def rounds_of(told: argparse.Namespace) -> Rounds:
    """Return the size of the measurement from parsed arguments."""
    return Rounds(told.requests, told.pairs, told.connections)


def show(title: str, scores: Sequence[Score]) -> None:
    """Print a table."""
    print(title)
    for score in scores:
        latency = f"{score.median:>7.1f} ms {score.slow:>7.1f} ms (99%)"
        print(f"  {score.name:<44} {score.rate:>8,.0f} requests/s  {score.ratio:>6.2f}x  {latency}")
