"""Recorded events by their position in a session, which any process can tell from a call and its session id alone.

Of several machines behind a balancer, each sees only some of a session's events, so that counting them tells nothing.
A call's playhead and its time since the sessionStart do. Calls that are equal in both, such as one that was sent again
after a failure, differ in how long after its own time each arrived, if the player waited for a second at least. How
late a player is with all of its calls is known from those that it sends once; see `Playback`.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from tapehead.errors import RecordingError
from tapehead.protocol.events import EventPosition, parse_time
from tapehead.replay.recorded_session import RecordedCall, RecordedSession, SortedCalls

# Seconds; time counts less than the playhead, since pauses, buffers and ads shift it.
CAP = 30.0
TIME_WEIGHT = 0.25
# Seconds between calls at one position for their delays to tell them apart.
LEAST_WAIT = 1.0
# The number of calls at one position whose delays are looked at, and of neighbours on each side.
MOST_REPEATED = 50
NEIGHBOURS = 20


def distance(recorded: EventPosition, live: EventPosition) -> float:
    """Return the distance of two positions, in seconds of playhead; values unknown on either side do not count."""
    return capped_gap(recorded.playhead, live.playhead) + TIME_WEIGHT * capped_gap(recorded.elapsed, live.elapsed)


def capped_gap(one: float | None, other: float | None) -> float:
    """Return the difference of two values, at most CAP; 0 if one is unknown."""
    return 0.0 if one is None or other is None else min(abs(one - other), CAP)


def nearest_call(calls: SortedCalls, position: EventPosition) -> RecordedCall:
    """Return the call nearest to a position, the first of equal ones; used or not.

    It is sought among the neighbours by playhead, and then by time if one of those may be nearer.
    """
    best, nearest = (math.inf, math.inf, 0), calls.calls[0]
    for by_value, values, value, weight in (
        (calls.by_playhead, calls.playheads, position.playhead, 1.0),
        (calls.by_time, calls.times, position.elapsed, TIME_WEIGHT),
    ):
        if value is None:
            continue
        middle, is_sure = bisect_left(values, value), len(values) == len(calls.calls)
        for side in (range(middle, len(values)), range(middle - 1, -1, -1)):
            for at in side[:NEIGHBOURS]:
                if weight * min(abs(values[at] - value), CAP) > best[0]:
                    break
                call = by_value[at]
                away = abs((call.playhead or 0) - (position.playhead or 0))
                order = (distance(call.position, position), away, call.place)
                if order < best:
                    best, nearest = order, call
            else:
                is_sure &= len(side) <= NEIGHBOURS
        if is_sure:
            break
    return nearest


def index_by_delay(session: RecordedSession, calls: Sequence[RecordedCall], delay: float | None) -> int:
    """Return which of some calls at one position a live one is, by how late it came; 0 if that cannot be told.

    Args:
        session: their session.
        calls: the calls, in the order of their arrival.
        delay: the seconds by which the live call arrived later after the sessionStart than its own time says; None if
            that is unknown.
    """
    if delay is None or len(calls) > MOST_REPEATED:
        return 0
    return index_of_delay([delay_of(session, call) for call in calls], delay)


def index_of_delay(delays: Sequence[float | None], delay: float) -> int:
    """Return which of some recorded delays is nearest to a live one; 0 if they are too close to tell, or unknown."""
    known = [each for each in delays if each is not None]
    if len(known) < len(delays) or any(later - one < LEAST_WAIT for one, later in pairwise(known)):
        return 0
    return min(range(len(known)), key=lambda at: abs(known[at] - delay))


def delay_of(session: RecordedSession, call: RecordedCall) -> float | None:
    """Return the seconds by which a recorded call arrived later than its own time says; None if that is unknown."""
    delays = session.order.delays
    if call.place not in delays:
        try:
            arrived, began = parse_time(call.exchange.started), parse_time(session.started)
        except RecordingError:  # which the answer from it will tell
            arrived = began = None
        is_known = arrived is not None and began is not None and call.elapsed is not None
        delays[call.place] = ((arrived or 0) - (began or 0)) / 1000 - (call.elapsed or 0) if is_known else None
    return delays[call.place]
