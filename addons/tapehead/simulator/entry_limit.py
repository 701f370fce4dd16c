"""A limit on entries, such as open sessions, that several dicts hold together."""

from collections import deque
from typing import Any


class EntryLimit:
    """A limit on the entries of several dicts together; the oldest entries go first.

    An entry that its dict no longer has counts until its turn has come.

    Args:
        most: the number of entries.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: deque[tuple[dict[Any, Any], object]] = deque()

    def make_room(self, entries: dict[Any, Any], name: object) -> None:
        """Count a new entry, and remove the oldest one if there are too many."""
        if len(self._entries) >= self._most:
            oldest, its_name = self._entries.popleft()
            oldest.pop(its_name, None)
        self._entries.append((entries, name))
