"""What the live page has to show: the last calls, the last sessions and the totals, in bounded memory.

Pages come and go, and each reads from where it stopped: a place is the number of the last call that it has got.
"""

from collections import Counter, OrderedDict, deque

import msgspec

from tapehead.protocol.exchange import Severity

MOST_CALLS, MOST_BYTES = 2_000, 16_000_000
MOST_SESSIONS = 500
# What a page gets at once, in bytes.
MOST_AT_ONCE = 250_000


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it comes onto the board.

    Attributes:
        line: a JSON object that shows it.
        sid: the session; None if there is none.
        media, player: what the session plays and in what, if the call says so.
        is_event: whether it is one of the session's events.
        is_refused: whether it got no answer, or one that refuses.
        findings: how many there are, by severity.
    """

    line: bytes
    sid: str | None
    media: str = ""
    player: str = ""
    is_event: bool
    is_refused: bool
    findings: dict[Severity, int]


class SessionRow(msgspec.Struct, kw_only=True):
    """A session: what it is, and its counts; `changed` is the number of its last call."""

    kind: str = "session"
    sid: str
    media: str = ""
    player: str = ""
    events: int = 0
    refused: int = 0
    errors: int = 0
    warnings: int = 0
    infos: int = 0
    changed: int = 0


class Totals(msgspec.Struct, kw_only=True):
    """What came so far.

    Attributes:
        calls, refused, sessions: how many there were.
        errors, warnings, infos: how many findings.
        gone: how many calls are no longer on the board.
        missed: how many never came onto it.
    """

    kind: str = "totals"
    calls: int = 0
    refused: int = 0
    sessions: int = 0
    errors: int = 0
    warnings: int = 0
    infos: int = 0
    gone: int = 0
    missed: int = 0


class CallLog:
    """The board; for one thread at a time.

    Attributes:
        totals: what came so far.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self._calls: deque[bytes] = deque()
        self._size = 0
        self._sessions: OrderedDict[str, SessionRow] = OrderedDict()

    def post(self, call: LoggedCall) -> None:
        """Put up a call; the oldest go where there is no room."""
        self.totals.calls += 1
        line = b'{"number":%d,%b' % (self.totals.calls, call.line[1:])
        self._calls.append(line)
        self._size += len(line)
        while len(self._calls) > MOST_CALLS or self._size > MOST_BYTES:
            self._size -= len(self._calls.popleft())
            self.totals.gone += 1
        _count(self.totals, call)
        if call.sid is not None:
            self._count_in(call.sid, call)

    def _count_in(self, sid: str, call: LoggedCall) -> None:
        session = self._sessions.pop(sid, None)
        if session is None:
            session = SessionRow(sid=sid)
            self.totals.sessions += 1
        self._sessions[sid] = session
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        session.media, session.player = call.media or session.media, call.player or session.player
        session.events += call.is_event
        session.changed = self.totals.calls
        _count(session, call)

    def since(self, place: int) -> tuple[list[bytes], int]:
        """What a page has not got that stopped at `place`, as lines of JSON; and where it stands then.

        Not more than `MOST_AT_ONCE` bytes of calls, but one of them at least; nothing if there is nothing new.
        """
        first = max(place, self.totals.gone)
        lines, size = list[bytes](), 0
        while (at := first + len(lines)) < self.totals.calls and size < MOST_AT_ONCE:
            line = self._calls[at - self.totals.gone]
            lines.append(line)
            size += len(line)
        if not lines:
            return [], place
        sessions = (each for each in self._sessions.values() if place < each.changed)
        return [*map(msgspec.json.encode, sessions), *lines, msgspec.json.encode(self.totals)], at


def _count(counts: SessionRow | Totals, call: LoggedCall) -> None:
    found = Counter(call.findings)
    counts.refused += call.is_refused
    counts.errors += found[Severity.ERROR]
    counts.warnings += found[Severity.WARNING]
    counts.infos += found[Severity.INFO]
