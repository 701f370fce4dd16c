"""Calls that this run forwarded and recorded, kept so that it can play them, too."""

from collections import deque
from collections.abc import Callable

import msgspec

from tapehead.protocol.backend_limits import IDLE_MINUTES
from tapehead.protocol.event_types import LAST_TYPES
from tapehead.protocol.events import read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.routes import SESSION_CREATED, Call
from tapehead.replay.entry_digest import parse_body_of

# The size of the lines that are kept; what is forwarded after that is recorded, and played by the next run.
MOST_BYTES = 64_000_000


class _Session(msgspec.Struct, eq=False):
    """A session that was opened by the endpoint in this run.

    Attributes:
        sid: its id.
        entries: its calls so far.
        latest: when the latest of them was noted, seconds since 1970.
        has_ended: whether an event that ends it was accepted.
    """

    sid: str
    entries: list[Entry]
    latest: float
    has_ended: bool = False


class ForwardedCalls:
    """The calls of this run that were stored; sessions among them can be played once they have ended.

    Refused and unanswered sessionStarts are not kept: the endpoint may accept the next one.

    Args:
        file: the number of the recording that they are stored in.
        warn: called with one line when no more calls are kept.

    Attributes:
        lines_before: the number of lines that were in the recording before this run.
    """

    def __init__(self, file: int, warn: Callable[[str], None]) -> None:
        self.file = file
        self.lines_before = 0
        self._warn = warn
        self._stored: deque[tuple[Exchange, int]] = deque()
        self._lines = self._bytes = 0
        self._by_sid: dict[str, _Session] = {}
        self._by_content: dict[object, list[_Session]] = {}
        self._others: list[Entry] = []

    def add(self, exchange: Exchange, line: bytes) -> None:
        """Add a call as it is stored, and its line, in any thread."""
        self._stored.append((exchange, len(line)))

    def take_others(self, now: float) -> list[Entry]:
        """Return the accepted calls outside of sessions that are new; `now` in seconds since 1970."""
        self._note_stored(now)
        others, self._others = self._others, []
        return others

    def take_ended(self, content: object, now: float) -> list[Entry]:
        """Return the calls of the sessions of some content that ended, or had no call for as long as to be closed.

        Args:
            content: the first value of their identity.
            now: the time, in seconds since 1970.
        """
        self._note_stored(now)
        closed_before = now - IDLE_MINUTES * 60
        running: list[_Session] = []
        ended: list[Entry] = []
        for session in self._by_content.pop(content, ()):
            if session.has_ended or session.latest < closed_before:
                ended += session.entries
                if self._by_sid.get(session.sid) is session:
                    del self._by_sid[session.sid]
            else:
                running.append(session)
        if running:
            self._by_content[content] = running
        return ended

    def _note_stored(self, now: float) -> None:
        while self._stored:
            exchange, size = self._stored.popleft()
            self._lines += 1
            if self._bytes > MOST_BYTES:
                continue
            self._bytes += size
            if self._bytes > MOST_BYTES:  # sessions that are not whole must not be played
                self._by_sid.clear()
                self._by_content.clear()
                self._warn("new sessions are still forwarded and recorded, but played only after a restart")
                continue
            self._note(Entry(self.lines_before + self._lines, exchange), now)

    def _note(self, entry: Entry, now: float) -> None:
        exchange, body = entry.exchange, parse_body_of(entry.exchange)
        event, sid, response = read_event(body), exchange.session, exchange.response
        is_accepted = response is not None and response.status < 400
        is_start = exchange.call is Call.SESSION and not isinstance(body, list)
        if is_start and sid is not None:
            if response and response.status == SESSION_CREATED:
                session = self._by_sid[sid] = _Session(sid, [entry], now)
                self._by_content.setdefault(event.identity[0], []).append(session)
        elif sid is None or exchange.call is Call.SESSION:  # schemas and downloaded content
            self._others += [entry] if is_accepted and not is_start else []
        elif known := self._by_sid.get(sid):
            known.entries.append(entry)
            known.latest = now
            known.has_ended |= is_accepted and event.type in LAST_TYPES
