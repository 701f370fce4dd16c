"""A tracking plan: the event types, parameters, customMetadata keys and moves that recordings should exercise.

The plan is the documented API, or what a company's settings expect of its own events. Then only what these name is
planned: the event types with a schema or with required metadata, the keys that the schemas name, and the moves that
these event types make.

Of the session machine, the transitions without a violation are planned, between states that a sound session can be
in. A parameter that the documents place or spell in two ways is planned once, and either way exercises it.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tapehead.auditor.settings import AuditSettings
from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.parameters import ANY as ANY_TYPE
from tapehead.protocol.parameters import PARAMETERS, Parameter, belongs
from tapehead.protocol.schema_limits import resolve
from tapehead.protocol.schemas import Schema
from tapehead.protocol.transitions import ANY, TABLE, TIMEOUT, AdBreak, Life, Part, Switch

ANY_EVENT = "any event"
DOCUMENTED, EXPECTED = "the documented API", "the settings' expectations"
# States that only mistakes and unrecorded beginnings lead to.
UNSOUND = frozenset({AdBreak.DOUBLED, AdBreak.MISSING, AdBreak.UNSURE, Part.DOUBLED, Part.UNSURE, Switch.UNSURE})


class ItemKind(StrEnum):
    """The kinds of items in a plan."""

    EVENT_TYPES = "event types"
    PARAMETERS = "parameters"
    METADATA = "metadata keys"
    MOVES = "moves"


class Item(NamedTuple):
    """One thing that can be exercised.

    Attributes:
        kind: what it is.
        of: of a parameter or a key its event type, or ANY_EVENT; of a move its machine; else empty.
        part: of a parameter or a key its section; of a move the state before it; else empty.
        name: the event type, the key, or the event that moves.
    """

    kind: ItemKind
    of: str
    part: str
    name: str

    @property
    def label(self) -> str:
        """The name in reports, which show `of` next to it."""
        if self.kind is ItemKind.MOVES:
            return f"{self.part} + {self.name}"
        return f"{keys.QUALITY}.{self.name}" if self.part == keys.QUALITY else self.name


# Spellings of the page on error events alone, and what the table of parameters has for them.
_SPELLINGS = {keys.ERROR_ID_TOO: keys.ERROR_ID, keys.ERROR_SOURCE_TOO: keys.ERROR_SOURCE}


def find_alternatives() -> dict[tuple[str, str], tuple[str, str]]:
    """Return the second places (section and key) of parameters, each with the first place."""
    first: dict[str, tuple[str, str]] = {}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for row in PARAMETERS:
        place, main = (row.section, row.key), first.setdefault(_SPELLINGS.get(row.key, row.key), (row.section, row.key))
        if place != main:
            found[place] = main
    return found


_ALTERNATIVES = find_alternatives()
_ROWS: dict[tuple[str, str], Parameter] = {(row.section, row.key): row for row in PARAMETERS}


class TrackingPlan(NamedTuple):
    """The planned items.

    Attributes:
        name: the source of the plan.
        items: the planned items, in the order of reports.
    """

    name: str
    items: Mapping[Item, None]

    def find(self, item: Item) -> Item:
        """Return the planned item that `item`, as a player sent it, exercises; `item` itself if there is none."""
        main, place = item, (item.part, item.name)
        if item.kind is ItemKind.PARAMETERS and place in _ALTERNATIVES and belongs(_ROWS[place], item.of):
            part, name = _ALTERNATIVES[place]
            main = item._replace(part=part, name=name)
        anywhere = [each._replace(of=ANY_EVENT) for each in (item, main) if item.of in EVENT_TYPES]
        return next((option for option in (item, main, *anywhere) if option in self.items), item)


def plan_of(settings: AuditSettings) -> TrackingPlan:
    """Return the plan by the settings: their expectations, or the documented API if they have none."""
    if not (settings.expect or settings.metadata):
        return TrackingPlan(DOCUMENTED, dict.fromkeys(documented_items()))
    return TrackingPlan(EXPECTED, dict.fromkeys(expected_items(settings)))


def documented_items() -> Iterator[Item]:
    """Yield the items of the documented API."""
    yield from (Item(ItemKind.EVENT_TYPES, "", "", name) for name in EVENT_TYPES)
    rows = [row for row in PARAMETERS if (row.section, row.key) not in _ALTERNATIVES]
    for event_type in (*EVENT_TYPES, ANY_EVENT):
        on = ANY_TYPE[0] if event_type == ANY_EVENT else event_type
        yield from (Item(ItemKind.PARAMETERS, event_type, row.section, row.key) for row in rows if on in row.on)
    yield from moves_by(EVENT_TYPES)


def expected_items(settings: AuditSettings) -> Iterator[Item]:
    """Yield the items that settings expect."""
    event_types = [name for name in EVENT_TYPES if name in settings.expect or name in settings.metadata]
    yield from (Item(ItemKind.EVENT_TYPES, "", "", name) for name in event_types)
    for event_type in event_types:
        schema = settings.expect.get(event_type, {})
        for section in ("params", keys.QUALITY):
            yield from (Item(ItemKind.PARAMETERS, event_type, section, key) for key in named_in(schema, section))
        expected = [*settings.metadata.get(event_type, ()), *named_in(schema, keys.METADATA)]
        yield from (Item(ItemKind.METADATA, event_type, keys.METADATA, key) for key in expected)
    yield from moves_by(event_types)


def moves_by(event_types: Iterable[str]) -> Iterator[Item]:
    """Yield the moves of the table that these event types make in sound sessions."""
    known = frozenset(event_types)
    for machine, rows in TABLE.items():
        for state, row in rows.items():
            made = (event for event, move in row.items() if not move.violation and event != TIMEOUT)
            # A session opens by sessionStart; whatever else the table takes there is for broken recordings.
            events = ["sessionStart"] if state is Life.UNOPENED else [event for event in made if event != ANY]
            if state not in UNSOUND and state is not Life.ENDED:
                yield from (Item(ItemKind.MOVES, machine, state, event) for event in events if event in known)


def named_in(schema: Schema, section: str) -> list[str]:
    """Return the keys that a schema of an event names in a section of the body, in its own order.

    References and combined schemas are followed; keys that a schema forbids are left out.
    """
    found: dict[str, None] = {}
    for whole in applied_schemas(schema, schema, frozenset()):
        inner = _table(whole, "properties").get(section)
        for part in applied_schemas(inner, schema, frozenset()):
            found |= dict.fromkeys(key for key, value in _table(part, "properties").items() if value is not False)
            required = part.get("required")
            listed = required if isinstance(required, list) else ()
            found |= dict.fromkeys(key for key in listed if isinstance(key, str))
    return list(found)


_COMBINED = ("allOf", "anyOf", "oneOf")
_CONDITIONAL = ("if", "then", "else")


def applied_schemas(schema: object, root: Schema, seen: frozenset[str]) -> Iterator[Schema]:
    """Yield a schema and those that apply to the same value by its references and combinations."""
    if not isinstance(schema, dict):
        return
    yield schema
    inner = [schema[key] for key in _CONDITIONAL if key in schema]
    inner += [each for key in _COMBINED if isinstance(schema.get(key), list) for each in schema[key]]
    for each in inner:
        yield from applied_schemas(each, root, seen)
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        yield from applied_schemas(resolve(root, reference), root, seen | {reference})


def _table(schema: Schema, key: str) -> dict[str, Any]:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}
