"""Which session of one recording is which of the other.

Theory. A session is known by what identifies content and player, as in replay, and by how it came out where it never
was one: an attempt that the endpoint refused is no counterpart of a playback. Several equal ones are paired in the
order in which they began. Of what is left, sessions of the same content (the first thing that identifies it) are
paired, the most alike first: a player's new name, or a length that changed, is a difference to be shown, and no reason
to call a session missing.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

from tapehead.audit.results import Outcome, SessionResult
from tapehead.diff.differences import Scope
from tapehead.protocol.events import IDENTITY_KEYS, identity_of

# How many pairs are looked at for the most alike; more are paired in order.
_MOST_COMPARED = 100_000
_UNOPENED = (Outcome.REJECTED, Outcome.NO_ANSWER)


class Pair(NamedTuple):
    """Two sessions that belong together; one of them is None where there is no counterpart."""

    base: SessionResult | None
    new: SessionResult | None


class _Known(NamedTuple):
    """A session and what it is known by: its fate, then the values that identify it, the most telling first."""

    session: SessionResult
    name: tuple[Hashable, ...]


def pair_sessions(base: Iterable[SessionResult], new: Iterable[SessionResult], scope: Scope) -> list[Pair]:
    """The sessions of two recordings in pairs, in the order of the base; then those that only `new` has."""
    before, after = _sort(base, scope), _sort(new, scope)
    partners: dict[int, int] = {}
    for name, choose in ((_whole, _in_order), (_content, _most_alike)):
        _join(before, after, name, choose, partners)
    taken = set(partners.values())
    pairs = [
        Pair(known.session, after[partners[place]].session if place in partners else None)
        for place, known in enumerate(before)
    ]
    return [*pairs, *(Pair(None, known.session) for place, known in enumerate(after) if place not in taken)]


def _sort(sessions: Iterable[SessionResult], scope: Scope) -> list[_Known]:
    """The sessions in the order in which they began, with what each is known by."""
    began = sorted(sessions, key=lambda session: (session.started, session.recording, session.line))
    names: dict[str | None, tuple[Hashable, ...]] = {}
    known = []
    for session in began:
        # What comes late belongs to the content that its session began with.
        name = names.get(session.id) if session.outcome is Outcome.LATE else None
        name = name or _identity(session, scope)
        names.setdefault(session.id, name)
        known.append(_Known(session, (_fate(session), *name)))
    return known


def _identity(session: SessionResult, scope: Scope) -> tuple[Hashable, ...]:
    start = next((step.event.params for step in session.steps if step.event.type == "sessionStart"), {})
    values = zip(IDENTITY_KEYS, identity_of(start), strict=True)
    return tuple(value for key, value in values if not scope.ignores(key, f"params.{key}"))


def _fate(session: SessionResult) -> str:
    if session.outcome is Outcome.LATE:
        return "late"
    return "unopened" if session.outcome in _UNOPENED else "opened"


def _whole(known: _Known) -> Hashable:
    return known.name


def _content(known: _Known) -> Hashable:
    """What content it is; whether it is late, too, since that says what kind of thing it is."""
    return (known.name[0] == "late", *known.name[1:2])


Chooser = Callable[[Sequence[int], Sequence[int], Sequence[_Known], Sequence[_Known]], Iterable[tuple[int, int]]]


def _join(
    before: Sequence[_Known],
    after: Sequence[_Known],
    name: Callable[[_Known], Hashable],
    choose: Chooser,
    partners: dict[int, int],
) -> None:
    """Add to `partners` those of the sessions without one that have the same name."""
    taken = set(partners.values())
    waiting: dict[Hashable, list[int]] = {}
    for place, known in enumerate(after):
        if place not in taken:
            waiting.setdefault(name(known), []).append(place)
    asking: dict[Hashable, list[int]] = {}
    for place, known in enumerate(before):
        if place not in partners and name(known) in waiting:
            asking.setdefault(name(known), []).append(place)
    for shared, places in asking.items():
        partners.update(choose(places, waiting[shared], before, after))


def _in_order(
    ones: Sequence[int], others: Sequence[int], _before: Sequence[_Known], _after: Sequence[_Known]
) -> Iterable[tuple[int, int]]:
    return zip(ones, others, strict=False)


def _most_alike(
    ones: Sequence[int], others: Sequence[int], before: Sequence[_Known], after: Sequence[_Known]
) -> Iterable[tuple[int, int]]:
    if len(ones) * len(others) > _MOST_COMPARED:
        return _in_order(ones, others, before, after)

    def unlike(pair: tuple[int, int]) -> tuple[int, int, int]:
        one, other = before[pair[0]].name, after[pair[1]].name
        return sum(mine != theirs for mine, theirs in zip(one, other, strict=True)), *pair

    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for one, other in sorted(((one, other) for one in ones for other in others), key=unlike):
        if one not in chosen and other not in taken:
            chosen[one] = other
            taken.add(other)
    return chosen.items()
