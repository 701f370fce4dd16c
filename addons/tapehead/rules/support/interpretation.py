"""The interpretation of events that have a finding of their own, so that one mistake does not look like many.

A ts of another unit counts in milliseconds, one that cannot be right counts as none. A misspelled event type counts as
the one that was meant, and what has no readable type may have been any event.
"""

import msgspec

from tapehead.protocol.event_types import EVENT_TYPES, MISNOMERS
from tapehead.protocol.events import TEN_YEARS_MS, Event
from tapehead.text import find_nearest

_SECOND_MS = 1000
# Factors from seconds, microseconds and nanoseconds to milliseconds.
_FACTORS = (_SECOND_MS, 1 / 1000, 1 / 1_000_000)


def in_milliseconds(event: Event) -> Event:
    """Return `event` with its ts in milliseconds, or without one if it is ten years from its arrival in any unit."""
    if event.ts is None or abs(event.ts - event.arrived_ms) <= TEN_YEARS_MS:
        return event
    for factor in _FACTORS:
        if abs(event.ts * factor - event.arrived_ms) <= TEN_YEARS_MS:
            return msgspec.structs.replace(event, ts=int(event.ts * factor))
    return msgspec.structs.replace(event, ts=None)


class Interpreter:
    """An interpreter of the events of a session one by one, in the order of arrival.

    Args:
        jump_ms: by how much a clock may be ahead of the session's before it has to be a mistake.

    Attributes:
        guessed: the indexes of the events whose type is a guess.
    """

    def __init__(self, jump_ms: float) -> None:
        self.guessed: set[int] = set()
        self._jump_ms = jump_ms
        self._last_ts: int | None = None
        self._delay_ms = 0.0
        self._behind_ts: int | None = None
        # By how much ts is ahead of arrival: the most of the session, and that of an event that was not believed.
        self._ahead_ms: float | None = None
        self._doubted_ms: float | None = None

    def interpret(self, sent: Event, event: Event) -> Event:
        """Return an event as it was meant, by the one that was sent and that with its ts in milliseconds."""
        if (
            event is not sent
            and event.ts is not None
            and sent.ts is not None
            and event.ts == sent.ts * _SECOND_MS
            and self._last_ts
        ):
            # Whole seconds hide the order of what happened within one, which the time of arrival tells.
            guess = max(self._last_ts + 1, round(event.arrived_ms - self._delay_ms))
            event = msgspec.structs.replace(event, ts=min(event.ts + 999, max(event.ts, guess)))
        if not event.in_array and not self._believes(event):
            event = msgspec.structs.replace(event, ts=None)
        if event.type is None:
            return msgspec.structs.replace(event, saved=False)
        meant = event.type if event.type in EVENT_TYPES else find_nearest(event.type, EVENT_TYPES, MISNOMERS)
        if meant and meant != event.type:
            self.guessed.add(event.index)
            return msgspec.structs.replace(event, type=meant)
        return event

    def place(self, event: Event) -> Event:
        """Return an interpreted event for the back end's order: without its ts where a single one lies far back.

        That it lies back is for the rule on order; how long the states around it lasted, it does not tell.
        """
        if event.ts is None or event.in_array:
            return event
        is_behind = self._last_ts is not None and event.ts < self._last_ts - self._jump_ms
        # A second event that is behind as far shows that the clock was set.
        if is_behind and (self._behind_ts is None or abs(event.ts - self._behind_ts) > self._jump_ms):
            self._behind_ts = event.ts
            return msgspec.structs.replace(event, ts=None)
        self._last_ts, self._behind_ts, self._delay_ms = event.ts, None, event.arrived_ms - event.ts
        return event

    def _believes(self, event: Event) -> bool:
        """Return whether the ts of an event can be right: no single one jumps ahead of all clocks.

        What lies back may have come late; that is for the rules on order.
        """
        if event.ts is None:
            return True
        ahead_ms = event.ts - event.arrived_ms
        most_ms = self._ahead_ms
        jumps = most_ms is not None and ahead_ms > self._jump_ms and ahead_ms - most_ms > self._jump_ms
        # A second event that is ahead as far shows that the clock was set.
        if jumps and (self._doubted_ms is None or abs(ahead_ms - self._doubted_ms) > self._jump_ms):
            self._doubted_ms = ahead_ms
            return False
        self._ahead_ms = ahead_ms if most_ms is None else max(ahead_ms, most_ms)
        return True
