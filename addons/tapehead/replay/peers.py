"""Other processes that answer the same players, such as machines behind one balancer."""

from collections.abc import Callable

import msgspec

# Returns how many turns of a name were taken before, by any process, and takes one; None if that is not known.
TakeTurn = Callable[[str], int | None]


class Peers(msgspec.Struct):
    """The knowledge of other processes that answer the same players.

    Attributes:
        are_seen: whether there are any.
        began: when this process could first answer, seconds since 1970; None if that is not known.
        take_turn: takes a turn of all processes together; None if they cannot.
        own: PROCESS_BYTES that tell this process's session ids from those of others; empty where `began` is not known.
    """

    are_seen: bool = False
    began: float | None = None
    take_turn: TakeTurn | None = None
    own: bytes = b""

    def note(self, process: bytes, arrived: float) -> None:
        """Note the process that opened a session, and when that arrived: one before a restart tells of no peer.

        Neither does one of this process itself, which forgets sessions with a reset, or if there are too many.
        """
        if self.began is not None and arrived > self.began and process != self.own:
            self.are_seen = True
