"""Sessions of two recordings in pairs.

Theory. A session is known by the values that identify content and player, as in replay, and by its outcome where it
never was opened: an attempt that the endpoint refused is no counterpart of a playback. Several equal ones are paired
in the order in which they began. Of what is left, sessions of the same content (the first value that identifies it)
are paired, the most alike first: a player's new name, or a length that changed, is a difference to be shown, and no
reason to call a session missing.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

from tapehead.auditor.results import Outcome, SessionResult
from tapehead.comparison.differences import Scope
from tapehead.comparison.event_alignment import find_start
from tapehead.protocol.events import IDENTITY_KEYS, identity_of

# How many pairs are looked at for the most alike; more are paired in order.
MOST_COMPARED = 100_000


class Pair(NamedTuple):
    """Two sessions that belong together; one of them is None where there is no counterpart."""

    base: SessionResult | None
    new: SessionResult | None


class Begun(NamedTuple):
    """The data of a session by which it is sorted and paired.

    Attributes:
        when: when it began, in which recording, and on which line.
        id: its id.
        outcome: its outcome.
        identity: the values that identify it, the best first.
    """

    when: tuple[str, str, int]
    id: str | None
    outcome: Outcome
    identity: tuple[Hashable, ...]


class KnownSession(NamedTuple):
    """A session, by its number, with its name.

    Its name is whether it was opened, or is late, then the values that identify it, the best first.
    """

    number: int
    name: tuple[Hashable, ...]

    @property
    def content(self) -> Hashable:
        """The content, and whether the session is late, since that is another kind of thing."""
        return (self.name[0] == "late", *self.name[1:2])


Chooser = Callable[
    [Sequence[int], Sequence[int], Sequence[KnownSession], Sequence[KnownSession]], Iterable[tuple[int, int]]
]


def begun(session: SessionResult, scope: Scope) -> Begun:
    """Return what of a session sorts and pairs it."""
    start = find_start(session.steps)
    values = zip(IDENTITY_KEYS, identity_of(start.params if start else {}), strict=True)
    identity = tuple(value for key, value in values if not scope.ignores(key, f"params.{key}"))
    return Begun((session.started, session.recording, session.line), session.id, session.outcome, identity)


def pair_sessions(base: Sequence[Begun], new: Sequence[Begun]) -> list[tuple[int | None, int | None]]:
    """Return the numbers of the sessions of two recordings in pairs, in the order of the base; then those of `new`.

    A number is None where there is no counterpart.
    """
    before, after = sort_sessions(base), sort_sessions(new)
    partners: dict[int, int] = {}
    join(before, after, lambda known: known.name, pair_in_order, partners)
    join(before, after, lambda known: known.content, pair_most_alike, partners)
    taken = set(partners.values())
    pairs: list[tuple[int | None, int | None]] = [
        (known.number, after[partners[place]].number if place in partners else None)
        for place, known in enumerate(before)
    ]
    return [*pairs, *((None, known.number) for place, known in enumerate(after) if place not in taken)]


def sort_sessions(sessions: Sequence[Begun]) -> list[KnownSession]:
    """Return the sessions in the order in which they began, with their names."""
    identities: dict[str | None, tuple[Hashable, ...]] = {}
    fates = {Outcome.LATE_EVENTS: "late", Outcome.START_REFUSED: "unopened", Outcome.START_UNANSWERED: "unopened"}
    known = []
    for number in sorted(range(len(sessions)), key=lambda number: sessions[number].when):
        session = sessions[number]
        # Late events belong to the content that their session began with.
        identity = identities.get(session.id) if session.outcome is Outcome.LATE_EVENTS else None
        identity = identity or session.identity
        identities.setdefault(session.id, identity)
        known.append(KnownSession(number, (fates.get(session.outcome, "opened"), *identity)))
    return known


def join(
    before: Sequence[KnownSession],
    after: Sequence[KnownSession],
    name: Callable[[KnownSession], Hashable],
    choose: Chooser,
    partners: dict[int, int],
) -> None:
    """Add to `partners` those of the sessions without one that have the same name, paired by `choose`."""
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


def pair_in_order(
    ones: Sequence[int], others: Sequence[int], _before: Sequence[KnownSession], _after: Sequence[KnownSession]
) -> Iterable[tuple[int, int]]:
    """Pair sessions in the order in which they began."""
    return zip(ones, others, strict=False)


def pair_most_alike(
    ones: Sequence[int], others: Sequence[int], before: Sequence[KnownSession], after: Sequence[KnownSession]
) -> Iterable[tuple[int, int]]:
    """Pair sessions, the most alike first; very many in order."""
    if len(ones) * len(others) > MOST_COMPARED:
        return pair_in_order(ones, others, before, after)

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
