"""Choice of the recorded event that answers a live one, and of the nearest ones for a miss.

Theory. In a recorded session an event is matched by its key, then by its position, in one of three ways:

in order: the first unused recorded event with the key, if at most a few other unused events precede it. This covers
players that repeat the recording at any speed, with concurrent calls out of order.
nearest: the unused one that is closest in playhead and time, if the player's timing differs, or if the used events are
unknown after a restart.
absorbed: the number of pings varies, so each gets the nearest recorded one, used or not.

If the playhead equals that of one recorded event and clearly differs from that of the next in order, the former is
chosen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from enum import StrEnum
from heapq import nsmallest
from itertools import islice, takewhile
from operator import attrgetter
from typing import NamedTuple

import msgspec

from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import IDENTITY_KEYS, EventKey, EventPosition
from tapehead.protocol.keys import EVENT_TYPE
from tapehead.replay.index import RecordedCall, RecordedSession
from tapehead.text import shorten_value

# Seconds; time counts less than the playhead, since pauses, buffers and ads shift it.
CAP = 30.0
TIME_WEIGHT = 0.25
EXACT = 0.5
CLEARLY_WORSE = 1.0
FAR = 15.0
# The number of recorded events that may be skipped, or still be in flight, for the next to count as in order.
WINDOW = 3

MOST_NEAR = 3
# The names of the fields of EventKey and EventPosition in messages.
_EVENT_FIELDS = (EVENT_TYPE, "name", "playhead", "seconds since the sessionStart")


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
    OUTDATED = "outdated"


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

    file: int
    line: int
    differences: tuple[Difference, ...]
    used: bool = False


def distance(recorded: EventPosition, live: EventPosition) -> float:
    """Return the distance of two positions, in seconds of playhead; values unknown on either side do not count."""
    return capped_gap(recorded.playhead, live.playhead) + TIME_WEIGHT * capped_gap(recorded.elapsed, live.elapsed)


def capped_gap(one: float | None, other: float | None) -> float:
    """Return the difference of two values, at most CAP; 0 if one is unknown."""
    return 0.0 if one is None or other is None else min(abs(one - other), CAP)


def choose(
    session: RecordedSession, key: EventKey, position: EventPosition, used: set[int], reached: int | None
) -> Choice:
    """Choose the recorded event of `session` that answers a live one.

    Args:
        session: the recorded session that the playback follows.
        key: the live event's key.
        position: its position.
        used: the lines of the recorded events that were used.
        reached: the order of the furthest event used; None if that is not known, after a restart.
    """
    candidates = session.by_key.get(key, [])
    if not candidates:
        return Choice(None, Reason.NO_SUCH_EVENT)
    if event_type_of(key.event_type).repeats:
        return Choice(_nearest_ping(session, candidates, position, used), Reason.ABSORBED)
    following = _next_in_order(session, candidates, used, reached)
    if following and capped_gap(following.position.playhead, position.playhead) <= CLEARLY_WORSE:
        return Choice(following, Reason.IN_ORDER)
    unused = [call for call in candidates if call.line not in used]
    if not unused:
        return Choice(None, Reason.ALL_USED)
    nearest = min(unused, key=lambda call: distance(call.position, position))
    if following:
        # An exact playhead decides; time differs with the player's speed.
        gap, next_gap = (capped_gap(call.position.playhead, position.playhead) for call in (nearest, following))
        if not (gap < EXACT and next_gap > gap + CLEARLY_WORSE):
            return Choice(following, Reason.IN_ORDER)
    if reached is None or event_type_of(key.event_type).once or distance(nearest.position, position) <= FAR:
        return Choice(nearest, Reason.NEAREST)
    return Choice(None, Reason.OUT_OF_PLACE)


def _nearest_ping(
    session: RecordedSession, pings: Sequence[RecordedCall], position: EventPosition, used: set[int]
) -> RecordedCall:
    """Return the nearest ping; among those about as near, the first unused one."""
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
    """Return the calls within CAP of `value`; `calls` are sorted by `key`. All of them if `value` is unknown."""
    if value is None:
        return calls

    def known(call: RecordedCall) -> float:
        return key(call) or 0.0

    return calls[bisect_left(calls, value - CAP, key=known) : bisect_right(calls, value + CAP, key=known)]


def _next_in_order(
    session: RecordedSession, candidates: list[RecordedCall], used: set[int], reached: int | None
) -> RecordedCall | None:
    """Return the unused candidate that is next in order; None if too many others would be skipped."""
    if reached is None:
        return None
    order = attrgetter("order")
    later = range(bisect_left(candidates, reached - WINDOW, key=order), len(candidates))
    call = next((candidates[at] for at in later if candidates[at].line not in used), None)
    if call is None:
        return None
    skipped = range(bisect_right(session.landmarks, reached, key=order), len(session.landmarks))
    between = takewhile(lambda other: other.order < call.order, (session.landmarks[at] for at in skipped))
    unused = (other for other in between if other.line not in used)
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
        return (call.key.event_type != key.event_type, call.line in used, distance(call.position, position))

    nearest = nsmallest(MOST_NEAR, session.calls, key=unlike)
    return [
        NearMiss(
            call.file,
            call.line,
            _differences(_EVENT_FIELDS, (*call.key, *call.position), (*key, *position)),
            call.line in used,
        )
        for call in nearest
    ]


def _differences(fields: Sequence[str], recorded: Sequence[object], live: Sequence[object]) -> tuple[Difference, ...]:
    values = zip(fields, recorded, live, strict=True)
    return tuple(
        Difference(name, shorten_value(one), shorten_value(other)) for name, one, other in values if one != other
    )
