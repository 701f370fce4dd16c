"""The turns of recorded sessions that fit a live one equally well."""

from heapq import heappop, heappush, heapreplace

import msgspec

from tapehead.replay.index import RecordedSession
from tapehead.replay.matching import Turn, likeness

# In the place of a host: any.
ANY_HOST = ""

Identity = tuple[object, ...]
# The numbers of sessions, in recorded order, by content and host, and then by identity.
Equals = dict[tuple[object, str], dict[Identity, list[int]]]


class _Rounds(msgspec.Struct):
    """The rounds of sessions of one identity; those that came later are played until they have caught up.

    Attributes:
        size: the number of sessions that were there at the first turn.
        known: the number of those that were taken into account.
        place: the one whose turn it is, counted from 0.
        played: how often it was followed before.
        late: how often later ones were followed, with their numbers, as a heap.
    """

    size: int
    known: int
    place: int = 0
    played: int = 0
    late: list[tuple[int, int]] = msgspec.field(default_factory=list)

    def peek(self, numbers: list[int], left_out: set[int] | frozenset[int]) -> tuple[int, int]:
        """Return how often the session whose turn it is was followed, and its number; one is not left out."""
        for number in numbers[self.known :]:
            heappush(self.late, (0, number))
        self.known = len(numbers)
        while self.late and self.late[0][1] in left_out:
            heappop(self.late)
        for _ in range(self.size):
            if numbers[self.place] not in left_out:
                return min([(self.played, numbers[self.place]), *self.late[:1]])
            self._advance()
        return self.late[0]

    def take(self, numbers: list[int], left_out: set[int] | frozenset[int]) -> tuple[int, int]:
        """Do as `peek`, and pass the turn on."""
        played, number = turn = self.peek(numbers, left_out)
        if self.late and turn == self.late[0]:
            heapreplace(self.late, (played + 1, number))
        else:
            self._advance()
        return turn

    def _advance(self) -> None:
        self.place = (self.place + 1) % self.size
        self.played += self.place == 0


class Turns:
    """The turns of one replayer; recorded sessions that are equal take turns in recorded order.

    Args:
        equals: the sessions, which replayers may share.
        left_out: the numbers of those that are not played any more.
    """

    def __init__(self, equals: Equals, left_out: set[int] | frozenset[int] = frozenset()) -> None:
        self._equals = equals
        self._left_out = left_out
        self._rounds: dict[tuple[object, str, Identity], _Rounds] = {}

    def next(self, sessions: list[RecordedSession], identity: Identity, host: str) -> Turn | None:
        """Return the recorded session that fits best; of equally good ones the least played, in recorded order."""
        content, called = identity[0], host
        candidates = self._playable(content, host)
        if not candidates:
            called = ANY_HOST
            candidates = self._playable(content, ANY_HOST)
        chosen = identity
        if identity not in candidates:
            fits = [(likeness(other, identity), other) for other in candidates]
            best = max((fit for fit, _ in fits), default=())
            equal = [other for fit, other in fits if fit == best]
            if not equal:
                return None
            chosen = min(equal, key=lambda other: self._peek(candidates[other], (content, called, other)))
        numbers = candidates[chosen]
        rounds = self._rounds.setdefault((content, called, chosen), _Rounds(len(numbers), len(numbers)))
        played, number = rounds.take(numbers, self._left_out)
        count = sum(each not in self._left_out for each in numbers) if self._left_out else len(numbers)
        return Turn(sessions[number], count, played)

    def _playable(self, content: object, host: str) -> dict[Identity, list[int]]:
        candidates = self._equals.get((content, host), {})
        if not self._left_out:
            return candidates
        return {each: numbers for each, numbers in candidates.items() if not self._left_out.issuperset(numbers)}

    def _peek(self, numbers: list[int], name: tuple[object, str, Identity]) -> tuple[int, int]:
        rounds = self._rounds.get(name) or _Rounds(len(numbers), len(numbers))
        return rounds.peek(numbers, self._left_out)
