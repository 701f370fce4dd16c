"""Which recorded event answers a live one, and why; and of a miss, what came nearest.

Theory. Inside a recorded session an event matches by its kind, then by its place. Three readings of "its place" are
tried, from the surest to the loosest:

in order: the first unused recorded event of that kind, as long as no more than a few others were passed over to get
there. It holds for a player that repeats the recording at any speed, its calls in flight together and out of order.
nearest: the unused one that is closest in playhead and time, when the player's rhythm differs or tapehead was
restarted and does not know what was used.
absorbed: pings come in any number, so each gets the nearest, used or not.

An event that is at the exact place of one recorded event and merely next in order to another belongs to the first.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from tapehead.tape import IDENTITY_KEYS, Kind, Place, RecordedCall, RecordedSession

# Seconds; time counts less than the playhead, since pauses, buffers and ads shift it.
CAP = 30.0
TIME_WEIGHT = 0.25
EXACT = 0.5
CLEARLY_WORSE = 1.0
FAR = 15.0
# How many recorded events may be passed over, or still be in flight, for the next to count as in order.
WINDOW = 3

# A session has one of each, so their place says nothing.
_UNIQUE = frozenset({"sessionComplete", "sessionEnd"})

MOST_NEAR = 3
MOST_FIELDS = 6


class Reason(StrEnum):
    """Why a recorded exchange was chosen, or none."""

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
    """A recorded call, or None, and why."""

    call: RecordedCall | None
    reason: Reason


class Difference(NamedTuple):
    """One field in which a recorded exchange and a live one differ; values are cut short."""

    field: str
    recorded: str
    live: str


class NearMiss(NamedTuple):
    """A recorded exchange that almost matched: its recording's number, its line, what differs, whether it is spent."""

    file: int
    line: int
    differences: tuple[Difference, ...]
    used: bool = False


def distance(recorded: Place, live: Place) -> float:
    """How far apart two places are, in seconds of playhead; what one side does not know counts nothing."""
    return _gap(recorded.playhead, live.playhead) + TIME_WEIGHT * _gap(recorded.elapsed, live.elapsed)


def _gap(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else min(abs(one - other), CAP)


def choose(session: RecordedSession, kind: Kind, place: Place, used: set[int], reached: int | None) -> Choice:
    """The recorded event of `session` that answers a live one.

    Args:
        session: the recorded session that the playback follows.
        kind: what the live event is called.
        place: where it stands.
        used: the lines of the recorded events that are spent.
        reached: the order of the furthest event used; None if that is not known, after a restart.
    """
    candidates = session.by_kind.get(kind, [])
    if not candidates:
        return Choice(None, Reason.NO_SUCH_EVENT)
    if kind.event_type == "ping":
        return Choice(_nearest_ping(candidates, place, used), Reason.ABSORBED)
    unused = [call for call in candidates if call.line not in used]
    if not unused:
        return Choice(None, Reason.ALL_USED)
    nearest = min(unused, key=lambda call: distance(call.place, place))
    following = _next_in_order(session, unused, used, reached)
    if following and not _clearly_nearer(nearest, following, place):
        return Choice(following, Reason.IN_ORDER)
    if reached is None or kind.event_type in _UNIQUE or distance(nearest.place, place) <= FAR:
        return Choice(nearest, Reason.NEAREST)
    return Choice(None, Reason.OUT_OF_PLACE)


def _nearest_ping(pings: Sequence[RecordedCall], place: Place, used: set[int]) -> RecordedCall:
    nearest = min(pings, key=lambda call: distance(call.place, place))
    limit = distance(nearest.place, place) + EXACT / 2
    fresh = (call for call in pings if call.line not in used and distance(call.place, place) <= limit)
    return next(fresh, nearest)


def _next_in_order(
    session: RecordedSession, unused: list[RecordedCall], used: set[int], reached: int | None
) -> RecordedCall | None:
    if reached is None:
        return None
    call = next((call for call in unused if call.order >= reached - WINDOW), None)
    if call is None:
        return None
    passed = (
        other
        for other in session.calls
        if reached < other.order < call.order and other.line not in used and other.kind.event_type != "ping"
    )
    return call if sum(1 for _ in passed) <= WINDOW else None


def _clearly_nearer(nearest: RecordedCall, following: RecordedCall, place: Place) -> bool:
    gap = distance(nearest.place, place)
    return gap < EXACT and distance(following.place, place) > gap + CLEARLY_WORSE


def likeness(session: RecordedSession, identity: tuple[object, ...]) -> tuple[bool, ...] | None:
    """How well a recorded session fits what identifies a live one, for comparing; None if the content is another."""
    if session.start is None or session.identity[0] != identity[0]:
        return None
    return tuple(one == other for one, other in zip(session.identity, identity, strict=True))


def near_sessions(sessions: Sequence[RecordedSession], identity: tuple[object, ...]) -> list[NearMiss]:
    """The recorded sessions that are most like a live one that has none, with what differs."""
    started = [session for session in sessions if session.start]
    started.sort(key=lambda session: -sum(a == b for a, b in zip(session.identity, identity, strict=True)))
    return [
        NearMiss(session.start.file, session.start.line, tuple(_identity_differences(session, identity)))
        for session in started[:MOST_NEAR]
        if session.start
    ]


def _identity_differences(session: RecordedSession, identity: tuple[object, ...]) -> Iterator[Difference]:
    for key, one, other in zip(IDENTITY_KEYS, session.identity, identity, strict=True):
        if one != other:
            yield Difference(f"params.{key}", _short(one), _short(other))


def near_events(session: RecordedSession, kind: Kind, place: Place, used: set[int]) -> list[NearMiss]:
    """The recorded events of `session` that are most like a live one that has none, with what differs."""

    def unlike(call: RecordedCall) -> tuple[bool, bool, float]:
        return (call.kind.event_type != kind.event_type, call.line in used, distance(call.place, place))

    nearest = sorted(session.calls, key=unlike)[:MOST_NEAR]
    return [
        NearMiss(call.file, call.line, tuple(_event_differences(call, kind, place))[:MOST_FIELDS], call.line in used)
        for call in nearest
    ]


def _event_differences(call: RecordedCall, kind: Kind, place: Place) -> Iterator[Difference]:
    fields: tuple[tuple[str, Any, Any], ...] = (
        ("eventType", call.kind.event_type, kind.event_type),
        ("name", call.kind.names, kind.names),
        ("playhead", call.place.playhead, place.playhead),
        ("seconds since the sessionStart", call.place.elapsed, place.elapsed),
    )
    for field, recorded, live in fields:
        if recorded != live:
            yield Difference(field, _short(recorded), _short(live))


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_short(each) for each in value) or "-"
    shown = "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
