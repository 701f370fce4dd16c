"""The loop of the process that ships files: it looks for finished files, uploads them, and waits while that fails."""

import errno
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tapehead.shipping.finished_files import FinishedFiles
from tapehead.shipping.shipping_messages import ShippingStatus, ShippingTimes
from tapehead.shipping.uploader import UnreadableFileError, Uploader

# A single failure is no news: stores ask to slow down, and connections break.
FAILURES_TOLD = 2
# The longest pause once the recorder waits for the end.
_LAST_PAUSE_SECONDS = 1.0
# Access is denied, there is no such bucket, the endpoint is not a URL, or its certificate is not accepted.
_REFUSALS = {errno.EACCES, errno.ENXIO, errno.EDESTADDRREQ, errno.EPROTO}


class _FailedFile(NamedTuple):
    """A file that could not be read, or that the store did not take.

    Attributes:
        failures: how often, since it was last shipped or gone.
        due: when it is tried again, by the monotonic clock.
        is_unreadable: whether it could not be read.
    """

    failures: int
    due: float
    is_unreadable: bool


class Shipper:
    """A shipper of the finished files of a recording as they appear, one after the other, the oldest first.

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
        # The files that are tried again later, while others are shipped.
        self._failed: dict[Path, _FailedFile] = {}
        self._last_failed: Path | None = None
        self._last_told = ""
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
        was_ending = False
        while True:
            is_ending = ending.is_set()
            self._waiting += self._being_written + self._finished.find_new()
            self._being_written = []
            self._retry_failed(is_last=is_ending and not was_ending)
            was_ending = is_ending
            while self._waiting and time.monotonic() >= self._try_at:
                self._ship_next()
                self._tell()
            if is_ending and not self._waiting and not any(map(_is_fresh, self._failed.values())):
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

    def _retry_failed(self, *, is_last: bool) -> None:
        """Let files wait again whose pause is over, or all of them for the last time."""
        now = time.monotonic()
        for path, failed in self._failed.items():
            if (failed.due <= now or is_last) and path not in self._waiting:
                self._waiting.append(path)

    def _ship_next(self) -> None:
        path = self._waiting[0]
        try:
            is_shipped = self._uploader.ship(path)
        except UnreadableFileError as error:
            if os.path.lexists(path):  # Path.exists may raise
                self._note_failed_file(path, str(error), is_unreadable=True)
            else:
                self._failed.pop(path, None)
        except Exception as error:  # noqa: BLE001 - likewise
            if _is_of_store(error):
                self._note_failure(error)
                return
            # What another file has met as well may be the store's fault; a third one may still be taken.
            if path in self._failed or self._last_failed in (None, path):
                self._note_failed_file(path, f"cannot ship '{path}': {_reason_of(error)}")
            else:
                self._note_failure(error)
                self._waiting.append(path)
            self._last_failed = path
        else:
            self._failed.pop(path, None)
            if is_shipped:
                self._shipped += 1
                self._note_success()
            else:
                self._being_written.append(path)
        self._waiting.pop(0)

    def _note_failed_file(self, path: Path, reason: str, *, is_unreadable: bool = False) -> None:
        """Put off a file, and tell that once: at once if it cannot be read, and else if that was no single failure."""
        failures = self._failed[path].failures + 1 if path in self._failed else 1
        pause = min(self._times.first_pause * 2 ** min(failures - 1, 30), self._times.longest_pause)
        self._failed[path] = _FailedFile(failures, time.monotonic() + pause, is_unreadable)
        if failures == (1 if is_unreadable else FAILURES_TOLD):
            self._last_told = reason

    def _note_success(self) -> None:
        self._failures, self._problem, self._is_refused, self._try_at = 0, "", False, 0.0
        self._last_failed = None

    def _note_failure(self, error: Exception, told_from: int = FAILURES_TOLD) -> None:
        pause = min(self._times.first_pause * 2**self._failures, self._times.longest_pause)
        # Recorders that lost the same store do not come back to it all at once.
        self._try_at = time.monotonic() + pause * random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._failures = min(self._failures + 1, 30)
        if self._problem or self._failures >= told_from:
            self._problem = _reason_of(error)
            self._is_refused = getattr(error, "errno", None) in _REFUSALS

    def _tell(self, *, is_done: bool = False) -> None:
        status = ShippingStatus(
            is_checked=True,
            shipped=self._shipped,
            waiting=len({*self._waiting, *(path for path, each in self._failed.items() if not each.is_unreadable)}),
            failed=sum(each.is_unreadable for each in self._failed.values()),
            problem=self._problem,
            is_refused=self._is_refused,
            failed_file=self._last_told,
            is_done=is_done,
        )
        if status != self._told:
            self._told = status
            self._tell_status(status)


def _is_fresh(failed: _FailedFile) -> bool:
    """Return whether the end waits for a file: one that the store did not take a single time."""
    return failed.failures < FAILURES_TOLD and not failed.is_unreadable


def _is_of_store(error: Exception) -> bool:
    """Return whether the store takes no file at all; others may be about a single one."""
    return isinstance(error, ConnectionError | PermissionError) or getattr(error, "errno", None) in _REFUSALS


def _reason_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
