"""Limits of validation: the size and depth of schemas, the number of values checked in a body.

Schemas come from endpoints, recordings and files, bodies from any player. The validator itself has no limits: it lists
every error of a body, follows references to any depth, and takes time that doubles with each level of a schema that
refers to itself. Events are flat, so none of that is needed.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, takewhile
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin

# Subschemas and listed values of a schema, with every reference followed; and the depth of their nesting.
MOST_PARTS = 5_000
MOST_LEVELS = 100
# Values of a body times parts of its schema. Of larger bodies, only some of the values not in the schema are checked.
MOST_CHECKS = 50_000
LEAST_VALUES, MOST_VALUES = 100, 1_000

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_DEFINITIONS = ("definitions", "$defs")
_MAPS = ("properties", "patternProperties", "dependencies", "dependentSchemas")
_DATA = ("enum", "const", "default", "examples")
# The validator's own base URL for a schema without an id.
_NOWHERE = "http://json-schema/"
_INDEX = re.compile(r"[0-9]{1,9}")


class _Extent(NamedTuple):
    """The number of parts and of levels of a schema."""

    parts: int
    levels: int


def count_parts(schema: Mapping[str, Any], id_key: str) -> int:
    """Return the number of subschemas and listed values in a schema, with every reference followed.

    Args:
        schema: the schema.
        id_key: the keyword that gives a schema an id.

    Raises:
        ValueError: there are too many, or a reference is circular; or a subschema has an id, which changes the meaning
            of references.
    """
    return SchemaSize(schema, id_key).of(schema).parts


class SchemaSize:
    """The size of a schema and of what it refers to, each part counted once."""

    def __init__(self, root: Mapping[str, Any], id_key: str) -> None:
        self._root = root
        self._id_key = id_key
        self._known: dict[int, _Extent] = {}
        self._anchors: dict[str, list[Mapping[str, Any]]] = {}
        for part in _all_parts(root):
            self._refuse_id(part)
            for key in _ANCHORS:
                if isinstance(anchor := part.get(key), str):
                    self._anchors.setdefault(anchor, []).append(part)

    def of(self, part: Mapping[str, Any], level: int = 0) -> _Extent:
        """Return the extent of a part of the schema that is nested at `level`."""
        extent = self._known.get(id(part))
        if extent is None:
            self._refuse_id(part)
            children = chain(_parts(part), self._targets(part)) if level <= MOST_LEVELS else ()
            extents = [self.of(each, level + 1) for each in children]
            listed = sum(len(part[key]) for key in ("enum", "required") if isinstance(part.get(key), list))
            levels = 1 + max((each.levels for each in extents), default=0)
            extent = _Extent(1 + listed + sum(each.parts for each in extents), levels)
        if level + extent.levels > MOST_LEVELS:
            raise ValueError(f"it nests deeper than {MOST_LEVELS} levels, or refers to itself")
        if extent.parts > MOST_PARTS:
            raise ValueError(f"it has more than {MOST_PARTS} parts, with its references followed")
        self._known[id(part)] = extent
        return extent

    def _refuse_id(self, part: Mapping[str, Any]) -> None:
        if part is not self._root and isinstance(part.get(self._id_key), str):
            raise ValueError(f"a schema inside it has an {self._id_key} of its own; expected one for the whole")

    def _targets(self, part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the schemas that `part` refers to inside the root; the validator rejects other references."""
        for reference in (part[key] for key in _REFERENCES if isinstance(part.get(key), str)):
            document, _, place = reference.partition("#")
            if self._url_of(document) == self._url_of(""):
                targets = [resolve(self._root, f"#{place}"), *self._anchors.get(unquote(place), ())]
                yield from (each for each in targets if isinstance(each, dict))

    def _url_of(self, document: str) -> str:
        """Return the URL of a reference's document, resolved against the schema's own id."""
        own = self._root.get(self._id_key)
        base = own.partition("#")[0] if isinstance(own, str) else ""
        try:
            url = urljoin(urljoin(_NOWHERE, base), document.replace("json-schema:///", _NOWHERE, 1))
        except ValueError:
            return document
        return unquote(url).lower()


def _all_parts(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and its subschemas, definitions too; without recursion, since their depth has no limit."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += [*_parts(part), *_inside(part, _DEFINITIONS)]


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the direct subschemas of a schema, without definitions."""
    yield from _inside(schema, _MAPS)
    for key, value in schema.items():
        if key not in (*_MAPS, *_DEFINITIONS, *_DATA):
            yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict))


def without_empty_required(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema, at most MOST_LEVELS deep, without lists `required` that are empty: they require nothing."""
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "required" and value == []:
            continue
        if key in _DATA:
            kept[key] = value
        elif key in (*_MAPS, *_DEFINITIONS) and isinstance(value, dict):
            kept[key] = {name: _inner(each) for name, each in value.items()}
        else:
            kept[key] = [_inner(each) for each in value] if isinstance(value, list) else _inner(value)
    return kept


def _inner(value: Any) -> Any:
    return without_empty_required(value) if isinstance(value, dict) else value


def _inside(schema: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    tables = (schema[key] for key in keys if isinstance(schema.get(key), dict))
    return (each for table in tables for each in table.values() if isinstance(each, dict))


def resolve(root: Mapping[str, Any], reference: str) -> object:
    """Return the target of a JSON pointer inside a schema; None if there is none."""
    head, *keys = unquote(reference.removeprefix("#")).split("/")
    found: Any = None if head else root
    for key in keys:
        name = key.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(name)] if _INDEX.fullmatch(name) and int(name) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def names_in(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the property names in a schema and its subschemas."""
    parts = list(_all_parts(schema))
    tables = (part[key] for part in parts for key in _MAPS if isinstance(part.get(key), dict))
    lists = (part["required"] for part in parts if isinstance(part.get("required"), list))
    return frozenset(name for names in chain(tables, lists) for name in names if isinstance(name, str))


def trim_body(body: object, names: frozenset[str], parts: int) -> object:
    """Return a body reduced to the values that a schema of `parts` parts may check, and those in `names`.

    Arrays are cut at their end, objects lose keys that the schema does not name; the remaining values keep their paths.
    """
    return BodyTrimmer(names, max(LEAST_VALUES, min(MOST_VALUES, MOST_CHECKS // parts))).cut(body, 0)


class BodyTrimmer:
    """A trimmer of bodies, to a number of values in all."""

    def __init__(self, names: frozenset[str], left: int) -> None:
        self._names = names
        self._left = left

    def cut(self, value: object, level: int) -> object:
        """Return the value without what exceeds the limit."""
        if level > MOST_LEVELS:
            return value
        if isinstance(value, list):
            return [self.cut(each, level + 1) for each in takewhile(self._takes, value)]
        if isinstance(value, dict):
            kept = {key: each for key, each in value.items() if key in self._names or self._takes(key)}
            return {key: self.cut(each, level + 1) for key, each in kept.items()}
        return value

    def _takes(self, _value: object) -> bool:
        self._left -= 1
        return self._left >= 0
