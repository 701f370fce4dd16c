"""A live session that is answered from a recorded one.

Equal recorded calls, such as one that was sent again after a failure, are used in their order, whatever the player's
speed. Only where other processes may have answered some of them, the delay of the live call tells which one it is,
compared with that of the calls that the player sent once: a player may be late with all of its calls.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

import msgspec

from tapehead.protocol.events import Event, EventPosition
from tapehead.replay.matching import WINDOW, Choice, NearMiss, Reason, choose, near_events
from tapehead.replay.positions import delay_of
from tapehead.replay.recorded_session import RecordedCall, RecordedSession

# Of the latest events before an equal one, as many are looked at. If a process did not get this part of them or more,
# others did.
LATEST, SKIPPED_PART = 20, 0.25


class _Delayed(msgspec.Struct, frozen=True):
    """An event that the player sent once: its delay in seconds, as in `positions`, and the recorded one."""

    delay: float
    call: RecordedCall


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
        first: the order of the first event that this process answered; None until then.
        delayed: the latest events that the player sent once, two at most.
    """

    session: RecordedSession
    started_ts: float | None
    arrived: float | None = None
    used: set[int] = msgspec.field(default_factory=set)
    reached: int | None = 0
    repeats: bool = False
    is_restored: bool = False
    first: int | None = None
    delayed: tuple[_Delayed, ...] = ()

    def choose(self, event: Event, now: float, *, is_shared: bool) -> Choice:
        """Choose the recorded event that answers a live one.

        Args:
            event: the live event.
            now: its arrival, in seconds since 1970.
            is_shared: whether other processes may have answered events of the session.
        """
        position = event.position(self.started_ts)
        key, session = event.key, self.session
        delay_among = partial(self._delay_among, self._delay(position, now), is_shared)
        choice = choose(session, key, position, self.used, self.reached, delay_among=delay_among, is_shared=is_shared)
        if choice.reason is Reason.ALL_USED and self.repeats:
            self.used.clear()
            return choose(session, key, position, self.used, 0)
        return choice

    def _delay(self, position: EventPosition, now: float) -> float | None:
        return None if self.arrived is None or position.elapsed is None else now - self.arrived - position.elapsed

    def _delay_among(self, delay: float | None, is_shared: bool, equal: Sequence[RecordedCall]) -> float | None:
        """Return a delay less the player's own; None if this process has answered each of some equal events so far."""
        if delay is None or not (is_shared or self._may_lack(equal[0])):
            return None
        own = [each.delay - (delay_of(self.session, each.call) or 0.0) for each in self.delayed]
        # The sessionStart is not late. One call alone may be late by chance.
        return delay - sorted([0.0, 0.0, 0.0, *own][-3:])[1]

    def _may_lack(self, call: RecordedCall) -> bool:
        """Return whether other processes, or this one before a restart, may have answered an event."""
        if self.is_restored and call.place not in self.used and (self.first is None or call.order <= self.first):
            return True
        calls = self.session.calls
        end = calls.index(call, bisect_left(calls, call.order, key=attrgetter("order")))
        before = calls[max(end - LATEST, 0) : end]
        lacking = sum(other.place not in self.used for other in before)
        return bool(lacking) and lacking >= SKIPPED_PART * len(before)

    def use(self, call: RecordedCall, event: Event, now: float, *, is_shared: bool) -> None:
        """Note that a recorded event is used.

        Args:
            call: the recorded event.
            event: the live one that it answers.
            now: the arrival of that, in seconds since 1970.
            is_shared: whether other processes may have answered events of the session.
        """
        self.used.add(call.place)
        if self.reached is None and not is_shared:
            # Events shortly before may still be in flight.
            earliest = call.order - WINDOW
            self.used.update(other.place for other in self.session.calls if other.order < earliest)
        if self.first is None:
            self.first = call.order
        self.reached = max(self.reached or 0, call.order)
        repeated = self.session.order.repeated
        if repeated and call.place not in repeated:
            delay = self._delay(event.position(self.started_ts), now)
            if delay is not None:
                self.delayed = (*self.delayed[-1:], _Delayed(delay, call))

    def near(self, event: Event) -> list[NearMiss]:
        """Return the recorded events that are nearest to a live one without a match."""
        position: EventPosition = event.position(self.started_ts)
        return near_events(self.session, event.key, position, self.used)
