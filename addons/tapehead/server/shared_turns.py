"""Turns that worker processes take together, so that each recorded session of equal content is played in turn."""

import ctypes
import hashlib

from tapehead.server.shared_lock import SharedLock
from tapehead.server.workers import SPAWN

# The names that are counted, and the places at which one is sought.
SLOTS, MOST_TRIED = 1 << 16, 64
# A worker that was killed while it held the lock never releases it.
LOCK_SECONDS = 1.0


class SharedTurns:
    """Counts of turns by name, over all worker processes that were given them at their start."""

    def __init__(self) -> None:
        self._slots = SPAWN.RawArray(ctypes.c_uint64, 2 * SLOTS)
        self._lock = SharedLock()
        self._is_broken = False

    def take(self, name: str) -> int | None:
        """Return how many turns of a name were taken before, by any process; None if that is not known any more."""
        if self._is_broken or not self._lock.acquire(LOCK_SECONDS):
            self._is_broken = True
            return None
        try:
            digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            mark, slots = int.from_bytes(digest) or 1, self._slots
            for at in range(mark, mark + MOST_TRIED):
                place = 2 * (at % SLOTS)
                if slots[place] in (0, mark):
                    slots[place] = mark
                    slots[place + 1] += 1
                    return int(slots[place + 1]) - 1
            return None
        finally:
            self._lock.release()
