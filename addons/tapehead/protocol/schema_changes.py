"""Differences of two schemas of an event type, key by key, such as those of two fetches."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tapehead.protocol.schema_limits import resolve
from tapehead.protocol.schemas import Schema

_OWN_KEYWORDS = ("properties", "required", "type", "definitions", "$ref", "$schema", "id", "$id")
MOST_LEVELS = 20


class _Key(NamedTuple):
    """A key of a body: its types, whether it is required, and what else the schema says of it."""

    types: str
    required: bool
    rest: Mapping[str, Any]


def schema_changes(before: Schema, after: Schema) -> Iterator[str]:
    """Yield a phrase for each difference: keys added, removed, of another type, required or no longer, or limited.

    Both schemas are usable ones, so that no reference is circular.
    """
    old, new = dict(_keys(before, before)), dict(_keys(after, after))
    for path in [path for path in new if path not in old]:
        yield f"added {path} ({new[path].types}{', required' if new[path].required else ''})"
    for path in [path for path in old if path not in new]:
        yield f"removed {path}"
    for path, key in new.items():
        earlier = old.get(path, key)
        if earlier.types != key.types:
            yield f"{path} is {key.types}, was {earlier.types}"
        if earlier.required != key.required:
            yield f"{path} is {'required now' if key.required else 'no longer required'}"
        if names := sorted(name for name in {*earlier.rest, *key.rest} if earlier.rest.get(name) != key.rest.get(name)):
            yield f"{path or 'the body'}: {', '.join(names)} changed"


def _keys(part: Mapping[str, Any], root: Schema, path: str = "", level: int = 0) -> Iterator[tuple[str, _Key]]:
    part = _resolved(part, root)
    if level == 0:
        yield "", _key(part, required=True)
    required = part.get("required")
    for name, each in (part.get("properties") or {}).items():
        inner = _resolved(each, root) if isinstance(each, dict) else {}
        place = f"{path}.{name}".removeprefix(".")
        yield place, _key(inner, required=isinstance(required, list) and name in required)
        if level < MOST_LEVELS:
            yield from _keys(inner, root, place, level + 1)


def _resolved(part: Mapping[str, Any], root: Schema) -> Mapping[str, Any]:
    for _ in range(MOST_LEVELS):
        reference = part.get("$ref")
        target = resolve(root, reference) if isinstance(reference, str) else None
        if not isinstance(target, dict):
            break
        part = target
    return part


def _key(part: Mapping[str, Any], *, required: bool) -> _Key:
    types = part.get("type", "any type")
    names = " or ".join(map(str, types)) if isinstance(types, list) else str(types)
    return _Key(names, required, {name: value for name, value in part.items() if name not in _OWN_KEYWORDS})
