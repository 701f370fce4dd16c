"""Two timelines laid side by side: pairs of events, one of each session.

Theory. Events other than pings are landmarks. A landmark is known by its type and the value that names it, and stands
at a playhead; an event that closes an ad or a chapter belongs to the one that is open. Of all ways to pair the
landmarks of two sessions without changing their order, the cheapest is taken. A landmark without a partner costs 1; a
pair costs up to 0.9 by how far apart its playheads are, more if only the type is the same, and a trifle if the
parameters differ, so that of equals the most alike are paired. What is left over on both sides by the same name is the
same event in another order. Two timelines that are equal within the tolerance cost next to nothing, and no other way
is as cheap: so whether there is a difference does not depend on which of the two comes first.
"""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from typing import Literal, NamedTuple

from tapehead.auditor.results import SessionResult
from tapehead.comparison.differences import Scope
from tapehead.comparison.payload_comparison import NEVER_COMPARED
from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import Event, EventKey, is_live, key_of
from tapehead.protocol.session_machine import Step

# Seconds; what is further apart is just far.
CAP = 30.0
DAY_S = 86400

# The costs of a landmark without a partner, and of pairs.
_ALONE = 1.0
_FAR = 0.9
_RENAMED = 1.2
_OTHER_SEGMENT = 0.5
_UNLIKE = 1e-6
_NEVER = float("inf")
# How much of the table of all pairs is looked at; timelines longer than that are compared near its diagonal.
_MOST_CELLS = 400_000
_LEAST_BAND = 16

Numbers = tuple[int | None, int | None]

_SKIP_BASE, _SKIP_NEW, _PAIR = 1, 2, 3


class Landmark(NamedTuple):
    """An event that is no ping, ready to be paired.

    Attributes:
        step: its step in the session.
        event: the event.
        key: its type and the values that name it.
        segment: the name of the ad or the chapter that it is about, if any.
        playhead: in seconds, for live content counted from the session's first one; None if unknown.
        content: its other values, as far as they are compared.
    """

    step: int
    event: Event
    key: EventKey
    segment: object
    playhead: float | None
    content: object


class Match(NamedTuple):
    """One line of the alignment: the numbers of landmarks on either side, None where there is no partner.

    Attributes:
        base, new: the numbers.
        moved: for partners out of order, which have two lines: which of the two places this one is.
    """

    base: int | None
    new: int | None
    moved: Literal["", "from", "to"] = ""


def is_ping(event: Event) -> bool:
    """Return whether an event is a ping."""
    return event_type_of(event.type).repeats


def find_start(steps: Sequence[Step]) -> Event | None:
    """Return the sessionStart among some steps; None if it was not recorded."""
    return next((step.event for step in steps if step.event.type == "sessionStart"), None)


def landmarks_of(session: SessionResult, scope: Scope) -> list[Landmark]:
    """Return the landmarks of a session, without events whose types are ignored."""
    start = find_start(session.steps)
    playheads = (step.event.playhead for step in session.steps if step.event is not start)
    origin = next((playhead for playhead in playheads if playhead), None) if is_live(start) else None
    segments: dict[str, object] = {}
    landmarks: list[Landmark] = []
    for index, step in enumerate(session.steps):
        event = step.event
        if is_ping(event) or scope.ignores(event.type or ""):
            continue
        params = event.params
        if scope.ignore:
            params = {key: value for key, value in params.items() if not scope.ignores(key, f"params.{key}")}
        key = key_of(event.type or "", params)
        row = event_type_of(event.type)
        if row.opens and row.naming:
            segments[row.opens] = key.names
        segment = key.names if row.naming else segments.get(row.closes)
        content = {key: value for key, value in params.items() if key not in NEVER_COMPARED}, event.metadata
        playhead = event.playhead
        if origin is not None and playhead:
            since = (playhead - origin + DAY_S / 2) % DAY_S - DAY_S / 2
            playhead = 0 if event.type == "sessionStart" else since
        landmarks.append(Landmark(index, event, key, segment, playhead, content))
    return landmarks


def distance(one: Landmark, other: Landmark) -> float:
    """Return how many seconds two landmarks are apart; as far as can be, if only one has a playhead."""
    if one.playhead is None or other.playhead is None:
        return 0.0 if one.playhead is other.playhead else CAP
    return abs(one.playhead - other.playhead)


def align(base: Sequence[Landmark], new: Sequence[Landmark], tolerance: float) -> list[Match]:
    """Pair the landmarks of two sessions side by side, in an order that both sides keep."""
    first = common_length(base, new, tolerance)
    last = common_length(base[first:][::-1], new[first:][::-1], tolerance)
    base_end, new_end = len(base) - last, len(new) - last
    pairs = cheapest_pairing(base[first:base_end], new[first:new_end], tolerance)

    def shift(number: int | None) -> int | None:
        return None if number is None else number + first

    middle = merge_unpaired(pairs, base[first:], new[first:])
    matches = [
        *(Match(place, place) for place in range(first)),
        *(Match(shift(one), shift(other)) for one, other in middle),
        *(Match(base_end + place, new_end + place) for place in range(last)),
    ]
    return list(mark_moved(matches, base, new))


def common_length(base: Sequence[Landmark], new: Sequence[Landmark], tolerance: float) -> int:
    """Return how many landmarks are the same on both sides before the first that is not."""
    pairs = enumerate(zip(base, new, strict=False))
    return next((place for place, pair in pairs if cost_of(*pair, tolerance)), min(len(base), len(new)))


def cost_of(one: Landmark, other: Landmark, tolerance: float) -> float:
    """Return the cost of pairing two landmarks; nothing, if they are the same."""
    if one.key.event_type != other.key.event_type:
        return _NEVER
    apart = distance(one, other)
    cost = 0.0 if apart <= tolerance else _FAR * min(apart / CAP, 1.0)
    if one.key != other.key:
        return _RENAMED if not cost else _NEVER
    if one.segment != other.segment:
        cost += _OTHER_SEGMENT
    return cost + (_UNLIKE if one.content != other.content else 0.0)


def cheapest_pairing(base: Sequence[Landmark], new: Sequence[Landmark], tolerance: float) -> list[Numbers]:
    """Return the cheapest pairing that keeps the order, as numbers on either side."""
    bands = [band_of(row, len(base), len(new)) for row in range(len(base) + 1)]
    low, high = bands[0]
    costs = [_ALONE * column for column in range(low, high + 1)]
    ways = [bytearray([_SKIP_NEW] * len(costs))]
    for one, (low, high), (next_low, next_high) in zip(base, bands, bands[1:], strict=False):
        padded = [_NEVER, *costs, *[_NEVER] * (next_high - high)][next_low - low :]
        costs, way = fill_row(one, new[max(next_low - 1, 0) : next_high], padded, next_low == 0, tolerance)
        ways.append(way)
    # Back from the table's end to its beginning.
    row, column = len(ways) - 1, bands[-1][1]
    pairs: list[Numbers] = []
    while row or column:
        step = ways[row][column - bands[row][0]]
        row, column = row - (step != _SKIP_NEW), column - (step != _SKIP_BASE)
        pairs.append((None if step == _SKIP_NEW else row, None if step == _SKIP_BASE else column))
    return pairs[::-1]


def fill_row(
    one: Landmark, others: Sequence[Landmark], above: Sequence[float], is_edge: bool, tolerance: float
) -> tuple[list[float], bytearray]:
    """Return a row of the table: the cost of getting to each cell, and the last step of the way there.

    Args:
        one: the row's landmark.
        others: the columns' landmarks; the first column has none where it `is_edge`.
        above: the row before, from one column further left.
        is_edge: whether the row begins at the table's edge.
        tolerance: as for `align`.
    """
    costs: list[float] = []
    way = bytearray()
    left = _NEVER
    for place, other in enumerate([None, *others] if is_edge else others):
        pair = _NEVER if other is None else above[place] + cost_of(one, other, tolerance)
        # Of equal costs the first wins: a pair, then a landmark of the base alone.
        left, step = left + _ALONE, _SKIP_NEW
        if (skip := above[place + 1] + _ALONE) <= left:
            left, step = skip, _SKIP_BASE
        if pair <= left:
            left, step = pair, _PAIR
        costs.append(left)
        way.append(step)
    return costs, way


def band_of(row: int, rows: int, columns: int) -> tuple[int, int]:
    """Return the first and the last column that are looked at in a row."""
    if not rows:
        return 0, columns
    centre, half = row * columns // rows, max(_LEAST_BAND, columns // rows + 1, _MOST_CELLS // (2 * rows))
    return max(0, centre - half), min(columns, centre + half)


def merge_unpaired(pairs: Sequence[Numbers], base: Sequence[Landmark], new: Sequence[Landmark]) -> Iterator[Numbers]:
    """Yield the same pairs; landmarks without a partner that follow each other are sorted by their playheads."""

    def playhead(numbers: Numbers) -> float:
        one, other = numbers
        landmark = base[one] if one is not None else new[other or 0]
        return landmark.playhead or 0.0

    for is_pair, run in groupby(pairs, key=lambda numbers: None not in numbers):
        listed = list(run)
        if is_pair:
            yield from listed
        else:
            sides = [numbers for numbers in listed if numbers[1] is None], [n for n in listed if n[0] is None]
            yield from merge(*sides, key=playhead)


def mark_moved(matches: Sequence[Match], base: Sequence[Landmark], new: Sequence[Landmark]) -> Iterator[Match]:
    """Yield the matches, with partners out of order for landmarks that are left over on both sides."""

    def name(landmark: Landmark) -> tuple[EventKey, object]:
        return landmark.key, landmark.segment

    free: dict[tuple[EventKey, object], list[int]] = {}
    for match in matches:
        if match.base is None and match.new is not None:
            free.setdefault(name(new[match.new]), []).append(match.new)
    partners: dict[int, int] = {}
    for match in matches:
        if match.new is None and match.base is not None and (left := free.get(name(base[match.base]))):
            partners[match.base] = left.pop(0)
    back = {other: one for one, other in partners.items()}
    for match in matches:
        if match.new is None and match.base in partners:
            yield Match(match.base, partners[match.base], "from")
        elif match.base is None and match.new in back:
            yield Match(back[match.new], match.new, "to")
        else:
            yield match
