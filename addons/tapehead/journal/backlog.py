"""The calls that wait for the audit, in bounded memory; where there is no room, whole sessions are left out."""

from collections import OrderedDict, deque
from collections.abc import Iterable

MOST_CALLS, MOST_BYTES = 20_000, 32_000_000
# Sessions that are known to be left out, the oldest forgotten first.
MOST_LEFT_OUT = 100_000


class Backlog:
    """The bounds of the calls that wait; one thread puts, one takes.

    While more than half of the room is taken, sessions that begin are left out. Where a call finds no room at all, its
    session is, with the calls of it that wait.

    Args:
        most_calls: the number of calls that may wait.
        most_bytes: their bytes.

    Attributes:
        newly_left_out: sessions that were left out and have not been told yet.
        left_out_without_session: the number of calls that were left out and belong to no session.
    """

    def __init__(self, most_calls: int = MOST_CALLS, most_bytes: int = MOST_BYTES) -> None:
        self._most_calls, self._most_bytes = most_calls, most_bytes
        self.newly_left_out: deque[str] = deque()
        self._left_out: OrderedDict[str, None] = OrderedDict()
        # Each is written by one thread only.
        self._calls_in = self._calls_out = self._bytes_in = self._bytes_out = 0
        self._left_out_before = self._left_out_later = self.left_out_without_session = 0

    @property
    def is_empty(self) -> bool:
        """True if nothing waits."""
        return self._calls_in == self._calls_out

    @property
    def is_filling(self) -> bool:
        """True if half of the room that sessions have to begin is taken."""
        calls, waiting = self._calls_in - self._calls_out, self._bytes_in - self._bytes_out
        return 4 * calls > self._most_calls or 4 * waiting > self._most_bytes

    @property
    def left_out_calls(self) -> int:
        """The number of calls that were left out, those that had waited included."""
        return self._left_out_before + self._left_out_later

    @property
    def received(self) -> int:
        """The number of calls that were admitted so far."""
        return self._calls_in

    @property
    def taken(self) -> int:
        """The number of calls of those that are done with."""
        return self._calls_out

    def admit(self, sid: str | None, size: int, *, opens: bool) -> bool:
        """Return whether a call may wait, which counts it; in the thread that puts.

        Args:
            sid: its session; None if it has none.
            size: its size in memory, in bytes.
            opens: whether it opens the session.
        """
        if self.leaves_out(sid):
            return False
        calls, waiting = self._calls_in - self._calls_out + 1, self._bytes_in - self._bytes_out + size
        is_full = calls > self._most_calls or waiting > self._most_bytes
        if is_full or (opens and (2 * calls > self._most_calls or 2 * waiting > self._most_bytes)):
            self.lose(sid)
            return False
        self._calls_in += 1
        self._bytes_in += size
        return True

    def leaves_out(self, sid: str | None) -> bool:
        """Return whether a call is of a session that is left out, which counts it; in the thread that puts."""
        is_left_out = sid in self._left_out
        self._left_out_before += is_left_out
        return is_left_out

    def lose(self, sid: str | None, calls: int = 1) -> None:
        """Count calls as left out, and leave out their session, if they have one."""
        if sid:
            self.leave_out(sid)
        else:
            self.left_out_without_session += calls
        self._left_out_before += calls

    def count_left_out(self, calls: int) -> None:
        """Count more calls of sessions that are left out."""
        self._left_out_before += calls

    def leave_out(self, sid: str) -> None:
        """Leave out a session from now on."""
        self._left_out[sid] = None
        self.newly_left_out.append(sid)
        if len(self._left_out) > MOST_LEFT_OUT:
            self._left_out.popitem(last=False)

    def follow_again(self, sids: Iterable[str] | None) -> None:
        """Leave sessions out no longer, unless that has yet to be told; None for all."""
        for sid in set(self._left_out if sids is None else sids).difference(self.newly_left_out.copy()):
            self._left_out.pop(sid, None)

    def is_left_out(self, sid: str | None) -> bool:
        """Return whether a session is left out."""
        return sid in self._left_out

    def finish(self, size: int, *, is_left_out: bool = False) -> None:
        """Count a call of that size as done with, or as left out; in the thread that takes."""
        self._left_out_later += is_left_out
        self._bytes_out += size
        self._calls_out += 1
