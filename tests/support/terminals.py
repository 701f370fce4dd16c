"""Commands of tapehead on a pseudo-terminal of their own."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from support.tools import require

TIMEOUT_SECONDS = 60
# Variables of the tests' own environment that choose colours or a size.
_CHOSEN = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")
READY = b"listening on http://127.0.0.1:"


def plain_variables(**variables: str) -> dict[str, str]:
    """The environment, without what would choose colours; `variables` are added."""
    known = {name: value for name, value in os.environ.items() if name not in _CHOSEN}
    return known | {"TERM": "xterm-256color"} | variables


class Terminal:
    """A process on a terminal of its own, whose output is read as it comes; `warnings` takes its stderr.

    `broken` is Python that runs in the process before tapehead does.
    """

    def __init__(
        self,
        *command: object,
        cwd: Path,
        warnings: Path | None = None,
        columns: int = 120,
        rows: int = 24,
        variables: dict[str, str] | None = None,
        broken: str = "",
    ) -> None:
        start = ["-c", f"{broken}\nfrom tapehead.__main__ import main\nmain()"] if broken else ["-m", "tapehead"]
        self._reading, self._writing = pty.openpty()
        self.resize(columns, rows)
        with (warnings or Path(os.devnull)).open("wb") as aside:
            self.process = subprocess.Popen(
                [sys.executable, *start, *map(str, command)],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=self._writing,
                stderr=aside if warnings else self._writing,
                env=plain_variables(**(variables or {})),
            )
        self.output = b""

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        fcntl.ioctl(self._writing, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, until: bytes = b"", start: int = 0) -> bytes:
        """Return the output until it has `until` behind `start`, or the process ends."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        has_ended = False
        while not (until and until in self.output[start:]):
            assert time.monotonic() < deadline, self.output
            if select.select([self._reading], [], [], 0.2)[0]:
                self.output += os.read(self._reading, 65_536)
            elif has_ended:
                break
            else:
                has_ended = self.process.poll() is not None
        return self.output

    @property
    def port(self) -> int:
        """The port on which the command listens, once it does."""
        self.read(until=READY)
        after = self.output.partition(READY)[2]
        while b"\r" not in after:
            after = self.read(until=b"\n", start=self.output.index(READY)).partition(READY)[2]
        return int(re.split(rb"\r", after)[0])

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Stop the process, and return all that it printed."""
        self.process.send_signal(number)
        return self.close()

    def close(self) -> str:
        """Return all that the process printed up to its end."""
        output = self.read()
        self.process.wait(TIMEOUT_SECONDS)
        os.close(self._reading)
        os.close(self._writing)
        return output.decode("utf-8", "replace")


def begin_shell() -> None:
    """Take the terminal, in the shell's process; a closed window ends programs in it, also under nohup."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Shell:
    """An interactive bash that controls a terminal, with its jobs."""

    def __init__(self, cwd: Path, columns: int = 100, rows: int = 24) -> None:
        self._reading, writing = pty.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [require("bash"), "--norc", "--noprofile", "-i"],
            cwd=cwd,
            stdin=writing,
            stdout=writing,
            stderr=writing,
            env=plain_variables(PS1="ready> "),
            start_new_session=True,
            preexec_fn=begin_shell,
        )
        os.close(writing)
        self.output = b""

    def type(self, keys: str) -> int:
        """Type keys; return how much was printed before."""
        start = len(self.output)
        os.write(self._reading, keys.encode())
        return start

    def read(self, until: bytes, start: int = 0) -> bytes:
        """Return the output behind `start`, once it has `until`."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while until not in self.output[start:]:
            assert time.monotonic() < deadline, self.output
            if select.select([self._reading], [], [], 0.2)[0]:
                self.output += os.read(self._reading, 65_536)
        return self.output[start:]

    @property
    def url(self) -> str:
        """Where a command listens, once it does."""
        start = len(self.output) - len(self.read(READY))
        after = self.output.index(READY, start) + len(READY)
        return f"http://127.0.0.1:{self.read(b'\r', after).partition(b'\r')[0].decode()}"

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._reading)
        self._reading = -1

    def close(self) -> None:
        """End the shell."""
        if self._reading >= 0:
            self.hang_up()
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)
