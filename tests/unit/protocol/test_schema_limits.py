"""No schema and no body costs more than it is worth: schemas without end are refused, huge bodies checked in part."""

from typing import Any

import pytest

from support.exchanges import event, start_with
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.schema_limits import (
    LEAST_VALUES,
    MOST_CHECKS,
    MOST_PARTS,
    MOST_VALUES,
    count_parts,
    names_in,
    resolve,
    trim_body,
)
from tapehead.protocol.schemas import Schema, Schemas, build_schema

DRAFT_2019 = {"$schema": "https://json-schema.org/draft/2019-09/schema"}
DRAFT_2020 = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
ITSELF = "it nests deeper than 100 levels, or refers to itself"
TOO_MANY = "it has more than 5000 parts, with its references followed"


def doubling(levels: int, document: str = "", keyword: str = "allOf") -> Schema:
    """A schema that refers twice to the next one at each of its levels."""
    steps = {f"s{n}": {keyword: [{"$ref": f"{document}#/definitions/s{n + 1}"}] * 2} for n in range(levels)}
    return {"definitions": steps | {f"s{levels}": {"type": "string"}}, "$ref": f"{document}#/definitions/s0"}


def chain(length: int) -> Schema:
    steps = {f"s{n}": {"allOf": [{"$ref": f"#/definitions/s{n + 1}"}]} for n in range(length)}
    return {"definitions": steps | {f"s{length}": {}}, "$ref": "#/definitions/s0"}


ENDLESS: list[tuple[Schema, str]] = [
    ({"$ref": "#"}, ITSELF),
    ({"allOf": [{"$ref": "#"}]}, ITSELF),
    ({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}, ITSELF),
    ({"properties": {"enum": {"not": {"$ref": "#/properties/enum"}}}}, ITSELF),
    ({"enum": [{"properties": {"a": {"$ref": "#/enum/0"}}}], "$ref": "#/enum/0"}, ITSELF),
    (
        {"definitions": {"a/b c": {"items": {"$ref": "#/definitions/a~1b%20c"}}}, "$ref": "#/definitions/a~1b%20c"},
        ITSELF,
    ),
    (DRAFT_2020 | {"$defs": {"a": {"$anchor": "n", "anyOf": [{"$ref": "#n"}]}}, "$ref": "#n"}, ITSELF),
    (DRAFT_2020 | {"$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}}}, ITSELF),
    (DRAFT_2019 | {"$recursiveAnchor": True, "properties": {"a": {"$recursiveRef": "#"}}}, ITSELF),
    (chain(200), ITSELF),
    (chain(40_000), ITSELF),
    (doubling(40), TOO_MANY),
    (doubling(40, keyword="anyOf"), TOO_MANY),
    (doubling(40, "json-schema:///"), TOO_MANY),
    (doubling(40, "."), TOO_MANY),
    (doubling(40, "c") | {"id": "http://a/b/c#"}, TOO_MANY),
    (doubling(40, "http://A/b/%63") | {"id": "http://a/b/c"}, TOO_MANY),
    ({"enum": list(range(6000))}, TOO_MANY),
    ({"required": [f"k{number}" for number in range(6000)]}, TOO_MANY),
    (
        {"definitions": {"x": {"id": "http://z/", "$ref": "#"}}, "$ref": "http://z/"},
        "a schema inside it has an id of its",
    ),
    (DRAFT_2020 | {"$defs": {"x": {"$id": "x", "$ref": "#"}}, "$ref": "x"}, "a schema inside it has an $id of its own"),
]


@pytest.mark.parametrize(("schema", "reason"), ENDLESS, ids=lambda value: str(value)[:60])
def test_a_schema_without_end_is_refused(schema: Schema, reason: str) -> None:
    schemas = Schemas()
    with pytest.raises(ValueError, match=reason.replace("$", r"\$")):
        schemas.learn("play", schema)

    assert schemas["play"] == build_schema("play")
    assert list(schemas.schema_errors("play", event("play"))) == []


SOUND: list[Schema] = [
    *(build_schema(event_type) for event_type in EVENT_TYPES),
    chain(40),
    doubling(6),
    DRAFT_2020 | {"$defs": {"a": {"$anchor": "n", "type": "object"}}, "$ref": "#n"},
    {
        "id": "http://a/b",
        "definitions": {"x": {}},
        "allOf": [{"$ref": "b#/definitions/x"}, {"$ref": "#/definitions/x"}],
    },
    {"properties": {"id": {"type": "string"}, "enum": {"enum": [{"id": "x"}]}}},
    {"enum": list(range(4000))},
    {"pattern": "^(?!x)(?=.*[a-z])"},
]


@pytest.mark.parametrize("schema", SOUND, ids=lambda value: str(value)[:60])
def test_any_other_schema_counts(schema: Schema) -> None:
    assert 0 < count_parts(schema, "$id" if "$schema" in schema and "2020" in schema["$schema"] else "id") <= MOST_PARTS
    Schemas().learn("play", schema)


@pytest.mark.parametrize("pattern", [r"^(a+)+$", r"^(a*)*\1b$", r"(?=(a+)+b)a+", r"(a|a)*?\1{9}b"])
def test_no_pattern_takes_forever(pattern: str) -> None:
    schemas = Schemas({"play": {"patternProperties": {pattern: {}}, "additionalProperties": {"pattern": pattern}}})

    assert list(schemas.schema_errors("play", {"a" * 200 + str(number): "a" * 200 + "!" for number in range(500)}))


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/x", "file:///etc/passwd", "other.json", "other.json#/a", "//h/x"]
)
@pytest.mark.parametrize("keyword", ["$ref", "$schema"])
def test_nothing_outside_a_schema_is_read(keyword: str, reference: str) -> None:
    for schema in ({keyword: reference}, {"id": "file:///etc/", keyword: reference}, {"allOf": [{"$ref": reference}]}):
        with pytest.raises(ValueError, match="is no JSON Schema"):
            Schemas({"play": schema})


def test_references_lead_by_keys_and_indexes() -> None:
    root: dict[str, Any] = {"a/b": [{"c d": 1}]}

    assert resolve(root, "#") is root
    assert resolve(root, "#/a~1b/0/c%20d") == 1
    assert [resolve(root, each) for each in ("#a", "#/x", "#/a~1b/1", f"#/a~1b/{'9' * 5000}", "#/a~1b/-1")] == [
        None
    ] * 5


# ---- Bodies ----


def test_a_small_body_is_not_cut() -> None:
    body = start_with({"visitor.customerIDs": {"a": {"id": "1"}}, "media.length": [1, {"x": None}]})

    assert trim_body(body, frozenset(), 1) == body


def test_what_a_schema_names_is_kept_and_of_the_rest_the_beginning() -> None:
    body = {f"k{number}": number for number in range(100_000)} | {"named": 1}

    assert trim_body(body, frozenset({"named"}), MOST_CHECKS) == {f"k{n}": n for n in range(LEAST_VALUES)} | {
        "named": 1
    }
    assert trim_body([body] * 5, frozenset(), 1) == [{f"k{number}": number for number in range(MOST_VALUES - 1)}]


def test_names_are_all_keys_that_a_schema_speaks_of() -> None:
    schema = {"properties": {"a": {"required": ["b"]}}, "definitions": {"c": {"properties": {"d": {}}}}, "enum": ["e"]}

    assert names_in(schema) == {"a", "b", "d"}


@pytest.mark.parametrize("states", [[1] * 1_000_000, [{}] * 1_000_000, [{"media.state.name": "a", "b": 1}] * 300_000])
def test_of_a_million_errors_the_first_are_reported(states: list[object]) -> None:
    complaints = list(Schemas().schema_errors("statesUpdate", event("statesUpdate", params={"statesStart": states})))

    assert 200 < len(complaints) <= 2 * MOST_VALUES
    assert complaints[0].path[:3] == ("params", "statesStart", 0)


def test_an_error_after_a_million_values_is_reported() -> None:
    states = [{"media.state.name": "a"}] * 100_000
    (complaint,) = Schemas().schema_errors("statesUpdate", event("statesUpdate", params={"statesStart": [*states, 7]}))

    assert (complaint.keyword, complaint.path) == ("type", ("params", "statesStart", 100_000))
