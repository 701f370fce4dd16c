"""Load for benchmarks: wrk, with calls that are made as they are sent, before servers that take turns.

All servers of a contest are alive at once and are called one after the other for some seconds, in turn forwards and
backwards, so that what else the machine does meets all of them. Ratios of fresh processes for each turn spread half as
much again: each has to warm up, and has its own place in memory.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

from bench.table import Measured, Row
from support.paths import TESTS
from support.processes import Command, start_program

# Seconds that a server has to start, a recording of a million calls included.
PATIENCE = 300.0
# A server is warm when it was twice no faster than that before, or after so many seconds.
FASTER, LONGEST_WARM_UP = 1.05, 90
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
# Modules are compiled once, and output is written as it is on a user's machine.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name == "PYTHONPATH" or not name.startswith("PYTHON")
}
_TICKS = os.sysconf("SC_CLK_TCK")
_SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[typedef struct { long seconds, micros; } time_now; int gettimeofday(time_now *time, void *zone);]]
local clock = ffi.new("time_now")
local function now()
  ffi.C.gettimeofday(clock, nil)
  return tonumber(clock.seconds) * 1000 + math.floor(tonumber(clock.micros) / 1000)
end
local paths, began, nth = { %s }, %d, 0
wrk.headers["Host"], wrk.headers["Content-Type"] = "example.hb-api.omtrdc.net", "application/json"
%s
function init(args) nth = tonumber(args[1]) end
function request()
  local slot, turn = nth %% #paths, math.floor(nth / #paths) + 1
  nth = nth + 1
  return wrk.format("POST", paths[slot + 1], nil, [==[%s]==])
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print("result", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed)
end
"""


class Calls(NamedTuple):
    """The calls that players send.

    Attributes:
        paths: where to, in turn.
        body: JSON, with expressions in Lua in << and >>, which may name: the number of the call (`nth`), of the path
            (`slot`), and of the calls to it so far (`turn`), and the milliseconds since 1970 at the start (`began`) and
            now (`now()`).
        headers: more headers.
    """

    paths: Sequence[str]
    body: str
    headers: Mapping[str, str] = NO_HEADERS


class Server(NamedTuple):
    """A running server: where it listens, and its process."""

    url: str
    pid: int


class Contestant(NamedTuple):
    """A server to measure: its name, its command, and the calls for it once it runs."""

    name: str
    command: Sequence[object]
    calls: Callable[[str], Calls]


class Size(NamedTuple):
    """The size of a measurement.

    Attributes:
        seconds: of a turn.
        warm_up: the seconds after which a server is asked whether it became faster; none for no warming up.
        pairs: turns of each.
        connections: each number of connections.
        exchanges: each number of exchanges of a recording.
    """

    seconds: int = 2
    warm_up: int = 5
    pairs: int = 5
    connections: Sequence[int] = (1, 16, 64)
    exchanges: Sequence[int] = (100_000,)


QUICK = Size(seconds=1, warm_up=0, pairs=1, connections=(4,), exchanges=(1_000,))
Turns = Mapping[tuple[str, int], Sequence[Measured]]


# ---- Servers ----


@contextlib.contextmanager
def listening(*command: object) -> Iterator[Server]:
    """Start a server with its output in a file, wait until it listens, and stop it in the end."""
    with tempfile.TemporaryFile() as output:
        words = list(map(str, command))
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=ENVIRONMENT)
        try:
            until = time.monotonic() + PATIENCE
            # With a live page, `serve` has two ports, and says which is which.
            told = "--listen" in words
            while not (port := _told_port(output) if told else _port_of(process.pid)):
                if process.poll() is not None or time.monotonic() > until:
                    output.seek(0)
                    raise SystemExit(f"{command[0]} does not listen: {output.read().decode()}")
                time.sleep(0.005)
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _told_port(output: IO[bytes]) -> int | None:
    """Return the port in the line of a command of ours that means ready; None so long as there is none."""
    line = re.search(rb"^listening on http://\S+:(\d+)$", os.pread(output.fileno(), 1_000_000, 0), re.MULTILINE)
    return int(line[1]) if line else None


def _port_of(pid: int) -> int | None:
    """Return the port that a process listens on; None so long as there is none."""
    with contextlib.suppress(OSError):
        tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
        sockets = [fields for table in tables for fields in map(str.split, table)]
        ports = {f"socket:[{each[9]}]": int(each[1].rpartition(":")[2], 16) for each in sockets if each[3] == "0A"}
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if port := ports.get(str(descriptor.readlink())):
                    return port
    return None


def cpu_of(pid: int) -> dict[int, float]:
    """Return the seconds of CPU that a process and those which it started have used, by their ids."""
    used, left = {}, [pid]
    while left:
        pid = left.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                left += map(int, path.read_text().split())
    return used


def bare() -> AbstractContextManager[Command]:
    """A plain server that answers 204 to any event; uvicorn with the same loop and parser as ours."""
    return _announced(BARE, "running on ")


BARE = [
    *[sys.executable, "-m", "uvicorn", "bench.bare_server:app", "--app-dir", TESTS, "--port", 0, "--no-access-log"],
    *["--loop", "uvloop", "--http", "httptools"],
]


@contextlib.contextmanager
def _announced(command: Sequence[object], said: str) -> Iterator[Command]:
    """A program that says where it listens in a line with `said` in it."""
    with start_program(*command) as opened:
        line = opened.wait_for(lambda line: said in line)
        opened.url = "http://" + line.partition(said)[2].split()[0].rstrip(".").removeprefix("http://")
        yield opened


# ---- Load ----


class Load:
    """The players of a server: each of their calls continues where the last one was.

    Args:
        server: whom they call.
        calls: what they send.
        script: a file for it.
    """

    def __init__(self, server: Server, calls: Calls, script: Path) -> None:
        self._server = server
        self._script = script
        self._sent = 0
        paths = ", ".join(f'"{path}"' for path in calls.paths)
        headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in calls.headers.items())
        body = re.sub("<<(.*?)>>", r"]==] .. \1 .. [==[", calls.body)
        script.write_text(_SCRIPT % (paths, time.time() * 1000, headers, body))

    def play(self, seconds: int, connections: int) -> Measured:
        """Send calls for some seconds; each of them has to be answered well."""
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            f"{PATIENCE:.0f}s",
            "-s",
            self._script,
        ]
        before = cpu_of(self._server.pid)
        told = subprocess.check_output(list(map(str, [*command, self._server.url, self._sent])), text=True)
        used = [cpu - before.get(pid, 0) for pid, cpu in cpu_of(self._server.pid).items()]
        requests, duration, median, slow, failed = map(float, told.rpartition("result")[2].split())
        if failed or (not requests and seconds > PATIENCE):
            raise SystemExit(f"{failed:.0f} of {requests:.0f} calls of {self._server.url} failed:\n{told}")
        if not requests:
            # On a busy machine.
            return self.play(seconds * 2, connections)
        self._sent += int(requests) + 2 * connections
        return Measured(requests / duration * 1e6, sum(used) / requests * 1e6, median / 1000, slow / 1000, parts=used)

    def warm_up(self, seconds: int, connections: int) -> None:
        """Send calls until the server answers no faster than some seconds before: Java takes half a minute."""
        best, slower = self.play(seconds, connections).amount, 0
        for _ in range(LONGEST_WARM_UP // seconds):
            value = self.play(seconds, connections).amount
            slower = 0 if value > best * FASTER else slower + 1
            if slower == 2:
                return
            best = max(best, value)


def compete(contestants: Sequence[Contestant], size: Size) -> Turns:
    """Call all of them in turn; return all turns of each by its name and the number of connections."""
    if not shutil.which("wrk"):
        raise SystemExit("there is no wrk, which sends the calls: apt-get install wrk")
    turns: dict[tuple[str, int], list[Measured]] = {}
    with contextlib.ExitStack() as alive, tempfile.TemporaryDirectory() as folder:
        loads = {}
        for number, (name, command, calls) in enumerate(contestants):
            server = alive.enter_context(listening(*command))
            loads[name] = Load(server, calls(server.url), Path(folder) / f"{number}.lua")
        for connections in size.connections:
            for load in loads.values() if size.warm_up else ():
                load.warm_up(size.warm_up, connections)
            for nth in range(size.pairs):
                for name in list(loads)[:: -1 if nth % 2 else 1]:
                    turns.setdefault((name, connections), []).append(loads[name].play(size.seconds, connections))
    return turns


def rows(turns: Turns, lines: Sequence[tuple[str, str]], load: str) -> list[Row]:
    """Return a row for each line, which names a contestant and its peer, and number of connections."""
    names, counts = {name for name, _ in turns}, sorted({count for _, count in turns})
    loads = {count: f"{load}, {count} connection{'s' * (count > 1)}" for count in counts}
    return [
        Row(name, peer, loads[count], "requests/s", turns[name, count], turns[peer, count])
        for name, peer in lines
        if {name, peer} <= names
        for count in counts
    ]
