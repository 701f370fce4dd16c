"""The changes from one version of a schema to the next."""

from typing import Any

import pytest

from tapehead.protocol.schema_changes import MOST_LEVELS, schema_changes
from tapehead.protocol.schemas import build_schema


def schema(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def nested(levels: int, leaf: dict[str, Any]) -> dict[str, Any]:
    for _ in range(levels):
        leaf = schema({"in": leaf})
    return leaf


TEXT, NUMBER = {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (schema({"a": TEXT}), schema({"a": TEXT}), []),
        (schema({}), schema({"a": TEXT}), ["added a (string)"]),
        (schema({"a": TEXT}), schema({}), ["removed a"]),
        (schema({"a": TEXT}), schema({"a": NUMBER}), ["a is number, was string"]),
        (schema({"a": TEXT}), schema({"a": {"type": ["string", "null"]}}), ["a is string or null, was string"]),
        (schema({"a": TEXT}), schema({"a": TEXT}, ("a",)), ["a is required now"]),
        (schema({"a": TEXT}, ("a",)), schema({"a": TEXT}), ["a is no longer required"]),
        (schema({"a": TEXT}), schema({"a": TEXT | {"minLength": 1, "enum": ["b"]}}), ["a: enum, minLength changed"]),
        (schema({}), schema({}, additionalProperties=False), ["the body: additionalProperties changed"]),
        (nested(2, schema({"a": TEXT})), nested(2, schema({"a": NUMBER})), ["in.in.a is number, was string"]),
    ],
)
def test_a_change_is_named(before: dict[str, Any], after: dict[str, Any], changes: list[str]) -> None:
    assert list(schema_changes(before, after)) == changes


def test_references_are_followed_as_deep_as_the_bound() -> None:
    def of(kind: dict[str, Any]) -> dict[str, Any]:
        return schema({"a": kind, "again": {"$ref": "#"}})

    changes = list(schema_changes(of(TEXT), of(NUMBER)))

    assert changes[0] == "a is number, was string"
    assert len(changes) == MOST_LEVELS + 1


@pytest.mark.parametrize("event_type", ["sessionStart", "ping", "statesUpdate"])
def test_a_schema_of_its_own_does_not_change(event_type: str) -> None:
    assert list(schema_changes(build_schema(event_type), build_schema(event_type))) == []
