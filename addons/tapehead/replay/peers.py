"""Other processes that answer the same players, such as machines behind one balancer."""

from collections.abc import Callable

import msgspec

# Returns how many turns of a name were taken before, by any process, and takes one; None if that is not known.
TakeTurn = Callable[[str], int | None]


class Peers(msgspec.Struct):
    """What is known of other processes that answer the same players.

    Attributes:
        are_seen: whether there are any.
        began: when this process could first answer, seconds since 1970; None if that is not known.
        take_turn: takes a turn of all processes together; None if they cannot.
    """

    are_seen: bool = False
    began: float | None = None
    take_turn: TakeTurn | None = None

    def note(self, arrived: float) -> None:
        """Note when a session arrived that another process opened: a later one, unless it was before a restart."""
        if self.began is not None and arrived > self.began:
            self.are_seen = True
