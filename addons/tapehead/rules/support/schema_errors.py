"""What a schema holds against a body, graded as findings of the rules.

Findings never quote a value that identifies a person or a device.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tapehead.protocol.event_types import metadata_types
from tapehead.protocol.exchange import Finding
from tapehead.protocol.parameters import PARAMETERS, parameters_of
from tapehead.protocol.schemas import SchemaError
from tapehead.rules.catalog import finding
from tapehead.text import json_type_of, nearest, quote, shorten

PERSON_KEYS = {row.key for row in PARAMETERS if row.person}

# A key of two sections stands for the first, where the reference's own table has it.
_ROWS = {row.key: row for row in reversed(PARAMETERS)}
_TOP_KEYS = ("eventType", "playerTime", "params", "qoeData", "customMetadata")
MOST_LISTED = 30
_ARTICLES = {"integer": "an integer", "object": "an object", "array": "an array", "null": "null"}


class EventBody(NamedTuple):
    """A parsed body on its way through the checks.

    Attributes:
        event: the parsed object.
        event_type: its eventType, if that is a documented one.
        prefix: what stands before every path: empty, or `[3].` in a downloaded array.
        arrived_ms: when it came, milliseconds since 1970.
        live: whether it was sent as it happened, and not after the fact.
    """

    event: dict[str, Any]
    event_type: str | None
    prefix: str
    arrived_ms: float
    live: bool


def findings_for(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    """The findings that a complaint amounts to; none where the schema is stricter than the rules."""
    graded = _GRADES.get(complaint.keyword, _grade_value)
    yield from graded(body, complaint)


def _grade_required(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    path = join(body, (*complaint.path, complaint.expected))
    yield finding(
        "missing-parameter", path, f"{name_of(body)}: {path} is missing; it is required{_wanted(complaint.expected)}"
    )


def _grade_type(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    # Draft-04 takes 3.0 for no integer; the endpoint's own serialisers write it for one.
    if complaint.expected == ["integer"] and isinstance(complaint.value, float) and complaint.value.is_integer():
        return
    path = join(body, complaint.path)
    wanted = " or ".join(_ARTICLES.get(name, f"a {name}") for name in complaint.expected)
    unit = _ROWS[key].unit if (key := str(complaint.path[-1:] and complaint.path[-1])) in _ROWS else ""
    message = f"{name_of(body)}: {path} is {_shown(complaint)}; expected {wanted}{f' ({unit})' if unit else ''}"
    yield finding("wrong-type", path, message)


def _grade_value(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    if complaint.path == ("eventType",):
        return
    path = join(body, complaint.path)
    expected = complaint.expected
    wanted = _WANTED.get(complaint.keyword, "a value that satisfies {keyword} in the schema")
    wanted = "a string that is not empty" if (complaint.keyword, expected) == ("minLength", 1) else wanted
    listed = _listed(expected) if isinstance(expected, list) else shorten(str(expected))
    wanted = wanted.format(expected=listed, keyword=complaint.keyword)
    yield finding("bad-value", path, f"{name_of(body)}: {path or 'the body'} is {_shown(complaint)}; expected {wanted}")


def _listed(expected: list[object]) -> str:
    more = f" and {len(expected) - MOST_LISTED} more" if len(expected) > MOST_LISTED else ""
    return ", ".join(map(quote, expected[:MOST_LISTED])) + more


def _grade_depth(body: EventBody, _complaint: SchemaError) -> Iterator[Finding]:
    message = f"{name_of(body)}: the body nests deeper than any documented value; expected flat params"
    yield finding("wrong-type", body.prefix.rstrip("."), message)


def _grade_unexpected(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    if body.event_type is None:
        return
    for key in complaint.expected:
        yield _grade_key(body, complaint.path, key)


def _grade_key(body: EventBody, path: tuple[str | int, ...], key: str) -> Finding:
    place, name = join(body, (*path, key)), name_of(body)
    if path == ("customMetadata",):
        message = f"{name}: {place} has characters other than letters, digits, _ and ."
        return finding("metadata-key", place, message)
    if path == () and key == "customMetadata":
        message = f"{name} takes no customMetadata; only {', '.join(metadata_types())} do"
        return finding("misplaced-metadata", place, message)
    if path == ("params",) and key in _ROWS:
        message = f"{name}: {place} belongs to {', '.join(_ROWS[key].on)}"
        return finding("misplaced-parameter", place, message)
    hint = f"; it belongs into {_ROWS[key].section}" if key in _ROWS else nearest(key, _known_keys(body, path))
    return finding("unknown-parameter", place, f"{name}: {place} is not documented{hint}")


def _known_keys(body: EventBody, path: tuple[str | int, ...]) -> tuple[str, ...]:
    match path:
        case ():
            return _TOP_KEYS
        case ("playerTime",):
            return ("playhead", "ts")
        case ("qoeData" | "params" as section,):
            return tuple(row.key for row in parameters_of(body.event_type or "", section))
        case _:
            return ("id", "authState", "media.state.name")


_GRADES: dict[str, Callable[[EventBody, SchemaError], Iterator[Finding]]] = {
    "required": _grade_required,
    "type": _grade_type,
    "additionalProperties": _grade_unexpected,
    "depth": _grade_depth,
}
# What a failed keyword wanted, in words.
_WANTED = {
    "enum": "one of {expected}",
    "const": "{expected}",
    "minimum": "at least {expected}",
    "maximum": "at most {expected}",
    "exclusiveMinimum": "more than {expected}",
    "exclusiveMaximum": "less than {expected}",
    "minLength": "a string of {expected} characters or more",
    "maxLength": "a string of at most {expected} characters",
    "format": "a string in the format {expected}",
    "pattern": "a match of {expected}",
}


def part_of(body: EventBody, section: str) -> dict[str, Any]:
    """The object `section` of the body; empty if it is not there or no object."""
    part = body.event.get(section)
    return part if isinstance(part, dict) else {}


def name_of(body: EventBody) -> str:
    """What messages call the event."""
    return body.event_type or "event"


def join(body: EventBody, path: tuple[str | int, ...]) -> str:
    """A place in the body, written with dots."""
    return body.prefix + ".".join(shorten(str(part)) for part in path)


def _shown(complaint: SchemaError) -> str:
    """The value at fault: its kind, and itself where it is short, plain and identifies nobody."""
    hidden = complaint.path[:1] == ("customMetadata",) or PERSON_KEYS.intersection(map(str, complaint.path))
    if hidden or isinstance(complaint.value, dict | list) or complaint.value is None:
        return json_type_of(complaint.value)
    return f"{json_type_of(complaint.value)}, {quote(complaint.value)}"


def _wanted(key: object) -> str:
    row = _ROWS.get(str(key))
    return f" ({row.type[0]}{f', {row.unit}' if row.unit else ''})" if row else ""
