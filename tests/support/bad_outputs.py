"""Commands whose standard output and error take nothing: full, broken, read by nobody, or closed at start."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from support.fork_server import FORK_SERVER
from support.processes import TIMEOUT_SECONDS, Command, Process
from support.upstream_server import free_port

KINDS = ("full", "broken", "unread", "closed")
SHELL = 'exec "$@" >&- 2>&-'


@contextlib.contextmanager
def output(kind: str) -> Iterator[int]:
    """A descriptor that takes nothing."""
    reading, writing = os.pipe()
    with contextlib.ExitStack() as opened:
        opened.callback(os.close, writing)
        if kind == "full":
            os.dup2(opened.enter_context(open("/dev/full", "wb")).fileno(), writing)  # noqa: PTH123
        if kind == "unread":
            opened.callback(os.close, reading)
            os.set_blocking(writing, False)
            for size in (4096, 1):
                with contextlib.suppress(BlockingIOError):
                    while os.write(writing, b"x" * size):
                        pass
            os.set_blocking(writing, True)
        else:
            os.close(reading)
        yield writing


@contextlib.contextmanager
def running_unheard(kind: str, *command: object, broken: str = "") -> Iterator[Command]:
    """A command whose outputs are of that kind, ready to be called; `broken` is as for `support.processes.running`."""
    port = free_port()
    words = [*map(str, command), "--listen", f"127.0.0.1:{port}"]
    code = f"{broken}\nfrom tapehead.__main__ import main\nmain()" if broken else None
    with output("full" if kind == "closed" else kind) as handle, open(os.devnull) as nothing:  # noqa: PTH123
        streams = nothing.fileno(), handle, handle
        process = _start_closed(words, code) if kind == "closed" else FORK_SERVER.start(words, code, streams)
    try:
        _wait_for(port, process)
        yield Command(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(TIMEOUT_SECONDS)


def _start_closed(words: Sequence[str], code: str | None) -> Process:
    start = ["-c", code] if code else ["-m", "tapehead"]
    return subprocess.Popen(["sh", "-c", SHELL, "sh", sys.executable, *start, *words], stdin=subprocess.DEVNULL)


def _wait_for(port: int, process: Process) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.05)
        else:
            return


def end(command: Command) -> int:
    """End it as a user does; the exit code."""
    command.process.send_signal(signal.SIGTERM)
    return command.process.wait(TIMEOUT_SECONDS)
