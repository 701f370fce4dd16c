"""The process that ships files, as its recorder has it: started, started again where it dies, and ended.

Whatever happens there, the recorder reads a pipe in a thread of its own, and nothing else.
"""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import msgspec

from tapehead.errors import StartupError, UsageError
from tapehead.server.restarts import RestartPauses, describe_exit
from tapehead.shipping.shipping_messages import END, ShippingSetup, ShippingStatus
from tapehead.text import count_of, format_number

# The longest wait at the start, for the process and for the first answer of the store.
LOAD_SECONDS, CHECK_SECONDS = 60.0, 15.0
COMMAND = (sys.executable, "-m", "tapehead.shipping.worker")


class ShippingProcess:
    """The process that ships the files of a recording.

    Args:
        setup: what it ships.
        warn: called with one line about each change for better or worse, in another thread.

    Attributes:
        status: the latest status.
    """

    def __init__(self, setup: ShippingSetup, warn: Callable[[str], None]) -> None:
        self.status = ShippingStatus()
        self._setup = setup
        self._name = f"the process that ships to '{setup.url}'"
        self._warn = warn
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._is_loaded = self._is_ending = self._is_over = self._is_death_told = self._is_started = False
        # Files that processes before this one have shipped.
        self._shipped_before = 0
        self._end = ""
        self._pauses = RestartPauses()
        self._thread = threading.Thread(target=self._supervise, name="tapehead-ship", daemon=True)
        self._thread.start()

    @property
    def shipped(self) -> int:
        """The number of files shipped in this run."""
        return self._shipped_before + self.status.shipped

    def wait_ready(self) -> None:
        """Wait until the store was asked, for a while.

        Raises:
            StartupError: the process does not start.
            UsageError: the store cannot be used as the options say.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_loaded or self._is_over, LOAD_SECONDS):
                raise StartupError(f"{self._name} did not start within {LOAD_SECONDS:.0f} s")
            self._changed.wait_for(lambda: self.status.is_checked or self._is_over, CHECK_SECONDS)
            status, self._is_started = self.status, True
            if self._is_over and not status.is_checked:
                raise StartupError(f"{self._name} {self._end}")
        if status.is_refused:
            raise UsageError(f"cannot ship to '{self._setup.url}': {status.problem}")
        if status.problem:
            self._warn_of(status.problem, status)

    def finish(self, wait_seconds: float, is_given_up: Callable[[], bool], on_wait: Callable[[int], None]) -> None:
        """Have what waits shipped, within a time, and end the process.

        Args:
            wait_seconds: the longest wait.
            is_given_up: returns whether to wait no longer.
            on_wait: called with the number of files that wait, ten times a second.
        """
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            self._is_ending = True
            self._send(END)
            while not self._is_over and not is_given_up() and time.monotonic() < deadline:
                self._changed.wait(0.1)
                on_wait(self.status.waiting)
        self.close()

    def close(self) -> None:
        """End the process at once."""
        with self._changed:
            self._is_ending = True
            if self._process:
                self._process.kill()
            self._changed.notify_all()
        self._thread.join(LOAD_SECONDS)

    def _send(self, line: bytes) -> None:
        if self._process:
            stdin = cast("IO[bytes]", self._process.stdin)
            try:
                stdin.write(line)
                stdin.flush()
            except (OSError, ValueError):  # it has died, or does not listen; or that was found before
                with contextlib.suppress(OSError):  # what it did not take is still to be sent, which fails again
                    stdin.close()

    # ---- In its thread ----

    def _supervise(self) -> None:
        """Run one process after the other."""
        while True:
            self._pauses.note_start()
            end = self._run_one()
            with self._changed:
                self._end = end
                self._shipped_before += self.status.shipped
                is_refused = not self._is_loaded and self.status.is_checked
                if not is_refused:
                    self.status = msgspec.structs.replace(self.status, shipped=0)
                if self._is_ending or is_refused or not self._is_loaded:
                    self._is_over = True
                    self._changed.notify_all()
                    return
            pause = self._pauses.after_end()
            if not (self._pauses.was_young and self._is_death_told):
                self._is_death_told = True
                self._warn(
                    f"{self._name} {end}; another such process starts in {format_number(pause)} s, and files "
                    "wait until then"
                )
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending, pause)

    def _run_one(self) -> str:
        """Start a process and follow it to its end; return how it ended."""
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt from the terminal is for the recorder
            )
        except OSError as error:
            return f"did not start: {error.strerror}"
        with process:
            with self._changed:
                self._process = process
                self._send(msgspec.json.encode(self._setup) + b"\n")
                if self._is_ending:
                    self._send(END)
            for line in cast("IO[bytes]", process.stdout):
                with contextlib.suppress(msgspec.MsgspecError):  # a line cut short by its death
                    self._take(msgspec.json.decode(line, type=ShippingStatus))
            code = process.wait()
            with self._changed:
                self._process = None
        if self.status.error:
            return f"died: {self.status.error}"
        return f"died: {describe_exit(code)}"

    def _take(self, status: ShippingStatus) -> None:
        with self._changed:
            before = self.status
            if status.error:
                status = msgspec.structs.replace(before, error=status.error)
            elif not status.is_checked:  # a new process knows nothing yet
                status = msgspec.structs.replace(status, problem=before.problem)
            self.status = status
            self._is_loaded = self._is_loaded or not (status.is_checked and status.is_refused)
            self._changed.notify_all()
        if not self._is_started:
            return
        if status.problem and not before.problem:
            self._warn_of(status.problem, status)
        elif before.problem and status.is_checked and not status.problem:
            waiting = f"; {count_of(status.waiting, 'file')} left" if status.waiting else ""
            self._warn(f"shipping to '{self._setup.url}' again{waiting}")
        if status.failed_file and status.failed_file != before.failed_file:
            self._warn(f"{status.failed_file}; it is tried again later, and other files are shipped meanwhile")

    def _warn_of(self, problem: str, status: ShippingStatus) -> None:
        waiting = f"{count_of(status.waiting, 'file')} {'waits' if status.waiting == 1 else 'wait'}"
        folder = Path(self._setup.out).parent
        self._warn(
            f"cannot ship to '{self._setup.url}': {problem}; recording continues, and "
            f"{waiting if status.waiting else 'files wait'} in '{folder}'"
        )
