"""The data behind the live page: the last calls, the last sessions and the totals, in bounded memory.

Each page reads from where it stopped, which is the number of the last call that it received.
"""

from collections import Counter, OrderedDict, deque

import msgspec

from tapehead.protocol.exchange import Severity

MOST_CALLS, MOST_BYTES = 2_000, 16_000_000
MOST_SESSIONS = 500
# Bytes that a page receives at once.
MOST_AT_ONCE = 250_000


class LoggedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the log takes it.

    Attributes:
        line: the call as a JSON object.
        sid: the session id; None if there is none.
        media, player: the names of content and player, if the call carries them.
        is_event: whether it is one of the session's events.
        is_refused: whether it got no answer, or a status of 400 or more.
        findings: the number of findings by severity.
    """

    line: bytes
    sid: str | None
    media: str = ""
    player: str = ""
    is_event: bool
    is_refused: bool
    findings: dict[Severity, int]


class SessionRow(msgspec.Struct, kw_only=True):
    """A session with its names and counts; `changed` is the number of its last call."""

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
    """Counts since the start.

    Attributes:
        calls, refused, sessions: the number of each.
        errors, warnings, infos: the number of findings.
        gone: how many calls were removed from the log for lack of room.
        missed: how many calls never got into it.
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
    """The last calls and sessions, and the totals; for one thread at a time.

    Attributes:
        totals: the counts since the start.
    """

    def __init__(self) -> None:
        self.totals = Totals()
        self._calls: deque[bytes] = deque()
        self._size = 0
        self._sessions: OrderedDict[str, SessionRow] = OrderedDict()

    def add(self, call: LoggedCall, missed: int) -> None:
        """Add a call, and the number of calls missed so far; the oldest calls go where there is no room."""
        self.totals.missed = missed
        self.totals.calls += 1
        line = b'{"number":%d,%b' % (self.totals.calls, call.line[1:])
        self._calls.append(line)
        self._size += len(line)
        while len(self._calls) > MOST_CALLS or self._size > MOST_BYTES:
            self._size -= len(self._calls.popleft())
            self.totals.gone += 1
        count_call(self.totals, call)
        if call.sid is None:
            return
        session = self._sessions.pop(call.sid, None)
        if session is None:
            session = SessionRow(sid=call.sid)
            self.totals.sessions += 1
        self._sessions[call.sid] = session
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        session.media, session.player = call.media or session.media, call.player or session.player
        session.events += call.is_event
        session.changed = self.totals.calls
        count_call(session, call)

    def since(self, number: int) -> tuple[list[bytes], int]:
        """Return the lines of JSON that follow call `number`, and the number of the last call among them.

        They are at most `MOST_AT_ONCE` bytes of calls, but one call at least; none if there is nothing new.
        """
        first = max(number, self.totals.gone)
        lines, size = list[bytes](), 0
        while (last := first + len(lines)) < self.totals.calls and size < MOST_AT_ONCE:
            line = self._calls[last - self.totals.gone]
            lines.append(line)
            size += len(line)
        if not lines:
            return [], number
        sessions = (session for session in self._sessions.values() if number < session.changed)
        return [*map(msgspec.json.encode, sessions), *lines, msgspec.json.encode(self.totals)], last


def count_call(counts: SessionRow | Totals, call: LoggedCall) -> None:
    """Add a call's refusal and findings to `counts`."""
    findings = Counter(call.findings)
    counts.refused += call.is_refused
    counts.errors += findings[Severity.ERROR]
    counts.warnings += findings[Severity.WARNING]
    counts.infos += findings[Severity.INFO]
