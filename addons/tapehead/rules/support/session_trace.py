"""The memory of sessions of one visitor and player, to compare them with each other."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.routes import SESSION_GONE
from tapehead.text import shorten

# What was under way when a session began counts as sent before.
GRACE_MS = 5000
# How long two sessions are watched, from when the later one began or, if that is later, began to play.
WATCH_MS = 60_000
# The events that are kept of a session's beginning, and of the time when it is watched.
MOST_OPENING = 10
MOST_WATCHED = 60
_HOLDS = {"play": False, "pauseStart": True, "bufferStart": True}


class Client(NamedTuple):
    """The identity of one player of one visitor.

    Attributes:
        endpoint: the endpoint that it sends to, with the key of its test.
        suite: the report suite, since a player may track into several.
        visitor: the visitor's id, or its pseudonym.
        player: the player's name.
        device: what the device says of itself (User-Agent); empty where that was not recorded.
    """

    endpoint: str
    suite: str
    visitor: str
    player: str
    device: str


class SessionTrace:
    """The memory of one session, in the order in which its events are read; times are those of arrival.

    Args:
        client: the visitor and player.
        start: its sessionStart.

    Attributes:
        content: the id of its content, or else the name; None if it has neither.
        resumes: whether its start says that it goes on with an earlier session.
        opening: its first events.
        last_ms: when its last event came.
        moved_ms: when its playhead moved last.
        played_ms: when the first play or ad came; None as long as there was none.
        completed_ms: when it was complete, ended or gone; None before that.
        ended_ms: when it ended or was gone; None before that.
        holds: whether its last play, pauseStart or bufferStart was not a play.
        next_ms: when the next session of the same content began; infinite as long as there is none.
        strays: whether it was found to go on after its player opened another one.
        overlaps: the comparisons with other sessions that are not decided.
    """

    __slots__ = (
        "_playhead",
        "client",
        "completed_ms",
        "content",
        "ended_ms",
        "holds",
        "last_ms",
        "moved_ms",
        "next_ms",
        "opening",
        "overlaps",
        "played_ms",
        "resumes",
        "start",
        "strays",
    )

    def __init__(self, client: Client, start: Event) -> None:
        self.client = client
        self.start = start
        self.content = start.text(keys.MEDIA_ID) or start.text(keys.MEDIA_NAME)
        self.resumes = start.params.get(keys.MEDIA_RESUME) is True
        self.opening: list[Event] = []
        self.last_ms = self.moved_ms = start.arrived_ms
        self.played_ms: float | None = None
        self.completed_ms: float | None = None
        self.ended_ms: float | None = None
        self.next_ms = inf
        self.holds = self.strays = False
        self.overlaps: list[Overlap] = []
        self._playhead = start.playhead

    @property
    def name(self) -> str:
        """The session in messages."""
        return f"session {shorten(self.start.sid or '')}"

    def add(self, event: Event) -> None:
        """Take an event of the session that is not its start."""
        arrived_ms = event.arrived_ms
        if len(self.opening) < MOST_OPENING:
            self.opening.append(event)
        if event.playhead != self._playhead:
            self._playhead, self.moved_ms = event.playhead, arrived_ms
        if arrived_ms > self.last_ms:
            self.last_ms = arrived_ms
        if event.type != "ping":
            self.holds = _HOLDS.get(event.type or "", self.holds)
            if self.played_ms is None and event.type in ("play", "adStart"):
                self.played_ms = arrived_ms
            if event.type in ("sessionComplete", "sessionEnd"):
                self._close(arrived_ms, ended=event.type == "sessionEnd")
        if event.status in SESSION_GONE:
            self._close(event.answered_ms, ended=True)
        for overlap in self.overlaps:
            if overlap.earlier is self:
                overlap.add(event)

    def _close(self, at_ms: float, *, ended: bool) -> None:
        self.completed_ms = at_ms if self.completed_ms is None else self.completed_ms
        if ended and self.ended_ms is None:
            self.ended_ms = at_ms


class Overlap:
    """Two sessions of one client; the second began before the first was known to be over.

    Attributes:
        earlier, later: the sessions.
        last_ms: when the last event of the earlier one came before the later one began.
        moved_ms: when the earlier one's playhead had moved last by then.
        watched: the events of the earlier one since the later one began.
        is_decided: whether it has been compared.
    """

    __slots__ = ("earlier", "is_decided", "last_ms", "later", "moved_ms", "watched")

    def __init__(self, earlier: SessionTrace, later: SessionTrace) -> None:
        self.earlier = earlier
        self.later = later
        self.last_ms = earlier.last_ms
        self.moved_ms = earlier.moved_ms
        self.watched: list[Event] = []
        self.is_decided = False
        earlier.overlaps.append(self)
        later.overlaps.append(self)
        if self.same_content:
            earlier.next_ms = min(earlier.next_ms, later.start.arrived_ms)

    @property
    def same_content(self) -> bool:
        """True if both play the same content, as far as that is named."""
        return self.earlier.content is not None and self.earlier.content == self.later.content

    @property
    def decided_ms(self) -> float | None:
        """The time when enough of both is known; None as long as that waits for the later one to play."""
        begun_ms = self.later.played_ms
        if begun_ms is None and self.same_content:
            begun_ms = self.later.start.arrived_ms
        return None if begun_ms is None else begun_ms + WATCH_MS

    def add(self, event: Event) -> None:
        """Take an event of the earlier session."""
        if event.arrived_ms <= self.later.start.arrived_ms:
            self.last_ms = max(self.last_ms, event.arrived_ms)
        elif len(self.watched) < MOST_WATCHED:
            self.watched.append(event)

    def end(self) -> None:
        """Take no more events."""
        if not self.is_decided:
            self.is_decided = True
            self.earlier.overlaps.remove(self)
            self.later.overlaps.remove(self)

    def went_on(self, since_ms: float) -> Iterator[Event]:
        """Yield the earlier session's events that were sent after a moment, and within the time of watching."""
        for event in self.watched:
            if since_ms + GRACE_MS < event.arrived_ms <= since_ms + WATCH_MS:
                yield event
