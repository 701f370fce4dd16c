"""Confirmation by the disk of what was written, in a thread that delays no writing."""

import os
import threading
import time
from collections.abc import Callable

SYNC_SECONDS = 1.0


def os_error_of(action: Callable[[], None]) -> OSError | None:
    """Run an action; return the OSError that it raises, if any."""
    try:
        action()
    except OSError as error:
        return error
    return None


class Syncer:
    """Confirmation by the disk of what was written, once a second at most, in a thread that delays no writing.

    Args:
        on_done: called with the number of lines that were to be confirmed, and the disk's error if it refused.
        sync_before: called before each sync, in its thread.
    """

    def __init__(self, on_done: Callable[[int, OSError | None], None], sync_before: Callable[[], None]) -> None:
        self._on_done = on_done
        self._sync_before = sync_before
        self._last = 0.0
        self._running = False

    @property
    def is_due(self) -> bool:
        """True if the last sync began a second ago or more, and is done."""
        return not self._running and time.monotonic() - self._last >= SYNC_SECONDS

    def start(self, open_handle: Callable[[], int | None], count: int) -> bool:
        """Begin to sync a descriptor; return False if there is no descriptor or no thread for it.

        Args:
            open_handle: returns the descriptor, which is closed at the end; None while there is no file.
            count: the number of lines that are to be confirmed.
        """
        self._running, self._last, handle = True, time.monotonic(), None
        try:
            if (handle := open_handle()) is not None:
                threading.Thread(target=self._sync, args=(handle, count), name="tapehead-sync", daemon=True).start()
                return True
        except (OSError, RuntimeError, MemoryError):
            if handle is not None:
                os.close(handle)
        self._running = False
        return False

    def _sync(self, handle: int, count: int) -> None:
        try:
            self._sync_before()
            self._on_done(count, os_error_of(lambda: os.fdatasync(handle)))
        finally:
            os.close(handle)
            self._running = False
