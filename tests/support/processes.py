"""Commands of tapehead as processes, and web servers as threads, for tests of the command line."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, Any, Protocol

from support.fork_server import FORK_SERVER
from support.upstream_server import ManyClientsServer

READY = "listening on "
# Long enough for a machine that is busy, and less than a test may take.
TIMEOUT_SECONDS = 100.0
MITMDUMP = str(Path(sys.executable).with_name("mitmdump"))


class Process(Protocol):
    """A process that was started or forked."""

    pid: int

    @property
    def stdout(self) -> IO[Any] | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Command:
    """A running command of tapehead.

    Attributes:
        process: the process.
        url: where it listens.
        lines: what it has printed so far, stdout and stderr together.
    """

    process: Process
    url: str = ""
    lines: list[str] = field(default_factory=list)
    _fresh: "queue.Queue[str | None]" = field(default_factory=queue.Queue)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def wait_for(self, wanted: Callable[[str], bool]) -> str:
        """The first line from now on for which `wanted` holds."""
        while True:
            line = self._fresh.get(timeout=TIMEOUT_SECONDS)
            assert line is not None, "it ended:\n" + "\n".join(self.lines)
            if wanted(line):
                return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; its exit code. All it printed is in `lines` then."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)
        return code

    def read(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as stdout:
            for line in stdout:
                self.lines.append(line.rstrip("\n"))
                self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)


@contextlib.contextmanager
def running(
    *command: object,
    cwd: Path | None = None,
    listen: str = "127.0.0.1:0",
    broken: str | None = None,
    cold: bool = False,
) -> Iterator[Command]:
    """`tapehead COMMAND --listen LISTEN`, ready to be called; stopped at the end if it still runs.

    `broken` is Python that runs in the process before tapehead does, to break something of it. `cold` is as for
    `start_program`.
    """
    start = ["-m", "tapehead"] if broken is None else ["-c", f"{broken}\nfrom tapehead.__main__ import main\nmain()"]
    with start_program(sys.executable, *start, *command, "--listen", listen, cwd=cwd, cold=cold) as opened:
        opened.url = opened.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
        yield opened


@contextlib.contextmanager
def start_program(*command: object, cwd: Path | None = None, cold: bool = False) -> Iterator[Command]:
    """Run any program, and read its output as it comes; stop it at the end if it still runs.

    Commands of tapehead, mitmdump and `python -c` are forked by a process that has imported them, if tests run and not
    `cold`: see `support.fork_server`.
    """
    words = list(map(str, command))
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process: Process
    if not cold and (forked := _to_fork(words, environment)):
        arguments, code = forked
        reading, writing = os.pipe()
        with open(os.devnull) as nothing:  # noqa: PTH123
            streams = nothing.fileno(), writing, writing
            output = open(reading)  # noqa: SIM115, PTH123 - closed by the thread that reads
            process = FORK_SERVER.start(arguments, code, streams, stdout=output, cwd=cwd, environment=environment)
        os.close(writing)
    else:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
    opened = Command(process)
    opened.read()
    try:
        yield opened
    finally:
        if process.poll() is None:
            opened.stop()


def run_tapehead(
    *arguments: object, cwd: Path | None = None, data: bytes = b"", cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with `data` on its standard input."""
    return run_program(sys.executable, "-m", "tapehead", *arguments, cwd=cwd, data=data, cold=cold)


def run_program(
    *command: object, cwd: Path | None = None, data: bytes = b"", cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run any program to its end, with `data` on its standard input; `cold` is as for `start_program`.

    Raises:
        subprocess.TimeoutExpired: it does not come to its end.
    """
    words = list(map(str, command))
    with tempfile.TemporaryFile() as sent, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sent.write(data)
        sent.seek(0)
        process: Process
        if not cold and (forked := _to_fork(words, os.environ)):
            process = FORK_SERVER.start(*forked, (sent.fileno(), out.fileno(), err.fileno()), cwd=cwd)
        else:
            process = subprocess.Popen(words, cwd=cwd, stdin=sent, stdout=out, stderr=err)
        try:
            code = process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(words, code, *texts)


def _to_fork(words: list[str], environment: Mapping[str, str]) -> tuple[list[str], str | None] | None:
    """The arguments and the code with which the fork server runs a command; None if it has to be started."""
    if not FORK_SERVER.enabled or not FORK_SERVER.fits(environment):
        return None
    match words:
        case [sys.executable, "-m", "tapehead", *arguments]:
            return arguments, None
        case [sys.executable, "-c", code, *arguments]:
            return arguments, code
        case [tool, *arguments] if tool == MITMDUMP:
            return arguments, "from mitmproxy.tools.main import mitmdump\nmitmdump()"
    return None


def memory_of(opened: Command) -> int:
    """Return the resident memory of a process, in bytes."""
    status = Path(f"/proc/{opened.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def workers_of(pid: int) -> list[int]:
    """The worker processes of a command."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@contextlib.contextmanager
def web_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A plain HTTP server on loopback in a thread; its URL."""
    server = ManyClientsServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_SECONDS)
