"""The choice of the recorded session that a live one follows."""

from collections.abc import Sequence
from heapq import heapify, heappush, heapreplace
from itertools import chain

from tapehead.protocol.event_types import LAST_TYPES
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import SESSION_CREATED
from tapehead.replay.index import RecordedCall, RecordedSession, RecordingIndex
from tapehead.replay.matching import Turn, likeness

# The sessions of one identity as a heap of (number of playbacks, session number); the first is played next.
_Heap = list[tuple[int, int]]
# In the place of a host: any.
ANY_HOST = ""


class SessionTurns:
    """The recorded sessions that live ones follow; equally good ones take turns in recorded order.

    Those that were recorded anew are left out.

    Args:
        index: the index of the recordings.

    Attributes:
        outdated: the sessionStarts of sessions that lack calls of a player who followed them, until they are recorded
            anew: number of the recording, and line.
        replaced: the calls of sessions that were recorded anew, likewise.
    """

    def __init__(self, index: RecordingIndex) -> None:
        self.outdated: set[tuple[int, int]] = set()
        self.replaced: set[tuple[int, int]] = set()
        self._sessions = index.sessions
        # By content and host.
        self._turns: dict[tuple[object, str], dict[tuple[object, ...], _Heap]] = {}
        self.offer(list(chain.from_iterable(index.by_content.values())))

    def offer(self, sessions: Sequence[RecordedSession]) -> None:
        """Add sessions, and leave out those that they were recorded anew for."""
        for session in sessions:
            for host in (session.host, ANY_HOST):
                turns = self._turns.setdefault((session.identity[0], host), {})
                heappush(turns.setdefault(session.identity, []), (0, session.number))
        if replaced := set(filter(None, map(_replaced_by, sessions))):
            for session in self._sessions:
                if (session.identity[0], session.sid) in replaced:
                    self._leave_out(session)

    def next(self, identity: tuple[object, ...], host: str) -> Turn | None:
        """Return the recorded session that fits best; of equally good ones the least played, in recorded order."""
        turns = self._turns.get((identity[0], host)) or self._turns.get((identity[0], ANY_HOST), {})
        equals = turns.get(identity)
        if equals is None:
            fits = [(likeness(other, identity), heap) for other, heap in turns.items()]
            best = max((fit for fit, _ in fits), default=())
            equals = min((heap for fit, heap in fits if fit == best), default=None)
        if equals is None:
            return None
        played, number = equals[0]
        heapreplace(equals, (played + 1, number))
        return Turn(self._sessions[number], len(equals), played)

    def note_miss(self, session: RecordedSession) -> None:
        """Note that a session lacks a call of a player who followed it."""
        if (start := session.start) and session.sid and (start.file, start.line) not in self.replaced:
            self.outdated.add((start.file, start.line))

    def is_outdated(self, session: RecordedSession) -> bool:
        """Return whether a session lacks calls, so that its next player is forwarded."""
        return session.start is not None and (session.start.file, session.start.line) in self.outdated

    def _leave_out(self, session: RecordedSession) -> None:
        calls: Sequence[RecordedCall] = [session.start, *session.calls] if session.start else session.calls
        places = {(call.file, call.line) for call in calls}
        self.replaced |= places
        self.outdated -= places
        for host in (session.host, ANY_HOST):
            turns = self._turns.get((session.identity[0], host), {})
            heap = [turn for turn in turns.get(session.identity, ()) if turn[1] != session.number]
            heapify(heap)
            if heap:
                turns[session.identity] = heap
            else:
                turns.pop(session.identity, None)


def _replaced_by(session: RecordedSession) -> tuple[object, str] | None:
    """Return content and id of the session that one was recorded anew for; None unless it is whole."""
    if session.start is None or session.start.exchange.replaces is None:
        return None
    ends = (call.exchange for call in session.calls if call.key.event_type in LAST_TYPES)
    if status_of(session.start.exchange) != SESSION_CREATED or not any(0 < status_of(end) < 400 for end in ends):
        return None
    return session.identity[0], session.start.exchange.replaces


def status_of(exchange: Exchange) -> int:
    """Return the status of the response; 0 without one."""
    return exchange.response.status if exchange.response else 0
