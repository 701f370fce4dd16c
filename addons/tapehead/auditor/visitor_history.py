"""The sessions of each visitor and player that may go on, compared with one another.

A comparison waits for a minute, so that it does not matter in which order exchanges of two sessions are read. Kept are
the sessions that the audit keeps; of each client no more than a few.
"""

import heapq
import re
from collections.abc import Callable, Iterator
from itertools import count
from math import inf

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.parameters import PLACEHOLDER
from tapehead.rules.several_sessions import check_restart, check_stray
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_trace import WATCH_MS, Client, Overlap, SessionTrace
from tapehead.rules.support.thresholds import Thresholds

# The ids that belong to one device or browser, the most reliable first. Those of a customer hold for several.
_VISITOR_KEYS = (keys.ECID, keys.ANALYTICS_VISITOR_ID, keys.ANALYTICS_ID, keys.APP_INSTALLATION_ID)
# What tools put in the place of ids is the same for all visitors.
_MASK = re.compile(r"\W*(redacted|removed|masked|hidden|anonymi[sz]ed|anonymous|unknown|test|(.)\2*)\W*", re.IGNORECASE)
MOST_SESSIONS = 5
MOST_OVERLAPS = 10_000


class VisitorHistory:
    """The open sessions of each visitor and player, and the comparisons of them that are not decided.

    Args:
        limits_of: returns the thresholds for a session by its start.
    """

    def __init__(self, limits_of: Callable[[Event], Thresholds]) -> None:
        self._limits_of = limits_of
        self._clients: dict[Client, list[SessionTrace]] = {}
        # Overlaps by when they are looked at again; numbered, so that they are never compared themselves.
        self._waiting: list[tuple[float, int, Overlap]] = []
        self._number = count()

    def begin(self, exchange: Exchange, start: Event) -> SessionTrace | None:
        """Take the start of a session; return its trace, or None if its visitor or player is not known."""
        client = client_of(exchange, start)
        if client is None:
            return None
        trace = SessionTrace(client, start)
        known = self._clients.setdefault(client, [])
        for other in known:
            earlier, later = sorted((other, trace), key=lambda each: each.start.arrived_ms)
            if earlier.ended_ms is None or earlier.ended_ms > later.start.arrived_ms:
                self._wait(Overlap(earlier, later), later.start.arrived_ms + WATCH_MS)
        known.append(trace)
        if len(known) > MOST_SESSIONS:
            self.forget(known[0])
        return trace

    @property
    def is_waiting(self) -> bool:
        """True while a comparison is not decided."""
        return bool(self._waiting)

    @property
    def waiting(self) -> int:
        """The number of comparisons that are not decided, and of those that were dropped meanwhile."""
        return len(self._waiting)

    @property
    def due_ms(self) -> float:
        """The time that the next comparison waits for; infinite if none waits."""
        return self._waiting[0][0] if self._waiting else inf

    def decide(self, clock_ms: float) -> Iterator[RuleHit]:
        """Yield the hits of the comparisons that nothing can change any more at this time of the recording."""
        while self._waiting and (self._waiting[0][0] < clock_ms or len(self._waiting) > MOST_OVERLAPS):
            overlap = heapq.heappop(self._waiting)[2]
            if overlap.is_decided:
                continue
            decided_ms = overlap.decided_ms
            may_go_on = overlap.earlier.ended_ms is None and clock_ms < inf and len(self._waiting) < MOST_OVERLAPS
            if may_go_on and (decided_ms is None or decided_ms >= clock_ms):
                self._wait(overlap, (clock_ms if decided_ms is None else decided_ms) + WATCH_MS)
            else:
                yield from self._decide(overlap)

    def close(self, trace: SessionTrace) -> Iterator[RuleHit]:
        """Yield the hits that are left for a session that is over, and forget it."""
        for overlap in tuple(trace.overlaps):
            yield from self._decide(overlap)
        self.forget(trace)

    def preview(self, overlap: Overlap) -> RuleHit | None:
        """Return the hit of a comparison as it stands, if it were decided now."""
        return check_stray(overlap) or check_restart(overlap, self._limits_of(overlap.later.start))

    def _wait(self, overlap: Overlap, until_ms: float) -> None:
        heapq.heappush(self._waiting, (until_ms, next(self._number), overlap))

    def _decide(self, overlap: Overlap) -> Iterator[RuleHit]:
        overlap.end()
        if stray := check_stray(overlap):
            overlap.earlier.strays = True
            yield stray
        elif restart := check_restart(overlap, self._limits_of(overlap.later.start)):
            yield restart

    def forget(self, trace: SessionTrace) -> None:
        """Compare a session with others no more."""
        for overlap in tuple(trace.overlaps):
            overlap.end()
        known = self._clients.get(trace.client, [])
        if trace in known:
            known.remove(trace)
        if not known:
            self._clients.pop(trace.client, None)


def client_of(exchange: Exchange, start: Event) -> Client | None:
    """Return the client that sent a sessionStart; None if its visitor or its player cannot be told from others."""
    ids = (start.text(key) or "" for key in _VISITOR_KEYS)
    visitor = next((each for each in ids if each and not (PLACEHOLDER.fullmatch(each) or _MASK.fullmatch(each))), None)
    player = start.text(keys.MEDIA_PLAYER_NAME)
    if not visitor or not player:
        return None
    suite, device = start.text(keys.REPORT_SUITE) or "", exchange.request.header("User-Agent") or ""
    return Client(exchange.keyed_endpoint, suite, visitor, player, device)
