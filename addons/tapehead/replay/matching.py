"""Choice of the recorded event that answers a live one, and of the nearest ones for a miss.

Theory. In a recorded session an event is matched by its key, then by its position, in one of three ways:

in order: the first unused recorded event with the key, if at most a few other unused events precede it. This covers
players that repeat the recording at any speed, with concurrent calls out of order.
nearest: the unused one that is closest in playhead and time, if the player's timing differs, or if the used events are
unknown, after a restart or where other processes answer the same sessions.
absorbed: the number of pings varies, so each gets the nearest recorded one, used or not.

If the playhead equals that of one recorded event and clearly differs from that of the next in order, the former is
chosen; likewise if playhead and time equal, unless every event before the next in order was seen. Where other processes
answer the same sessions, nothing follows from the events that were used, but that an equal call is a later one.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from enum import StrEnum
from heapq import nsmallest
from itertools import islice, takewhile
from operator import attrgetter
from typing import NamedTuple

import msgspec

from tapehead.counts import Count, Ordinal
from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import IDENTITY_KEYS, EventKey, EventPosition
from tapehead.protocol.keys import EVENT_TYPE
from tapehead.replay.positions import CAP, TIME_WEIGHT, capped_gap, distance, index_by_delay, nearest_call
from tapehead.replay.recorded_session import RecordedCall, RecordedSession
from tapehead.text import shorten_value

# Seconds.
EXACT = 0.5
CLEARLY_WORSE = 1.0
FAR = 15.0
# The number of recorded events that may be skipped, or still be in flight, for the next to count as in order.
WINDOW = 3

MOST_NEAR = 3
# The names of the fields of EventKey and EventPosition in messages.
_EVENT_FIELDS = (EVENT_TYPE, "name", "playhead", "seconds since the sessionStart")


# Returns by how many seconds a live event arrived late, as in `positions`, which tells one of equal recorded events;
# None if that is not known, or if those that were used tell it.
DelayAmong = Callable[[Sequence[RecordedCall]], float | None]
# A ping that may be the nearest: its distance, its line, the number of its recording, and the call.
_Near = tuple[float, int, int, RecordedCall]


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
    OTHER_RECORDINGS = "other-recordings"
    NOT_RECORDED = "not-recorded"
    OUTDATED = "outdated"
    CHANGED = "changed"


class Choice(NamedTuple):
    """A recorded call, or None, and the reason."""

    call: RecordedCall | None
    reason: Reason


class Turn(NamedTuple):
    """A recorded session that a live one follows.

    Attributes:
        session: the recorded session.
        equals: how many recorded sessions fit as well, itself included.
        played: how often it was followed before.
    """

    session: RecordedSession
    equals: int
    played: int


class Difference(msgspec.Struct, frozen=True):
    """A field in which a recorded exchange and a live one differ; values are shortened."""

    field: str
    recorded: str
    live: str


class NearMiss(msgspec.Struct, frozen=True):
    """A recorded exchange that almost matched: number of its recording, line, differences, whether it was used."""

    file: Count
    line: Ordinal
    differences: tuple[Difference, ...]
    used: bool = False


def choose(
    session: RecordedSession,
    key: EventKey,
    position: EventPosition,
    used: set[int],
    reached: int | None,
    *,
    delay_among: DelayAmong | None = None,
    is_shared: bool = False,
) -> Choice:
    """Choose the recorded event of `session` that answers a live one.

    Args:
        session: the recorded session that the playback follows.
        key: the live event's key.
        position: its position.
        used: the places of the recorded events that were used.
        reached: the order of the furthest event used; None if that is not known, after a restart.
        delay_among: tells the delay of the live event; None if it is not known.
        is_shared: whether other processes may have answered events of the same live session.
    """
    candidates = session.order.by_key.get(key, [])
    if not candidates:
        return Choice(None, Reason.NO_SUCH_EVENT)
    if event_type_of(key.event_type).repeats:
        if is_shared or not used:
            call = nearest_call(session.order.of_key(key), position)
        else:
            call = _nearest_ping(session, candidates, position, used)
        return Choice(_of_repeated(session, call, used, delay_among), Reason.ABSORBED)
    if is_shared:
        return _choose_by_position(session, key, position, used, delay_among)
    following = _next_in_order(session, candidates, used, reached)
    if following and reached is not None:
        is_next = bool(used) and reached <= following.order <= reached + 1
        if not is_next and (exact := _exact_call(session, key, position, used, following)):
            return Choice(_of_repeated(session, exact, used, delay_among), Reason.NEAREST)
    return _choose_in_order(session, candidates, position, used, reached, following, delay_among)


def _choose_in_order(
    session: RecordedSession,
    candidates: list[RecordedCall],
    position: EventPosition,
    used: set[int],
    reached: int | None,
    following: RecordedCall | None,
    delay_among: DelayAmong | None,
) -> Choice:
    """Choose the event that is next in order, `following`, or the nearest unused one; parameters as for `choose`."""
    if following and capped_gap(following.playhead, position.playhead) <= CLEARLY_WORSE:
        return Choice(_of_repeated(session, following, used, delay_among), Reason.IN_ORDER)
    unused = [call for call in candidates if call.place not in used]
    if not unused:
        return Choice(None, Reason.ALL_USED)
    nearest = min(unused, key=lambda call: distance(call.position, position))
    if following:
        # An exact playhead decides; time differs with the player's speed.
        gap, next_gap = (capped_gap(call.playhead, position.playhead) for call in (nearest, following))
        if not (gap < EXACT and next_gap > gap + CLEARLY_WORSE):
            return Choice(following, Reason.IN_ORDER)
    if reached is None or event_type_of(nearest.key.event_type).once or distance(nearest.position, position) <= FAR:
        return Choice(_of_repeated(session, nearest, used, delay_among), Reason.NEAREST)
    return Choice(None, Reason.OUT_OF_PLACE)


def _exact_call(
    session: RecordedSession, key: EventKey, position: EventPosition, used: set[int], following: RecordedCall
) -> RecordedCall | None:
    """Return the unused event at a position, if the one that is next in order is not there."""
    exact = nearest_call(session.order.of_key(key), position)
    if exact.place in used or distance(following.position, position) <= EXACT / 2:
        return None
    return exact if distance(exact.position, position) <= EXACT / 2 else None


def _choose_by_position(
    session: RecordedSession, key: EventKey, position: EventPosition, used: set[int], delay_among: DelayAmong | None
) -> Choice:
    """Choose the recorded event at a position, whatever was used; an equal one if this process used that before."""
    calls = session.order.of_key(key)
    nearest = _of_repeated(session, nearest_call(calls, position), used, delay_among)
    if nearest.place in used:
        if distance(nearest.position, position) <= EXACT:
            return Choice(None, Reason.ALL_USED)
        unused = [call for call in calls.calls if call.place not in used]
        if not unused:
            return Choice(None, Reason.ALL_USED)
        nearest = min(unused, key=lambda call: distance(call.position, position))
    if event_type_of(key.event_type).once or distance(nearest.position, position) <= FAR:
        return Choice(nearest, Reason.NEAREST)
    return Choice(None, Reason.OUT_OF_PLACE)


def _of_repeated(
    session: RecordedSession, call: RecordedCall, used: set[int], delay_among: DelayAmong | None
) -> RecordedCall:
    """Return the one of the calls at the position of `call` that a live one is: the first unused one.

    Where other processes may have answered some of them, the delay of the live call tells how many came before.
    """
    group = session.order.repeated.get(call.place)
    if group is None:
        return call
    first = index_by_delay(session, group, delay_among(group) if delay_among else None)
    if not first and call.place not in used:
        return call
    # They are used from the first one on, and there may be thousands.
    at = bisect_left(group, True, lo=first, key=lambda each: each.place not in used)
    if at < len(group):
        return group[at]
    return next((each for each in group[:first] if each.place not in used), group[first])


def _nearest_ping(
    session: RecordedSession, pings: Sequence[RecordedCall], position: EventPosition, used: set[int]
) -> RecordedCall:
    """Return the nearest ping; among those about as near, the first unused one."""
    order = session.order
    close: list[_Near] = []  # `list[_Near]()` takes twenty times as long
    least = _add_near(close, math.inf, order.pings.by_time, order.pings.times, position.elapsed, position, TIME_WEIGHT)
    least = _add_near(close, least, order.pings.by_playhead, order.pings.playheads, position.playhead, position, 1.0)
    if not close:
        return _last_ping(session, len(pings), position.playhead or 0) or min(
            pings, key=lambda call: abs((call.playhead or 0) - (position.playhead or 0))
        )
    fresh = [near[1:] for near in close if near[0] <= least + EXACT / 2 and near[-1].place not in used]
    return min(fresh)[-1] if fresh else min(close)[-1]


def _last_ping(session: RecordedSession, count: int, playhead: float) -> RecordedCall | None:
    """Return the ping nearest to a playhead behind all of them, where that is clear without a look at each.

    So it is for nearly all pings of a player that goes on for longer than the recording.

    Args:
        session: the recorded session.
        count: the number of its pings.
        playhead: the playhead of the live one, in seconds.
    """
    pings, playheads = session.order.pings.by_playhead, session.order.pings.playheads
    if len(playheads) != count or playhead < playheads[-1]:
        return None
    first = bisect_left(playheads, playheads[-1])
    # Far away, numbers that differ may be at the same distance.
    is_clear = not first or playhead - playheads[first - 1] > playhead - playheads[-1]
    return pings[first] if is_clear else None


def _add_near(
    close: list[_Near],
    least: float,
    calls: Sequence[RecordedCall],
    values: Sequence[float],
    value: float | None,
    position: EventPosition,
    weight: float,
) -> float:
    """Add the calls that may be among the nearest to `close`, and return the least distance so far.

    Args:
        close: the calls so far.
        least: the least distance of these.
        calls: calls, in the order of `values`.
        values: their playheads or times.
        value: the one of the live event; all calls are added if it is unknown, and else those within CAP of it.
        position: the position of the live event.
        weight: the least part of a difference in values that is distance, by which the search ends early.
    """
    if value is None:
        close += [(distance(call.position, position), call.line, call.file, call) for call in calls]
        return min([least, *(near[0] for near in close)])
    low, high = value - CAP, value + CAP
    if not values or values[-1] < low or high < values[0]:
        return least
    middle = bisect_left(values, value)
    for side in (range(middle, len(values)), range(middle - 1, -1, -1)):
        for at in side:
            other = values[at]
            if not low <= other <= high or weight * abs(other - value) > least + EXACT / 2:
                break
            call = calls[at]
            gap = distance(call.position, position)
            close.append((gap, call.line, call.file, call))
            least = min(least, gap)
    return least


def _next_in_order(
    session: RecordedSession, candidates: list[RecordedCall], used: set[int], reached: int | None
) -> RecordedCall | None:
    """Return the unused candidate that is next in order; None if too many others would be skipped."""
    if reached is None:
        return None
    order = attrgetter("order")
    later = range(bisect_left(candidates, reached - WINDOW, key=order), len(candidates))
    call = next((candidates[at] for at in later if candidates[at].place not in used), None)
    if call is None:
        return None
    landmarks = session.order.landmarks
    skipped = range(bisect_right(landmarks, reached, key=order), len(landmarks))
    between = takewhile(lambda other: other.order < call.order, (landmarks[at] for at in skipped))
    unused = (other for other in between if other.place not in used)
    return None if any(True for _ in islice(unused, WINDOW, None)) else call


def likeness(recorded: tuple[object, ...], identity: tuple[object, ...]) -> tuple[bool, ...]:
    """Return for each value of two identities whether it is equal; for ranking, as the most significant come first."""
    return tuple(one == other for one, other in zip(recorded, identity, strict=True))


def near_sessions(sessions: Sequence[RecordedSession], identity: tuple[object, ...]) -> list[NearMiss]:
    """Return the recorded sessions that are nearest to a live one without a match, with their differences."""

    def unlike(session: RecordedSession) -> int:
        return sum(one != other for one, other in zip(session.identity, identity, strict=True))

    names = [f"params.{key}" for key in IDENTITY_KEYS]
    nearest = nsmallest(MOST_NEAR, (session for session in sessions if session.start), key=unlike)
    return [
        NearMiss(start.file, start.line, _differences(names, session.identity, identity))
        for session in nearest
        if (start := session.start)
    ]


def near_events(session: RecordedSession, key: EventKey, position: EventPosition, used: set[int]) -> list[NearMiss]:
    """Return the recorded events of `session` that are nearest to a live one without a match, with differences."""

    def unlike(call: RecordedCall) -> tuple[bool, bool, float]:
        return (call.key.event_type != key.event_type, call.place in used, distance(call.position, position))

    nearest = nsmallest(MOST_NEAR, session.calls, key=unlike)
    return [
        NearMiss(
            call.file,
            call.line,
            _differences(_EVENT_FIELDS, (*call.key, *call.position), (*key, *position)),
            call.place in used,
        )
        for call in nearest
    ]


def _differences(fields: Sequence[str], recorded: Sequence[object], live: Sequence[object]) -> tuple[Difference, ...]:
    values = zip(fields, recorded, live, strict=True)
    return tuple(
        Difference(name, shorten_value(one), shorten_value(other)) for name, one, other in values if one != other
    )
