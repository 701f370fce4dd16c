"""Recorded sessions, with their calls prepared for matching."""

from collections.abc import Sequence

import msgspec

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import EventKey, EventPosition
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import Call
from tapehead.replay.entry_digest import StoredExchanges

# The types of pings: sent at regular intervals, so that number and order are not significant.
PINGS = frozenset(row.name for row in EVENT_TYPES.values() if row.repeats)

# More than a recording has lines.
_LINE_BITS = 40


class RecordedCall(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A recorded exchange, prepared for matching.

    Attributes:
        file: the number of its recording, counted from 0.
        line: its line in it.
        held: the exchange, or the recording that has it.
        key: the key of the event in its body.
        playhead: the playhead of that event, in seconds; None if it is unknown.
        elapsed: the seconds from the sessionStart to that event; likewise.
        order: the number of earlier calls in its session, pings and preflights not counted.
        call: the call of the API.
        host: the host that it went to, as `authority_of` gives it.
    """

    file: int
    line: int
    held: Exchange | StoredExchanges
    key: EventKey
    playhead: float | None
    elapsed: float | None
    order: int
    call: Call
    host: str

    @property
    def exchange(self) -> Exchange:
        """The exchange.

        Raises:
            RecordingError: its recording was changed, or cannot be read.
        """
        return self.held if isinstance(self.held, Exchange) else self.held.read(self.line)

    @property
    def place(self) -> int:
        """The place of its line among those of all recordings, since a session may be continued in another one."""
        return (self.file << _LINE_BITS) | self.line

    @property
    def position(self) -> EventPosition:
        """The position of the event."""
        return EventPosition(self.playhead, self.elapsed)


class SortedCalls(msgspec.Struct, frozen=True, eq=False):
    """Calls by their positions.

    Attributes:
        calls: the calls.
        by_time: those with a known time since the start, in that order.
        times: those times, in seconds.
        by_playhead: those with a known playhead, in that order.
        playheads: those playheads, in seconds.
    """

    calls: list[RecordedCall]
    by_time: list[RecordedCall]
    times: list[float]
    by_playhead: list[RecordedCall]
    playheads: list[float]


class CallOrder(msgspec.Struct, frozen=True, eq=False):
    """The events of a session by what they are matched by.

    Attributes:
        by_key: all of them by their keys.
        landmarks: those other than pings.
        pings: the pings.
        repeated: the events that share key and position with others, by their places, with these in recorded order.
        sorted_by_key: the events of the keys that were asked for by their positions.
        delays: the delays of the calls that were asked for, by their places; see `positions`.
    """

    by_key: dict[EventKey, list[RecordedCall]]
    landmarks: list[RecordedCall]
    pings: SortedCalls
    repeated: dict[int, list[RecordedCall]]
    sorted_by_key: dict[EventKey, SortedCalls] = msgspec.field(default_factory=dict)
    delays: dict[int, float | None] = msgspec.field(default_factory=dict)

    def of_key(self, key: EventKey) -> SortedCalls:
        """Return the events with a key by their positions."""
        known = self.sorted_by_key.get(key)
        if known is None:
            known = self.sorted_by_key[key] = sort_calls(self.by_key.get(key, []))
        return known


class RecordedSession(msgspec.Struct, eq=False):
    """A session of a recording, or an attempt to open one that failed.

    Attributes:
        number: its position among all recorded sessions.
        sid: its recorded session id; None for a failed attempt.
        mark: its fingerprint, which is part of live session ids.
        host: the host that its first call went to, as `authority_of` gives it.
        identity: the values of IDENTITY_KEYS.
        start: the call that opened it; None if the recording began later.
        started: the time of that call, UTC in ISO 8601; empty if it was not recorded.
        is_opened: whether that call was accepted: with an id, or without headers, which exporters drop.
        replaces: the id of the recorded session that this one was recorded anew for, or None.
        started_ts: the ts of its sessionStart, milliseconds since 1970; None if that is unknown.
        calls: its events in the order of their arrival.
        preflights: its preflights.
    """

    number: int
    sid: str | None
    mark: bytes
    host: str
    identity: tuple[object, ...]
    start: RecordedCall | None
    started: str
    is_opened: bool
    replaces: str | None
    started_ts: float | None
    calls: list[RecordedCall] = msgspec.field(default_factory=list)
    preflights: list[RecordedCall] = msgspec.field(default_factory=list)
    _order: "CallOrder | None" = None

    @property
    def order(self) -> "CallOrder":
        """Its events by what they are matched by, once all of them are there."""
        if self._order is None:
            self._order = order_calls(self.calls)
        return self._order


def order_calls(calls: Sequence[RecordedCall]) -> CallOrder:
    """Return the events of a session by what they are matched by."""
    by_key: dict[EventKey, list[RecordedCall]] = {}
    by_position: dict[tuple[EventKey, float | None, float | None], list[RecordedCall]] = {}
    for call in calls:
        by_key.setdefault(call.key, []).append(call)
        by_position.setdefault((call.key, call.playhead, call.elapsed), []).append(call)
    repeated = {call.place: group for group in by_position.values() if len(group) > 1 for call in group}
    pings = [call for call in calls if call.key.event_type in PINGS]
    landmarks = [call for call in calls if call.key.event_type not in PINGS]
    return CallOrder(by_key, landmarks, sort_calls(pings), repeated)


def sort_calls(calls: list[RecordedCall]) -> SortedCalls:
    """Return calls by their positions."""
    timed = sorted((call for call in calls if call.elapsed is not None), key=lambda call: call.elapsed or 0)
    placed = sorted((call for call in calls if call.playhead is not None), key=lambda call: call.playhead or 0)
    return SortedCalls(
        calls, timed, [call.elapsed or 0 for call in timed], placed, [call.playhead or 0 for call in placed]
    )
