"""A lock for all worker processes."""

import multiprocessing
import os
import select
import time


class SharedLock:
    """A lock for all processes that were given it at their start: who reads the one byte of a pipe has it.

    A lock of multiprocessing has a name in the system, which outlives a command that is killed, and of which a helper
    process complains then. A process that dies while it has the lock never releases either of them.
    """

    def __init__(self) -> None:
        self._reading, self._writing = multiprocessing.Pipe(duplex=False)
        os.set_blocking(self._reading.fileno(), False)
        self.release()

    def acquire(self, timeout_seconds: float = 0.0) -> bool:
        """Return whether the lock was released within a time, and is taken now."""
        deadline = time.monotonic() + timeout_seconds
        released = select.poll()
        released.register(self._reading, select.POLLIN)
        while True:
            try:
                return bool(os.read(self._reading.fileno(), 1))
            except BlockingIOError:
                left = deadline - time.monotonic()
            if left <= 0:
                return False
            released.poll(1000 * left)

    def release(self) -> None:
        """Let the next one have it."""
        os.write(self._writing.fileno(), b"1")
