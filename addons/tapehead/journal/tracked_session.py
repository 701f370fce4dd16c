"""A session as the journal follows it: its names, its counts, and its state in plain words."""

from collections import deque
from copy import copy
from typing import Self

from tapehead.journal.conditions import Counts
from tapehead.journal.rows import SessionRow
from tapehead.journal.session_state import SessionState
from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import SESSION_CREATED, SESSION_GONE, Call
from tapehead.protocol.session_machine import UNOPENED, UNSURE, State, advance, is_accepted, is_refused
from tapehead.protocol.transitions import Life
from tapehead.text import shorten

# A player sends a ping every ten seconds, also while it is paused; this is three of them.
SILENT_SECONDS = 30.0
MOST_NAME = 200


class TrackedSession:
    """A session as the journal follows it: where its content and its player stand, by the session machine.

    Attributes:
        number: its number in this run.
        sid: its id; None if its start was refused or not answered.
        key: the key of its test.
        counts: the numbers of its calls, events and findings so far.
        calls: the numbers of its calls that are in memory.
        findings: the numbers of its findings.
        change: the number of its latest change.
        is_audited: whether the audit follows it.
        was_silent: whether the silence of its player is among its changes.
    """

    __slots__ = (
        "_channel",
        "_content",
        "_content_id",
        "_end",
        "_events",
        "_failure",
        "_last",
        "_last_event",
        "_player",
        "_playhead",
        "_started",
        "_state",
        "_was_gone",
        "calls",
        "change",
        "counts",
        "findings",
        "is_audited",
        "key",
        "number",
        "sid",
        "was_silent",
    )

    def __init__(self, number: int, sid: str | None, key: str, now: float, *, is_audited: bool) -> None:
        self.number = number
        self.sid = sid
        self.key = key
        self.counts = Counts(latest=now)
        self.calls: deque[int] = deque()
        self.findings: set[int] = set()
        self.change = 0
        self.is_audited = is_audited
        self.was_silent = False
        self._content = self._content_id = self._player = self._channel = ""
        self._started = self._last = self._last_event = ""
        self._playhead: float | None = None
        self._events = 0
        # What closed it first, and whether the endpoint did not know it before that.
        self._end, self._was_gone = "", False
        self._failure: SessionState | None = None
        self._state: State | None = None

    def add(self, exchange: Exchange, event: Event) -> int | None:
        """Take a call, and return the number of its event in the session; None if it has none."""
        self._started = self._started or exchange.started
        self._last = exchange.started
        self.was_silent = False
        if exchange.call not in (Call.SESSION, Call.EVENT):
            return None
        status = exchange.response.status if exchange.response else None
        if exchange.call is Call.SESSION:
            self._open(event, status)
        elif self._state is None:
            self._state = UNSURE
        if status in SESSION_GONE and not self.is_over:
            self._failure, self._was_gone = SessionState.UNKNOWN, True
        elif exchange.call is Call.EVENT and self._failure is SessionState.UNKNOWN and is_accepted(event):
            self._failure = None
        # The back end does not take a refused event, so it changes nothing; without an answer it may have.
        if exchange.call is Call.SESSION or not is_refused(event):
            self._state, _ = advance(self._state or UNOPENED, event)
        if self._state and self._state.life in (Life.ENDED, Life.COMPLETED):
            self._end = self._end or str(self._state.life)
        self._playhead = self._playhead if event.playhead is None else event.playhead
        self._events += 1
        self._last_event = shorten(event.key.event_type)
        return self._events - 1

    def go_on(self, earlier: Self) -> None:
        """Take the names of the session from its calls before the run, and where they left it, if no call came yet."""
        if not (self._content or self._content_id or self._player or self._channel):
            self._content, self._content_id = earlier._content, earlier._content_id
            self._player, self._channel = earlier._player, earlier._channel
        if self._state is None:
            self._state, self._playhead = earlier._state, earlier._playhead
            self._end, self._was_gone = earlier._end, earlier._was_gone

    def _open(self, event: Event, status: int | None) -> None:
        self._content = name_in(event, keys.MEDIA_NAME)
        self._content_id = name_in(event, keys.MEDIA_ID)
        self._player = name_in(event, keys.MEDIA_PLAYER_NAME)
        self._channel = name_in(event, keys.MEDIA_CHANNEL)
        if status is None:
            self._failure = SessionState.START_UNANSWERED
        elif status != SESSION_CREATED or self.sid is None:
            self._failure = SessionState.START_REFUSED

    @property
    def is_over(self) -> bool:
        """True if no event is expected any more."""
        ended = self._state is not None and self._state.life is Life.ENDED
        return ended or self._failure in (SessionState.START_REFUSED, SessionState.START_UNANSWERED)

    def is_silent(self, now: float) -> bool:
        """Return whether the player sends nothing, though it should; `now` by the monotonic clock."""
        if self.is_over or (self._state is not None and self._state.life is Life.COMPLETED):
            return False
        return now - self.counts.latest >= SILENT_SECONDS

    def state(self, now: float) -> SessionState:
        """Return its state in plain words; `now` by the monotonic clock."""
        state = self._state
        if self._failure or state is None:
            return self._failure or SessionState.STARTING
        if state.life in (Life.ENDED, Life.COMPLETED):
            return SessionState(state.life)
        if self.is_silent(now):
            return SessionState.SILENT
        if state.in_ad:
            return SessionState.IN_AD
        return SessionState.IN_AD_BREAK if state.in_break else SessionState(state.playback)

    def outcome(self) -> str | None:
        """Return its outcome in the words of the audit; None while it may go on."""
        if self._end and not self._failure:
            return SessionState.UNKNOWN if self._was_gone else self._end
        return self._failure or None

    def row(self, now: float) -> SessionRow:
        """Return its row; `now` by the monotonic clock."""
        counts = self.counts
        return SessionRow(
            session=self.sid,
            key=self.key,
            number=self.number,
            content=self._content,
            content_id=self._content_id,
            player=self._player,
            channel=self._channel,
            started=self._started,
            last=self._last,
            last_event=self._last_event,
            state=self.state(now),
            playhead=self._playhead,
            events=self._events,
            refused=counts.refused,
            findings=copy(counts.findings),
            audited=self.is_audited,
            outcome=self.outcome(),
        )


def name_in(event: Event, key: str) -> str:
    """Return a parameter that names something, shortened; empty if it is absent."""
    value = event.params.get(key)
    return "" if value is None else shorten(str(value), MOST_NAME)
