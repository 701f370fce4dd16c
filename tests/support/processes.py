"""Commands of tapehead as processes, and web servers as threads, for tests of the command line."""

import contextlib
import http.server
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

READY = "listening on "
TIMEOUT_SECONDS = 30.0


@dataclass
class Command:
    """A running command of tapehead.

    Attributes:
        process: the process.
        url: where it listens.
        lines: what it has printed so far, stdout and stderr together.
    """

    process: subprocess.Popen[str]
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
    *command: object, cwd: Path | None = None, listen: str = "127.0.0.1:0", broken: str | None = None
) -> Iterator[Command]:
    """`tapehead COMMAND --listen LISTEN`, ready to be called; stopped at the end if it still runs.

    `broken` is Python that runs in the process before tapehead does, to break something of it.
    """
    start = ["-m", "tapehead"] if broken is None else ["-c", f"{broken}\nfrom tapehead.__main__ import main\nmain()"]
    with start_program(sys.executable, *start, *command, "--listen", listen, cwd=cwd) as opened:
        opened.url = opened.wait_for(lambda line: line.startswith(READY)).removeprefix(READY)
        yield opened


@contextlib.contextmanager
def start_program(*command: object, cwd: Path | None = None) -> Iterator[Command]:
    """Any program, its output read as it comes; killed at the end if it still runs."""
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    opened = Command(process)
    opened.read()
    try:
        yield opened
    finally:
        if process.poll() is None:
            opened.stop()


def run_tapehead(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tapehead", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@contextlib.contextmanager
def web_server(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """A plain HTTP server on loopback in a thread; its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(TIMEOUT_SECONDS)
