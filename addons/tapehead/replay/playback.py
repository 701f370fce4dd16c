"""A live session that is answered from a recorded one."""

import msgspec

from tapehead.protocol.events import Event, EventPosition
from tapehead.replay.matching import WINDOW, Choice, NearMiss, Reason, choose, near_events
from tapehead.replay.recorded_session import RecordedCall, RecordedSession


class Playback(msgspec.Struct, eq=False):
    """A live session that is answered from a recorded one.

    Attributes:
        session: the recorded session that it follows.
        started_ts: the live sessionStart's ts, milliseconds since 1970.
        arrived: when that arrived, seconds since 1970; None if that is not known.
        used: the places of the recorded events that were used.
        reached: the order of the furthest of them; None if the session was opened before a restart or by another
            process, until the first event.
        repeats: whether it starts again when all events are used: its id is a recorded one, and may be sent repeatedly.
        is_restored: whether this process did not open it itself.
    """

    session: RecordedSession
    started_ts: float | None
    arrived: float | None = None
    used: set[int] = msgspec.field(default_factory=set)
    reached: int | None = 0
    repeats: bool = False
    is_restored: bool = False

    def choose(self, event: Event, now: float, *, is_shared: bool) -> Choice:
        """Choose the recorded event that answers a live one.

        Args:
            event: the live event.
            now: its arrival, in seconds since 1970.
            is_shared: whether other processes may have answered events of the session.
        """
        position = event.position(self.started_ts)
        delay = None
        if self.arrived is not None and position.elapsed is not None:
            delay = now - self.arrived - position.elapsed
        key, session = event.key, self.session
        choice = choose(session, key, position, self.used, self.reached, delay=delay, is_shared=is_shared)
        if choice.reason is Reason.ALL_USED and self.repeats:
            self.used.clear()
            return choose(session, key, position, self.used, 0)
        return choice

    def use(self, call: RecordedCall, *, is_shared: bool) -> None:
        """Note that a recorded event is used."""
        self.used.add(call.place)
        if self.reached is None and not is_shared:
            # Events shortly before may still be in flight.
            earliest = call.order - WINDOW
            self.used.update(other.place for other in self.session.calls if other.order < earliest)
        self.reached = max(self.reached or 0, call.order)

    def near(self, event: Event) -> list[NearMiss]:
        """Return the recorded events that are nearest to a live one without a match."""
        position: EventPosition = event.position(self.started_ts)
        return near_events(self.session, event.key, position, self.used)
