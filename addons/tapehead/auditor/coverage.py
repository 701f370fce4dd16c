"""Coverage of a tracking plan: the items that recordings exercised, those that they did not, and those in no plan.

Only counts are kept, not sessions: memory depends on the plan, and of the items in no plan only the first of each kind
are kept. An item is exercised when a player sent it, whatever its value; wrong values are reported by rules.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from tapehead.auditor.results import Outcome, SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.tracking_plan import UNSOUND, Item, ItemKind, plan_of
from tapehead.protocol import keys
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step, table_cells_of
from tapehead.protocol.transitions import ANY, TABLE, Life, Playback, find_transition
from tapehead.rules.catalog import VIOLATION_RULES

# Of each kind, the items in no plan that are kept.
MOST_BEYOND = 500
MOST_CHARACTERS = 200
# Outcomes of sessions whose events made no moves.
_STILL = (Outcome.LATE_EVENTS, Outcome.START_REFUSED, Outcome.START_UNANSWERED)


class First(NamedTuple):
    """The time (milliseconds since 1970), recording and line in which an item was sent first."""

    arrived_ms: float
    recording: str
    line: int


class Exercised(NamedTuple):
    """The number of times that an item was sent, and where it was first."""

    times: int
    first: First


class Sighting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a recording."""

    recording: str
    line: int


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """An item with the number of times that it was sent.

    Attributes:
        of, part, name, label: as in `tapehead.auditor.tracking_plan.Item`.
        count: how often it was sent.
        first: where it was sent first; None if never.
        rule: of a move, the rule that it breaks; empty if none.
    """

    of: str
    part: str
    name: str
    label: str
    count: int
    first: Sighting | None
    rule: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The planned items of one event type or of one machine, which is the name; percent is of those planned."""

    name: str
    planned: int
    exercised: int
    percent: float
    items: tuple[Covered, ...]


class KindCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage of one kind of item.

    Attributes:
        kind: the kind of item.
        planned, exercised: how many items.
        percent: exercised of planned, 0 to 100; None where nothing is planned.
        groups: the planned items by what they are of.
        beyond: the items that were sent and are in no plan.
        dropped: how often items of that kind were sent that are neither planned nor in `beyond`.
    """

    kind: ItemKind
    planned: int
    exercised: int
    percent: float | None
    groups: tuple[Group, ...]
    beyond: tuple[Covered, ...]
    dropped: int


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage of the plan named `plan`: of all its items, in per cent if there are any, and by kind of item."""

    plan: str
    planned: int
    exercised: int
    percent: float | None
    kinds: tuple[KindCoverage, ...]

    def report(self) -> dict[str, Any]:
        """Return the report as plain objects, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Coverage:
    """A counter of the items that sessions exercise.

    Args:
        settings: the settings; the plan is made of their expectations, or of the documented API without any.
    """

    def __init__(self, settings: AuditSettings | None = None) -> None:
        self._plan = plan_of(settings or AuditSettings())
        self._counts: Counter[Item] = Counter(dict.fromkeys(self._plan.items, 0))
        self._found: dict[Item, Item] = {}
        self._first: dict[Item, First] = {}
        self._beyond: Counter[ItemKind] = Counter()
        self._dropped: Counter[ItemKind] = Counter()

    def add(self, result: SessionResult) -> None:
        """Count what one session sent."""
        for sent, exercised in exercised_items(result).items():
            self.count(sent, exercised)

    def watch(self, results: Iterable[SessionResult]) -> Iterator[SessionResult]:
        """Yield the results, counting each."""
        for result in results:
            self.add(result)
            yield result

    def report(self) -> CoverageReport:
        """Return the coverage by the results so far."""
        kinds = tuple(map(self._kind, ItemKind))
        planned, exercised = sum(kind.planned for kind in kinds), sum(kind.exercised for kind in kinds)
        return CoverageReport(
            plan=self._plan.name,
            planned=planned,
            exercised=exercised,
            percent=percentage(exercised, planned) if planned else None,
            kinds=kinds,
        )

    def count(self, sent: Item, exercised: Exercised) -> None:
        """Count an item that one session sent."""
        item = self._found.get(sent)
        if item is None:
            item = self._plan.find(sent)
            if item in self._plan.items:  # others are too many to remember
                self._found[sent] = item
        if item not in self._counts:
            if self._beyond[item.kind] >= MOST_BEYOND:
                self._dropped[item.kind] += exercised.times
                return
            self._beyond[item.kind] += 1
        self._counts[item] += exercised.times
        if item not in self._first or exercised.first < self._first[item]:
            self._first[item] = exercised.first

    def _kind(self, kind: ItemKind) -> KindCoverage:
        planned = [item for item in self._plan.items if item.kind is kind]
        beyond = [item for item in self._counts if item.kind is kind and item not in self._plan.items]
        exercised = sum(self._counts[item] > 0 for item in planned)
        return KindCoverage(
            kind=kind,
            planned=len(planned),
            exercised=exercised,
            percent=percentage(exercised, len(planned)) if planned else None,
            groups=tuple(self._group(name, planned) for name in dict.fromkeys(item.of for item in planned)),
            beyond=tuple(self._covered(item) for item in sorted(beyond)),
            dropped=self._dropped[kind],
        )

    def _group(self, name: str, planned: Iterable[Item]) -> Group:
        items = tuple(self._covered(item) for item in planned if item.of == name)
        exercised = sum(item.count > 0 for item in items)
        percent = percentage(exercised, len(items))
        return Group(name=name, planned=len(items), exercised=exercised, percent=percent, items=items)

    def _covered(self, item: Item) -> Covered:
        first = self._first.get(item)
        return Covered(
            of=item.of,
            part=item.part,
            name=item.name,
            label=item.label,
            count=self._counts[item],
            first=Sighting(first.recording, first.line) if first else None,
            rule=violated_rule(item),
        )


def percentage(exercised: int, planned: int) -> float:
    """Return the share of exercised items, 0 to 100, with one decimal."""
    return round(100 * exercised / planned, 1)


def violated_rule(item: Item) -> str:
    """Return the id of the rule that a move breaks; empty for allowed moves and for other items."""
    if item.kind is not ItemKind.MOVES:
        return ""
    state = next(state for state in TABLE[item.of] if state == item.part)
    violation = find_transition(item.of, state, item.name).violation
    return VIOLATION_RULES[violation].id if violation else ""


def exercised_items(result: SessionResult) -> dict[Item, Exercised]:
    """Return the items that one session sent."""
    still = result.outcome in _STILL
    counts: Counter[Item] = Counter()
    first: dict[Item, First] = {}
    for step in result.steps:
        place = First(step.event.arrived_ms, step.event.recording, step.event.line)
        for sent in (*body_items(step.event), *(() if still else moves_of(step))):
            counts[sent] += 1
            first[sent] = min(first.get(sent, place), place)
    return {sent: Exercised(count, first[sent]) for sent, count in counts.items()}


def body_items(event: Event) -> Iterator[Item]:
    """Yield the event type, parameters and metadata keys of an event's body."""
    if event.type is None:
        return
    name = event.type[:MOST_CHARACTERS]
    yield Item(ItemKind.EVENT_TYPES, "", "", name)
    for section, part in (("params", event.params), (keys.QUALITY, event.quality)):
        yield from (Item(ItemKind.PARAMETERS, name, section, key[:MOST_CHARACTERS]) for key in part)
    yield from (Item(ItemKind.METADATA, name, keys.METADATA, key[:MOST_CHARACTERS]) for key in event.metadata)


def moves_of(step: Step) -> Iterator[Item]:
    """Yield the moves that an event made, except from states that the recording does not show."""
    for machine, state, event_type in table_cells_of(step.before, step.event):
        row = TABLE[machine][state]
        guessed = step.before.late and state in (Life.UNOPENED, Playback.STARTING)
        if (event_type in row or ANY in row) and state not in UNSOUND and not guessed:
            yield Item(ItemKind.MOVES, machine, state, event_type[:MOST_CHARACTERS])
