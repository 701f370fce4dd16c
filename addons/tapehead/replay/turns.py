"""The turns of recorded sessions that fit a live one equally well."""

from bisect import bisect_left
from collections.abc import Sequence
from heapq import heappop, heappush, heapreplace

import msgspec

from tapehead.protocol.events import parse_time
from tapehead.replay.matching import Turn, likeness
from tapehead.replay.peers import TakeTurn
from tapehead.replay.positions import MOST_REPEATED, index_of_delay
from tapehead.replay.recorded_session import RecordedSession

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
        at: the one whose turn it is, counted from 0.
        played: how often it was followed before.
        late: how often later ones were followed, with their numbers, as a heap.
    """

    size: int
    known: int
    at: int = 0
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
            if numbers[self.at] not in left_out:
                return min([(self.played, numbers[self.at]), *self.late[:1]])
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
        self.at = (self.at + 1) % self.size
        self.played += self.at == 0


class Turns:
    """The turns of one replayer; recorded sessions that are equal take turns in recorded order.

    Args:
        equals: the sessions, which replayers may share.
        left_out: the numbers of those that are not played any more.
        take_turn: takes a turn of several processes together, by its name; None for turns of this one alone.
        key: the key of the replayer, which has turns of its own.
    """

    def __init__(
        self,
        equals: Equals,
        left_out: set[int] | frozenset[int] = frozenset(),
        take_turn: TakeTurn | None = None,
        key: str = "",
    ) -> None:
        self._take_turn = take_turn
        self._key = key
        self._equals = equals
        self._left_out = left_out
        self._rounds: dict[tuple[object, str, Identity], _Rounds] = {}

    def next(
        self, sessions: list[RecordedSession], identity: Identity, host: str, delay: float | None = None
    ) -> Turn | None:
        """Return the recorded session that fits best; of equally good ones the least played, in recorded order.

        Args:
            sessions: the recorded sessions, by their numbers.
            identity: the identity of the live one.
            host: the host that it calls.
            delay: the seconds by which the live sessionStart arrived after its own time, where other processes may have
                answered the same one before; None elsewhere.
        """
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
        taken = None
        if self._take_turn and len(numbers) > 1:
            # By the first session, which all processes number alike.
            taken = self._take_turn(f"{self._key} {called} {numbers[0]}")
        if taken is None:
            played, number = rounds.take(numbers, self._left_out)
        else:
            played, at = divmod(taken, len(numbers))
            number = numbers[at]
        if delay is not None:
            number = _later_try(sessions, numbers, number, delay)
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


def _later_try(sessions: Sequence[RecordedSession], numbers: Sequence[int], number: int, delay: float) -> int:
    """Return which one of the tries to open a session a live one is, by its delay, but none before `number`.

    Tries are of the same ts, since a player sends the same sessionStart again after a failure.
    """
    at = first = bisect_left(numbers, number)
    started_ts = sessions[number].started_ts
    while first and at - first < MOST_REPEATED and _is_failed_try(sessions[numbers[first - 1]], started_ts):
        first -= 1
    end = at
    while (
        end - at < MOST_REPEATED
        and _is_failed_try(sessions[numbers[end]], started_ts)
        and (end + 1 < len(numbers) and sessions[numbers[end + 1]].started_ts == started_ts)
    ):
        end += 1
    times = [parse_time(sessions[each].started) for each in numbers[first : end + 1]]
    began = times[0] or 0.0
    waits = [None if time is None else (time - began) / 1000 for time in times]
    # A clock that is far off says nothing.
    if delay > 1.5 * (waits[-1] or 0.0):
        return number
    return numbers[max(at, first + index_of_delay(waits, delay))]


def _is_failed_try(session: RecordedSession, started_ts: float | None) -> bool:
    return not session.is_opened and started_ts is not None and session.started_ts == started_ts
