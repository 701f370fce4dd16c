"""Choice of the recorded event that answers a live one, and the nearest ones of a miss.

Theory. Inside a recorded session an event matches by its key, then by its position. Three readings of "position" are
tried, from the surest to the loosest:

in order: the first unused recorded event of that key, as long as no more than a few others were passed over to get
there. It holds for a player that repeats the recording at any speed, its calls in flight together and out of order.
nearest: the unused one that is closest in playhead and time, when the player's rhythm differs or tapehead was
restarted and does not know what was used.
absorbed: pings come in any number, so each gets the nearest, used or not.

An event whose playhead is exactly that of one recorded event and clearly not that of the next in order belongs to the
first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from heapq import nsmallest
from itertools import islice, takewhile
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import IDENTITY_KEYS, EventKey, EventPosition
from tapehead.protocol.keys import EVENT_TYPE
from tapehead.replay.index import RecordedCall, RecordedSession
from tapehead.text import MOST_FIELDS, shorten_value

# Seconds; time counts less than the playhead, since pauses, buffers and ads shift it.
CAP = 30.0
TIME_WEIGHT = 0.25
EXACT = 0.5
CLEARLY_WORSE = 1.0
FAR = 15.0
# How many recorded events may be passed over, or still be in flight, for the next to count as in order.
WINDOW = 3

MOST_NEAR = 3


class Reason(StrEnum):
    """The reason why a recorded exchange was chosen, or none."""

    IN_ORDER = "in-order"
    NEAREST = "nearest"
    ABSORBED = "absorbed"
    SESSION = "session"
    NO_SUCH_EVENT = "no-such-event"
    ALL_USED = "all-used"
    OUT_OF_PLACE = "out-of-place"
    NO_SUCH_SESSION = "no-such-session"
    UNKNOWN_SID = "unknown-sid"
    NOT_RECORDED = "not-recorded"


class Choice(NamedTuple):
    """A recorded call, or None, and the reason."""

    call: RecordedCall | None
    reason: Reason


class Difference(msgspec.Struct, frozen=True):
    """One field in which a recorded exchange and a live one differ; values are cut short."""

    field: str
    recorded: str
    live: str


class NearMiss(msgspec.Struct, frozen=True):
    """A recorded exchange that almost matched: its recording's number, its line, what differs, whether it is spent."""

    file: int
    line: int
    differences: tuple[Difference, ...]
    used: bool = False


def distance(recorded: EventPosition, live: EventPosition) -> float:
    """Return how far apart two positions are, in seconds of playhead; what one side does not know counts nothing."""
    return _gap(recorded.playhead, live.playhead) + TIME_WEIGHT * _gap(recorded.elapsed, live.elapsed)


def _gap(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else min(abs(one - other), CAP)


def choose(
    session: RecordedSession, key: EventKey, position: EventPosition, used: set[int], reached: int | None
) -> Choice:
    """Choose the recorded event of `session` that answers a live one.

    Args:
        session: the recorded session that the playback follows.
        key: the live event's key.
        position: its position.
        used: the lines of the recorded events that are spent.
        reached: the order of the furthest event used; None if that is not known, after a restart.
    """
    candidates = session.by_key.get(key, [])
    if not candidates:
        return Choice(None, Reason.NO_SUCH_EVENT)
    if event_type_of(key.event_type).repeats:
        return Choice(_nearest_ping(session, candidates, position, used), Reason.ABSORBED)
    following = _next_in_order(session, candidates, used, reached)
    if following and _gap(following.position.playhead, position.playhead) <= CLEARLY_WORSE:
        return Choice(following, Reason.IN_ORDER)
    unused = [call for call in candidates if call.line not in used]
    if not unused:
        return Choice(None, Reason.ALL_USED)
    nearest = min(unused, key=lambda call: distance(call.position, position))
    if following:
        # An exact playhead decides; time differs with the player's speed.
        gap, next_gap = (_gap(call.position.playhead, position.playhead) for call in (nearest, following))
        if not (gap < EXACT and next_gap > gap + CLEARLY_WORSE):
            return Choice(following, Reason.IN_ORDER)
    if reached is None or event_type_of(key.event_type).once or distance(nearest.position, position) <= FAR:
        return Choice(nearest, Reason.NEAREST)
    return Choice(None, Reason.OUT_OF_PLACE)


def _nearest_ping(
    session: RecordedSession, pings: Sequence[RecordedCall], position: EventPosition, used: set[int]
) -> RecordedCall:
    """Return the nearest ping; of those that are about as near, the first that is unused."""
    by_time = _window(session.pings_by_time, lambda call: call.position.elapsed, position.elapsed)
    by_playhead = _window(session.pings_by_playhead, lambda call: call.position.playhead, position.playhead)
    close = [(distance(call.position, position), call.line, call) for call in (*by_time, *by_playhead)]
    if not close:
        return min(pings, key=lambda call: abs((call.position.playhead or 0) - (position.playhead or 0)))
    least, _, nearest = min(close)
    fresh = [(line, call) for gap, line, call in close if gap <= least + EXACT / 2 and line not in used]
    return min(fresh)[1] if fresh else nearest


def _window(
    calls: Sequence[RecordedCall], key: Callable[[RecordedCall], float | None], value: float | None
) -> Sequence[RecordedCall]:
    """Return those of `calls`, sorted by `key`, that are at most CAP from `value`."""
    if value is None:
        return calls

    def known(call: RecordedCall) -> float:
        return key(call) or 0.0

    return calls[bisect_left(calls, value - CAP, key=known) : bisect_right(calls, value + CAP, key=known)]


def _next_in_order(
    session: RecordedSession, candidates: list[RecordedCall], used: set[int], reached: int | None
) -> RecordedCall | None:
    """Return the unused candidate that is next in order; None if too many others would be passed over."""
    if reached is None:
        return None
    order = attrgetter("order")
    later = range(bisect_left(candidates, reached - WINDOW, key=order), len(candidates))
    call = next((candidates[at] for at in later if candidates[at].line not in used), None)
    if call is None:
        return None
    passed = range(bisect_right(session.landmarks, reached, key=order), len(session.landmarks))
    between = takewhile(lambda other: other.order < call.order, (session.landmarks[at] for at in passed))
    unused = (other for other in between if other.line not in used)
    return None if any(True for _ in islice(unused, WINDOW, None)) else call


def likeness(recorded: tuple[object, ...], identity: tuple[object, ...]) -> tuple[bool, ...]:
    """Return which parts of two identities are equal, for comparing; more telling parts first."""
    return tuple(one == other for one, other in zip(recorded, identity, strict=True))


def near_sessions(sessions: Sequence[RecordedSession], identity: tuple[object, ...]) -> list[NearMiss]:
    """Return the recorded sessions that are most like a live one that has none, with their differences."""

    def unlike(session: RecordedSession) -> int:
        return sum(one != other for one, other in zip(session.identity, identity, strict=True))

    nearest = nsmallest(MOST_NEAR, (session for session in sessions if session.start), key=unlike)
    return [
        NearMiss(session.start.file, session.start.line, tuple(_identity_differences(session, identity)))
        for session in nearest
        if session.start
    ]


def _identity_differences(session: RecordedSession, identity: tuple[object, ...]) -> Iterator[Difference]:
    for key, one, other in zip(IDENTITY_KEYS, session.identity, identity, strict=True):
        if one != other:
            yield Difference(f"params.{key}", shorten_value(one), shorten_value(other))


def near_events(session: RecordedSession, key: EventKey, position: EventPosition, used: set[int]) -> list[NearMiss]:
    """Return the recorded events of `session` that are most like a live one that has none, with their differences."""

    def unlike(call: RecordedCall) -> tuple[bool, bool, float]:
        return (call.key.event_type != key.event_type, call.line in used, distance(call.position, position))

    nearest = nsmallest(MOST_NEAR, session.calls, key=unlike)
    return [
        NearMiss(call.file, call.line, tuple(_event_differences(call, key, position))[:MOST_FIELDS], call.line in used)
        for call in nearest
    ]


def _event_differences(call: RecordedCall, key: EventKey, position: EventPosition) -> Iterator[Difference]:
    fields: tuple[tuple[str, Any, Any], ...] = (
        (EVENT_TYPE, call.key.event_type, key.event_type),
        ("name", call.key.names, key.names),
        ("playhead", call.position.playhead, position.playhead),
        ("seconds since the sessionStart", call.position.elapsed, position.elapsed),
    )
    for field, recorded, live in fields:
        if recorded != live:
            yield Difference(field, shorten_value(recorded), shorten_value(live))
