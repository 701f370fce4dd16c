"""The loop of the process that ships files: it looks for finished files, uploads them, and waits while that fails."""

import errno
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tapehead.shipping.finished_files import FinishedFiles
from tapehead.shipping.shipping_messages import ShippingStatus, ShippingTimes
from tapehead.shipping.uploader import UnreadableFileError, Uploader

# A single failure is no news: stores ask to slow down, and connections break.
FAILURES_TOLD = 2
# The longest pause once the recorder waits for the end.
_LAST_PAUSE_SECONDS = 1.0


class Shipper:
    """Ship the finished files of a recording as they appear, one after the other, the oldest first.

    Args:
        uploader: uploads them.
        finished: finds them.
        tell: called with each new status.
        times: the pauses.
    """

    def __init__(
        self,
        uploader: Uploader,
        finished: FinishedFiles,
        tell: Callable[[ShippingStatus], None],
        times: ShippingTimes,
    ) -> None:
        self._uploader = uploader
        self._finished = finished
        self._tell_status = tell
        self._times = times
        self._told: ShippingStatus | None = None
        self._waiting: list[Path] = []
        self._being_written: list[Path] = []
        self._unreadable: dict[Path, str] = {}
        self._shipped = self._failures = 0
        self._problem, self._is_refused = "", False
        self._try_at = 0.0

    def check(self) -> None:
        """Ask the store whether it is there, and tell."""
        try:
            self._uploader.check()
        except Exception as error:  # noqa: BLE001 - libraries may have errors of their own
            self._note_failure(error, told_from=1)
        else:
            self._note_success()
        self._tell()

    def run(self, ending: threading.Event) -> None:
        """Ship until `ending` is set and nothing waits."""
        while True:
            is_ending = ending.is_set()
            self._waiting += self._being_written + self._finished.find_new()
            self._being_written = []
            while self._waiting and time.monotonic() >= self._try_at:
                self._ship_next()
                self._tell()
            if is_ending and not self._waiting:
                self._tell(is_done=True)
                return
            self._tell()
            if self._problem and not self._waiting and time.monotonic() >= self._try_at:
                self.check()
            pause = min(self._times.look, max(self._try_at - time.monotonic(), 0.0) or self._times.look)
            if is_ending:
                time.sleep(min(pause, _LAST_PAUSE_SECONDS))
                self._try_at = min(self._try_at, time.monotonic() + _LAST_PAUSE_SECONDS)
            elif ending.wait(pause):
                self._try_at = 0.0

    def _ship_next(self) -> None:
        path = self._waiting[0]
        try:
            is_shipped = self._uploader.ship(path)
        except UnreadableFileError as error:
            if path.exists():
                self._unreadable[path] = str(error)
        except Exception as error:  # noqa: BLE001 - likewise
            self._note_failure(error)
            return
        else:
            if is_shipped:
                self._shipped += 1
                self._note_success()
            else:
                self._being_written.append(path)
        self._waiting.pop(0)

    def _note_success(self) -> None:
        self._failures, self._problem, self._is_refused, self._try_at = 0, "", False, 0.0

    def _note_failure(self, error: Exception, told_from: int = FAILURES_TOLD) -> None:
        pause = min(self._times.first_pause * 2**self._failures, self._times.longest_pause)
        # Recorders that lost the same store do not come back to it all at once.
        self._try_at = time.monotonic() + pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._failures = min(self._failures + 1, 30)
        if self._problem or self._failures >= told_from:
            self._problem = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            # Access is denied, or there is no such bucket.
            self._is_refused = getattr(error, "errno", None) in (errno.EACCES, errno.ENXIO)

    def _tell(self, *, is_done: bool = False) -> None:
        status = ShippingStatus(
            is_checked=True,
            shipped=self._shipped,
            waiting=len(self._waiting),
            failed=len(self._unreadable),
            problem=self._problem,
            is_refused=self._is_refused,
            unreadable=next(reversed(self._unreadable.values()), ""),
            is_done=is_done,
        )
        if status != self._told:
            self._told = status
            self._tell_status(status)
