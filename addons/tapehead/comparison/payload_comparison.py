"""The payloads of two events, compared key by key: `params`, `qoeData` and `customMetadata`.

Theory. Every key has one of four standings. A person's identifiers differ from viewer to viewer, and a version is what
a release changes: neither is a difference, a note at most. A measured number (quality, and whatever else stands in
qoeData) differs from run to run: only its presence and its type count. Seconds may be off by the tolerance.
Everything else has to be equal. The spelling of numbers and the order of keys do not matter.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tapehead.comparison.differences import Change, Scope
from tapehead.protocol.events import Event, as_number
from tapehead.protocol.keys import (
    MEDIA_LIBRARY_VERSION,
    MEDIA_SDK_VERSION,
    METADATA,
    PARAMS,
    QUALITY,
    STATES_END,
    STATES_START,
)
from tapehead.protocol.parameters import PARAMETERS
from tapehead.text import json_type

VERSIONS = frozenset({MEDIA_SDK_VERSION, MEDIA_LIBRARY_VERSION})
PERSONS = frozenset(row.key for row in PARAMETERS if row.person)
MEASURED = frozenset(row.key for row in PARAMETERS if row.section == QUALITY and "integer" in row.type)
SECONDS = frozenset(row.key for row in PARAMETERS if row.unit == "seconds")
# Keys whose values are never a difference.
NEVER_COMPARED = PERSONS | VERSIONS
# Arrays without an order (reference: player state).
UNORDERED = frozenset({STATES_START, STATES_END})

_CLOSE = 1e-9
# The types of values that hold no others.
_PLAIN = frozenset({str, int, float, bool, type(None)})


class KeyDifference(NamedTuple):
    """One key that differs between two events.

    Attributes:
        path: its object and the key, such as `params.media.name`.
        change: the kind of difference.
        base, new: its values; None where it is not there.
        is_note: whether it is worth knowing, but no difference.
    """

    path: str
    change: Change
    base: Any
    new: Any
    is_note: bool = False


def compare_payloads(base: Event, new: Event, scope: Scope) -> Iterator[KeyDifference]:
    """Yield the keys that differ between two events, in the order of their names."""
    others = payload_sections(new)
    for section, values in payload_sections(base).items():
        for key in sorted({*values, *others[section]}):
            if not scope.ignores(key, f"{section}.{key}"):
                yield from compare_key(section, key, values, others[section], scope)


def payload_sections(event: Event) -> dict[str, Mapping[str, Any]]:
    """Return the objects with keys of an event, by their names on the wire."""
    return {PARAMS: event.params, QUALITY: event.quality, METADATA: event.metadata}


def compare_key(
    section: str, key: str, base: Mapping[str, Any], new: Mapping[str, Any], scope: Scope
) -> Iterator[KeyDifference]:
    """Yield the difference between the values of a key, if there is one."""
    before, after = base.get(key), new.get(key)
    if key in base and key in new and is_equal(before, after):
        return
    path, is_note = f"{section}.{key}", key in NEVER_COMPARED
    if key not in new:
        yield KeyDifference(path, Change.PARAMETER_REMOVED, before, None, is_note)
    elif key not in base:
        yield KeyDifference(path, Change.PARAMETER_ADDED, None, after, is_note)
    elif json_type(before) != json_type(after):
        yield KeyDifference(path, Change.PARAMETER_RETYPED, before, after, is_note)
    elif key not in PERSONS and not same_by_key(section, key, before, after, scope):
        yield KeyDifference(path, Change.PARAMETER_CHANGED, before, after, is_note)


def same_by_key(section: str, key: str, before: object, after: object, scope: Scope) -> bool:
    """Return whether two values of one type agree by the standing of their key."""
    one, other = as_number(before), as_number(after)
    if one is not None and other is not None:
        is_measured = section == QUALITY or key in MEASURED
        return is_measured or same_value(one, other) or (key in SECONDS and abs(one - other) <= scope.tolerance)
    return same_value(before, after, ordered=key not in UNORDERED)


def same_value(one: object, other: object, *, ordered: bool = True) -> bool:
    """Return whether two JSON values are equal, numbers by their value; without `ordered`, arrays as bags."""
    if is_equal(one, other):
        return True
    if isinstance(one, list) and isinstance(other, list) and not ordered:
        bags = (Counter(repr(sorted(leaves_of(item).items(), key=repr)) for item in items) for items in (one, other))
        return next(bags) == next(bags)
    before, after = leaves_of(one), leaves_of(other)
    return before.keys() == after.keys() and all(same_leaf(before[path], after[path]) for path in before)


def is_equal(one: object, other: object) -> bool:
    """Return whether two values are surely the same: of one type that holds no others, and equal; most are."""
    return type(one) is type(other) and type(one) in _PLAIN and one == other


def same_leaf(one: object, other: object) -> bool:
    """Return whether two values that hold no others are equal, numbers as close as floats can tell."""
    if json_type(one) != json_type(other):
        return False
    before, after = as_number(one), as_number(other)
    if before is None or after is None:
        return one == other
    return before == after or math.isclose(before, after, rel_tol=_CLOSE)


def leaves_of(value: object) -> dict[tuple[str | int, ...], object]:
    """Return the values that hold no others, by path; without recursion, since the sender chooses the depth."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    leaves: dict[tuple[str | int, ...], object] = {}
    while waiting:
        path, held = waiting.pop()
        if isinstance(held, dict) and held:
            waiting += [((*path, key), inner) for key, inner in held.items()]
        elif isinstance(held, list) and held:
            waiting += [((*path, index), inner) for index, inner in enumerate(held)]
        else:
            leaves[path] = held
    return leaves


def compare_ping_payloads(base: Sequence[Event], new: Sequence[Event], scope: Scope) -> Iterator[KeyDifference]:
    """Yield the keys that only the pings of one side have, or with another type; values are not compared.

    A key counts that at least half of the pings have: others are sent when something happened.
    """
    if not base or not new:
        return

    def commonest(types: Counter[str]) -> str:
        return types.most_common(1)[0][0]

    before, after = count_types(base), count_types(new)
    for path in sorted({*before, *after}):
        had, has = before.get(path, Counter()), after.get(path, Counter())
        key = path.partition(".")[2]
        if scope.ignores(key, path):
            continue
        is_note = key in NEVER_COMPARED
        if not has and had.total() * 2 >= len(base):
            yield KeyDifference(path, Change.PARAMETER_REMOVED, commonest(had), None, is_note)
        elif not had and has.total() * 2 >= len(new):
            yield KeyDifference(path, Change.PARAMETER_ADDED, None, commonest(has), is_note)
        elif had and has and had.keys().isdisjoint(has):
            yield KeyDifference(path, Change.PARAMETER_RETYPED, commonest(had), commonest(has), is_note)


def count_types(pings: Iterable[Event]) -> dict[str, Counter[str]]:
    """Return how many pings have each key with each type, by the key's path."""
    counts: dict[str, Counter[str]] = {}
    for ping in pings:
        for section, values in payload_sections(ping).items():
            for key, value in values.items():
                counts.setdefault(f"{section}.{key}", Counter())[json_type(value)] += 1
    return counts
