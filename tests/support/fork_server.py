"""A process that has imported tapehead and its libraries, and forks once for every command that a test runs.

Starting `python -m tapehead` costs half a second of imports, a proxy's start a whole one. A fork of this server costs
a few milliseconds, and is a process like any other: its own arguments, environment, working directory, standard
streams, signals, `atexit` functions and exit code. What it does not go through is the interpreter's start and the
imports; tests of those use `cold=True`, see `support.processes`.

A command may run code before tapehead does, to break something of it. It then gets tapehead's modules anew, so that
constants which one module imports from another are taken from where the code has changed them.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

MOST_BYTES = 1 << 20
# What the interpreter reads when it starts: a process that has other values needs a start of its own.
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ")
# These import libraries of extras, some of which start threads, which a fork does not have.
OF_EXTRAS = ("tapehead.reports.tables.arrow", "tapehead.reports.tables.parquet_files")
LIBRARIES = ("mitmproxy.tools.main", "mitmproxy.addons.proxyserver", "mitmproxy.addons.tlsconfig", "uvicorn")
# Some versions of libraries load these when they are first used.
LAZY = ("uvicorn.lifespan.off", "importlib.resources.readers", "encodings.idna", "zoneinfo")


class Job(NamedTuple):
    """A command to run.

    Attributes:
        arguments: sys.argv[1:].
        code: Python to run as `__main__`; None for `python -m tapehead`.
        cwd: the working directory.
        environment: all of it.
    """

    arguments: list[str]
    code: str | None
    cwd: str
    environment: dict[str, str]


# ---- The server ----


def serve(requests: socket.socket) -> Job | None:
    """Fork once for each request; the job of a fork, None in the server itself when there are no more requests.

    A request is a message with the three standard streams and a socket to report on: the process id, then how it ended.
    """
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    _report(selector, key.fd, *running.pop(key.fd))
                    continue
                data, streams, _, _ = socket.recv_fds(requests, MOST_BYTES, 4)
                if not data:
                    return None
                report = socket.socket(fileno=streams.pop())
                pid = os.fork()
                if pid == 0:
                    for handle, (_, other) in running.items():
                        os.close(handle)
                        other.close()
                    report.close()
                    requests.close()
                    _take_streams(streams)
                    return Job(*json.loads(data))
                for stream in streams:
                    os.close(stream)
                report.send(str(pid).encode())
                handle = os.pidfd_open(pid)
                running[handle] = pid, report
                selector.register(handle, selectors.EVENT_READ)


def _report(selector: selectors.BaseSelector, handle: int, pid: int, report: socket.socket) -> None:
    selector.unregister(handle)
    os.close(handle)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # the test may have gone
        report.send(str(os.waitstatus_to_exitcode(status)).encode())
    report.close()


def _take_streams(streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)


def run(job: Job) -> None:
    """Be the command."""
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.environment)
    unbuffered = bool(job.environment.get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, sys.stdout, unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, sys.stderr, unbuffered)  # type: ignore[misc]
    if job.code is None:
        sys.argv = ["-m", *job.arguments]
        sys.path.insert(0, job.cwd)
        runpy.run_module("tapehead", run_name="__main__", alter_sys=True)
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "tapehead"]:
        del sys.modules[name]
    sys.argv = ["-c", *job.arguments]
    sys.path.insert(0, "")
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(job.code, "<string>", "exec"), main.__dict__)


def _writer(number: int, like: TextIO, unbuffered: bool) -> io.TextIOWrapper:
    raw = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    lines = bool(like.line_buffering) or raw.isatty()
    return io.TextIOWrapper(raw, like.encoding, like.errors, line_buffering=lines, write_through=unbuffered)


def preload() -> None:
    """Import all of tapehead, and what it and mitmdump load when they run."""
    del sys.path[0]  # the folder of this file
    import tapehead

    names = [module.name for module in pkgutil.walk_packages(tapehead.__path__, "tapehead.")]
    for name in (*LIBRARIES, *names):
        if not name.endswith("__main__") and name not in OF_EXTRAS:
            importlib.import_module(name)
    for name in LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    gc.collect()
    gc.freeze()


# ---- Its client ----


class ForkedProcess:
    """A process that the server has forked: what a test uses of `subprocess.Popen`.

    Attributes:
        args: its command line.
        pid: its id.
        stdout: its standard output and error as text, if the test reads them.
        returncode: by what it exited, minus the signal that ended it; None while it runs.
    """

    def __init__(self, args: list[str], report: socket.socket, stdout: TextIO | None) -> None:
        self.args = args
        self.stdout = stdout
        self.returncode: int | None = None
        self._report = report
        self._lock = threading.Lock()
        self.pid = int(report.recv(64))

    def poll(self) -> int | None:
        """The exit code if it has ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self._look(0.5 if deadline is None else min(0.5, max(deadline - time.monotonic(), 0)))) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float) -> int | None:
        with self._lock:
            if self.returncode is None:
                self._report.settimeout(seconds)
                try:
                    self.returncode = int(self._report.recv(64) or -signal.SIGKILL)
                except (TimeoutError, BlockingIOError):
                    return None
                self._report.close()
            return self.returncode


class ForkServer:
    """The server, started with the first command that it is to run.

    Attributes:
        enabled: whether tests may use it.
    """

    def __init__(self) -> None:
        self.enabled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._environment: dict[str, str] = {}

    def start(
        self,
        arguments: list[str],
        code: str | None,
        streams: tuple[int, int, int],
        *,
        stdout: TextIO | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> ForkedProcess:
        """Run `python -m tapehead ARGUMENTS`, or `python -c CODE ARGUMENTS`.

        Args:
            arguments: what follows.
            code: see there.
            streams: standard input, output, and error; they stay open here.
            stdout: what reads its output.
            cwd: where it runs.
            environment: all of it; this process's own without it.
        """
        job = Job(arguments, code, str(cwd or Path.cwd()), dict(os.environ if environment is None else environment))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._connect(), [json.dumps(job).encode()], [*streams, theirs.fileno()])
        return ForkedProcess(["tapehead", *arguments], ours, stdout)

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Tell whether the interpreter would start in the same way with this environment."""
        self._connect()
        return _read_at_start(environment) == _read_at_start(self._environment)

    def _connect(self) -> socket.socket:
        if self._requests is None:
            self._environment = dict(os.environ)
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        return self._requests

    def close(self) -> None:
        """End the server; commands that still run stay."""
        if self._requests and self._process:
            self._requests.close()
            self._process.wait()
            self._requests = self._process = None


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    named = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    return {name: value for name, value in named.items() if name != "PYTHONUNBUFFERED"}


FORK_SERVER = ForkServer()


def main() -> None:
    """Serve; in a fork, be the command."""
    preload()
    if job := serve(socket.socket(fileno=int(sys.argv[1]))):
        run(job)


if __name__ == "__main__":
    main()
