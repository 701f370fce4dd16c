"""Coverage of a tracking plan: what recordings exercised of it, what never, and what they have beyond it.

It takes the audit's results one by one and keeps counts, not sessions: memory goes by the plan, and of what is in no
plan only the first items of each kind are kept. A thing is exercised when a player sent it, whatever the value; wrong
values are for the rules.
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
# Results whose events moved no session.
_STILL = (Outcome.LATE, Outcome.REJECTED, Outcome.NO_ANSWER)


class First(NamedTuple):
    """Where something was sent first: when (milliseconds since 1970), and in which line of which recording."""

    arrived_ms: float
    recording: str
    line: int


class Sighting(msgspec.Struct, frozen=True, omit_defaults=True):
    """The recording and the line where something is."""

    recording: str
    line: int


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """One item with what became of it.

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
    """The coverage of one kind of things.

    Attributes:
        kind: what it is about.
        planned, exercised: how many items.
        percent: exercised of planned, 0 to 100; None where nothing is planned.
        groups: the planned items by what they are of.
        beyond: what was sent and is in no plan.
        dropped: how many more times something of that kind was sent that is not in `beyond`.
    """

    kind: ItemKind
    planned: int
    exercised: int
    percent: float | None
    groups: tuple[Group, ...]
    beyond: tuple[Covered, ...]
    dropped: int


class CoverageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What recordings cover of a plan; `plan` says which."""

    plan: str
    kinds: tuple[KindCoverage, ...]

    def report(self) -> dict[str, Any]:
        """The same as plain objects, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class Coverage:
    """Counts what sessions exercise.

    Args:
        settings: what users set; the plan is theirs if it has expectations, else the documented API.
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
        still = result.outcome in _STILL
        for step in result.steps:
            first = First(step.event.arrived_ms, step.event.recording, step.event.line)
            for sent in (*_said(step.event), *(() if still else _moved(step))):
                self._count(self._find(sent), first)

    def watch(self, results: Iterable[SessionResult]) -> Iterator[SessionResult]:
        """The same results, counted as they pass."""
        for result in results:
            self.add(result)
            yield result

    def report(self) -> CoverageReport:
        """What was exercised so far."""
        return CoverageReport(plan=self._plan.name, kinds=tuple(map(self._kind, ItemKind)))

    def _find(self, sent: Item) -> Item:
        """The item that `sent` counts for; those in the plan are remembered, which are not many."""
        found = self._found.get(sent)
        if found is None:
            found = self._plan.find(sent)
            if found in self._plan.items:
                self._found[sent] = found
        return found

    def _count(self, item: Item, first: First) -> None:
        if item not in self._counts:
            if self._beyond[item.kind] >= MOST_BEYOND:
                self._dropped[item.kind] += 1
                return
            self._beyond[item.kind] += 1
        self._counts[item] += 1
        if item not in self._first or first < self._first[item]:
            self._first[item] = first

    def _kind(self, kind: ItemKind) -> KindCoverage:
        planned = [item for item in self._plan.items if item.kind is kind]
        beyond = [item for item in self._counts if item.kind is kind and item not in self._plan.items]
        exercised = sum(self._counts[item] > 0 for item in planned)
        return KindCoverage(
            kind=kind,
            planned=len(planned),
            exercised=exercised,
            percent=_percent(exercised, len(planned)) if planned else None,
            groups=tuple(self._group(name, planned) for name in dict.fromkeys(item.of for item in planned)),
            beyond=tuple(self._covered(item) for item in sorted(beyond)),
            dropped=self._dropped[kind],
        )

    def _group(self, name: str, planned: Iterable[Item]) -> Group:
        items = tuple(self._covered(item) for item in planned if item.of == name)
        exercised = sum(item.count > 0 for item in items)
        percent = _percent(exercised, len(items))
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
            rule=_rule_of(item),
        )


def _percent(exercised: int, planned: int) -> float:
    return round(100 * exercised / planned, 1)


def _rule_of(item: Item) -> str:
    """The rule that a move breaks; empty for moves that are fine, and for other things."""
    if item.kind is not ItemKind.MOVES:
        return ""
    state = next(state for state in TABLE[item.of] if state == item.part)
    violation = find_transition(item.of, state, item.name).violation
    return VIOLATION_RULES[violation].id if violation else ""


def _said(event: Event) -> Iterator[Item]:
    """What an event's body has."""
    if event.type is None:
        return
    name = event.type[:MOST_CHARACTERS]
    yield Item(ItemKind.EVENT_TYPES, "", "", name)
    for section, part in (("params", event.params), (keys.QUALITY, event.quality)):
        yield from (Item(ItemKind.PARAMETERS, name, section, key[:MOST_CHARACTERS]) for key in part)
    yield from (Item(ItemKind.METADATA, name, keys.METADATA, key[:MOST_CHARACTERS]) for key in event.metadata)


def _moved(step: Step) -> Iterator[Item]:
    """The moves of the table that an event made; not those from a state that the recording does not tell."""
    for machine, state, event_type in table_cells_of(step.before, step.event):
        row = TABLE[machine][state]
        guessed = step.before.late and state in (Life.UNOPENED, Playback.STARTING)
        if (event_type in row or ANY in row) and state not in UNSOUND and not guessed:
            yield Item(ItemKind.MOVES, machine, state, event_type[:MOST_CHARACTERS])
