"""What two events say, key by key: `params`, `qoeData` and `customMetadata` compared.

Theory. Every key has one of four standings. A person's identifiers differ from viewer to viewer, and a version is what
a release changes: neither is a difference, a note at most. A measured number (quality, and whatever else stands in
qoeData) differs from run to run: only its being there and its type count. Seconds may be off by the tolerance.
Everything else has to be equal. How a number is spelt and in which order keys stand says nothing.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tapehead.diff.differences import Change, Scope
from tapehead.protocol.events import Event, as_number
from tapehead.protocol.keys import MEDIA_LIBRARY_VERSION, MEDIA_SDK_VERSION, METADATA, QUALITY, STATES_END, STATES_START
from tapehead.protocol.parameters import PARAMETERS
from tapehead.text import json_type

VERSIONS = frozenset({MEDIA_SDK_VERSION, MEDIA_LIBRARY_VERSION})
PERSONS = frozenset(row.key for row in PARAMETERS if row.person)
MEASURED = frozenset(row.key for row in PARAMETERS if row.section == QUALITY and "integer" in row.type)
SECONDS = frozenset(row.key for row in PARAMETERS if row.unit == "seconds")
# What is no difference whatever it says.
NEVER_COMPARED = PERSONS | VERSIONS
# In no order that means anything (reference: player state).
UNORDERED = frozenset({STATES_START, STATES_END})

_CLOSE = 1e-9


class KeyDifference(NamedTuple):
    """One key that differs between two events.

    Attributes:
        path: the object that it stands in and the key, such as `params.media.name`.
        change: what became of it.
        base, new: its values; None where it is not there.
        is_note: whether it is worth knowing, but no difference.
    """

    path: str
    change: Change
    base: Any
    new: Any
    is_note: bool = False


def sections_of(event: Event) -> dict[str, Mapping[str, Any]]:
    """The objects with keys of an event, by their names on the wire."""
    return {"params": event.params, QUALITY: event.quality, METADATA: event.metadata}


def compare_payloads(base: Event, new: Event, scope: Scope) -> Iterator[KeyDifference]:
    """The keys that differ between two events, in the order of their names."""
    others = sections_of(new)
    for section, values in sections_of(base).items():
        for key in sorted({*values, *others[section]}):
            if not scope.ignores(key, f"{section}.{key}"):
                yield from _compare(section, key, values, others[section], scope)


def _compare(
    section: str, key: str, base: Mapping[str, Any], new: Mapping[str, Any], scope: Scope
) -> Iterator[KeyDifference]:
    path, before, after = f"{section}.{key}", base.get(key), new.get(key)
    is_note = key in NEVER_COMPARED
    if key not in new:
        yield KeyDifference(path, Change.PARAMETER_REMOVED, before, None, is_note)
    elif key not in base:
        yield KeyDifference(path, Change.PARAMETER_ADDED, None, after, is_note)
    elif json_type(before) != json_type(after):
        yield KeyDifference(path, Change.PARAMETER_RETYPED, before, after, is_note)
    elif key not in PERSONS and not _agree(section, key, before, after, scope):
        yield KeyDifference(path, Change.PARAMETER_CHANGED, before, after, is_note)


def _agree(section: str, key: str, before: object, after: object, scope: Scope) -> bool:
    """Whether two values of one type are the same as far as their key cares."""
    one, other = as_number(before), as_number(after)
    if one is not None and other is not None:
        is_measured = section == QUALITY or key in MEASURED
        return is_measured or same_value(one, other) or (key in SECONDS and abs(one - other) <= scope.tolerance)
    return same_value(before, after, ordered=key not in UNORDERED)


def same_value(one: object, other: object, *, ordered: bool = True) -> bool:
    """Whether two JSON values are equal, numbers by their value; without `ordered`, arrays as bags."""
    if isinstance(one, list) and isinstance(other, list) and not ordered:
        return Counter(map(_print, one)) == Counter(map(_print, other))
    before, after = _leaves(one), _leaves(other)
    return before.keys() == after.keys() and all(_same_leaf(before[path], after[path]) for path in before)


def _print(value: object) -> str:
    return repr(sorted(_leaves(value).items(), key=repr))


def _same_leaf(one: object, other: object) -> bool:
    if json_type(one) != json_type(other):
        return False
    before, after = as_number(one), as_number(other)
    if before is None or after is None:
        return one == other
    return before == after or math.isclose(before, after, rel_tol=_CLOSE)


def _leaves(value: object) -> dict[tuple[str | int, ...], object]:
    """What is in a value that holds no other, by the way to it; without recursion, since depth is up to the sender."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), value)]
    leaves: dict[tuple[str | int, ...], object] = {}
    while waiting:
        path, held = waiting.pop()
        if isinstance(held, dict) and held:
            waiting += [((*path, key), each) for key, each in held.items()]
        elif isinstance(held, list) and held:
            waiting += [((*path, place), each) for place, each in enumerate(held)]
        else:
            leaves[path] = held
    return leaves


def compare_pings(base: Sequence[Event], new: Sequence[Event], scope: Scope) -> Iterator[KeyDifference]:
    """The keys that pings have on one side, and on the other no ping, or another type of; values are not compared.

    A key counts that at least half of the pings have: others are sent when something happened.
    """
    if not base or not new:
        return
    before, after = _types(base), _types(new)
    for path in sorted({*before, *after}):
        had, has = before.get(path, Counter()), after.get(path, Counter())
        key = path.partition(".")[2]
        if scope.ignores(key, path):
            continue
        is_note = key in NEVER_COMPARED
        if not has and had.total() * 2 >= len(base):
            yield KeyDifference(path, Change.PARAMETER_REMOVED, _commonest(had), None, is_note)
        elif not had and has.total() * 2 >= len(new):
            yield KeyDifference(path, Change.PARAMETER_ADDED, None, _commonest(has), is_note)
        elif had and has and had.keys().isdisjoint(has):
            yield KeyDifference(path, Change.PARAMETER_RETYPED, _commonest(had), _commonest(has), is_note)


def _types(pings: Iterable[Event]) -> dict[str, Counter[str]]:
    """How many pings have each key with each type, by the key's path."""
    found: dict[str, Counter[str]] = {}
    for ping in pings:
        for section, values in sections_of(ping).items():
            for key, value in values.items():
                found.setdefault(f"{section}.{key}", Counter())[json_type(value)] += 1
    return found


def _commonest(types: Counter[str]) -> str:
    return types.most_common(1)[0][0]
