"""The schemas have the endpoint's shape, and the table of parameters agrees with the reference."""

from typing import Any

import jsonschema_rs
import msgspec
import orjson
import pytest

from support.exchanges import AD, BREAK, CHAPTER, JSON, event, exchange, request, response, start
from support.paths import DATA
from support.timelines import TIMELINES
from tapehead.demo.timelines import bodies
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.parameters import ANY, PARAMETERS, belongs, parameters_of, required_of
from tapehead.protocol.schema_limits import without_empty_required
from tapehead.protocol.schemas import DRAFT, SchemaError, Schemas, build_schema, schema_problem, served_schema

FACTS: list[dict[str, Any]] = orjson.loads((DATA / "parameters.json").read_bytes())["parameters"]
# What the table takes beyond the reference's own table, because another of its pages or an SDK has it.
ALSO = {
    ("media.qoe.bitrate", "params"),
    ("media.qoe.droppedFrames", "params"),
    ("media.qoe.framesPerSecond", "params"),
    ("media.qoe.timeToStart", "params"),
    ("media.errorId", "params"),
    ("media.errorSource", "params"),
}
ALSO_ON = {"media.ad.podFriendlyName": "adStart"}
ALSO_TYPE = {"visitor.aamLocationHint": "null"}

STATE = {"media.state.name": "mute"}
NEEDED = {
    "sessionStart": start()["params"],
    "adStart": AD,
    "adBreakStart": BREAK,
    "chapterStart": CHAPTER,
    "stateStart": STATE,
    "stateEnd": STATE,
    "statesUpdate": {"statesStart": [STATE]},
}
ROWS = {(row.key, row.section): row for row in PARAMETERS}
SCHEMAS = Schemas()


def _complaints(event_type: str, body: object) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(complaint.keyword, complaint.path) for complaint in SCHEMAS.schema_errors(event_type, body)]


def test_the_table_has_every_documented_parameter_once() -> None:
    documented = {(fact["key"], fact["section"]) for fact in FACTS}

    assert len(ROWS) == len(PARAMETERS)
    assert set(ROWS) == documented | ALSO


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["key"])
def test_a_row_agrees_with_the_reference(fact: dict[str, Any]) -> None:
    key = fact["key"]
    row = ROWS[key, fact["section"]]

    assert set(row.type) == {fact["type"]} | {ALSO_TYPE.get(key, fact["type"])}
    assert set(row.on) == {*fact["on"], ALSO_ON.get(key, fact["on"][0])}
    assert row.required is fact["required"]
    assert row.person is fact.get("note", "").startswith("identifies")


def test_documented_choices_are_the_only_ones() -> None:
    assert {row.key: row.enum for row in PARAMETERS if row.enum} == {
        "media.showType": ("0", "1", "2", "3"),
        "media.qoe.errorSource": ("player", "external"),
        "media.errorSource": ("player", "external"),
    }


def test_the_smallest_values_are_those_that_the_sdks_take() -> None:
    """Of ad breaks, ads and chapters: positions from 1 on, times from 0 on."""
    smallest = {row.key: row.sdk_minimum for row in PARAMETERS if row.sdk_minimum is not None}

    assert smallest == {
        "media.ad.podIndex": 1,
        "media.ad.podSecond": 0,
        "media.ad.podPosition": 1,
        "media.chapter.index": 1,
        "media.chapter.offset": 0,
    }


def test_every_row_belongs_to_a_known_event_type() -> None:
    assert {name for row in PARAMETERS for name in row.on} <= {*EVENT_TYPES, *ANY}


def test_a_row_for_any_event_belongs_to_all() -> None:
    bitrate = ROWS["media.qoe.bitrate", "qoeData"]

    assert all(belongs(bitrate, event_type) for event_type in EVENT_TYPES)
    assert all(bitrate in parameters_of(event_type, "qoeData") for event_type in EVENT_TYPES)


def test_only_starts_of_things_require_params() -> None:
    assert {name: len(required_of(name)) for name in EVENT_TYPES if required_of(name)} == {
        "sessionStart": 8,
        "adStart": 4,
        "adBreakStart": 2,
        "chapterStart": 3,
        "stateStart": 1,
        "stateEnd": 1,
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_has_the_endpoints_shape(event_type: str) -> None:
    schema = build_schema(event_type, "https://c.example.com")

    assert list(schema) == ["$schema", "id", "definitions", "type", "$ref"]
    assert list(schema["definitions"]) == ["playerTime", "eventType", "qoeData", "customMetadata", event_type]
    assert (schema["$schema"], schema["type"]) == (DRAFT, "object")
    assert schema["id"] == f"https://c.example.com/api/v1/schemas/{event_type}"
    assert schema["$ref"] == f"#/definitions/{event_type}"


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_is_draft_04_but_for_the_documented_form(event_type: str) -> None:
    """The published sample's $schema begins with https, and its qoeData requires nothing by an empty list."""
    schema = build_schema(event_type)
    standard = without_empty_required(schema) | {"$schema": "http://json-schema.org/draft-04/schema#"}

    assert schema["$schema"] == "https://json-schema.org/draft-04/schema#"
    assert schema["definitions"]["qoeData"]["required"] == []
    assert jsonschema_rs.meta.is_valid(standard)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_takes_the_least_that_an_event_needs(event_type: str) -> None:
    assert _complaints(event_type, event(event_type, params=NEEDED.get(event_type))) == []


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_only_strings_have_a_least_number_of_characters(event_type: str) -> None:
    values = build_schema(event_type)["definitions"][event_type]["properties"]["params"]["properties"]

    assert [key for key, value in values.items() if "minLength" in value and value["type"] != "string"] == []
    required = {"media.id", "media.playerName"} if event_type == "sessionStart" else set()
    assert required <= {key for key, value in values.items() if value.get("minLength") == 1}


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_is_closed_at_every_level(event_type: str) -> None:
    body = event(event_type, params={**NEEDED.get(event_type, {}), "x": 1}, qoeData={"x": 1}, x=1)
    body["playerTime"]["x"] = 1
    unexpected = [path for keyword, path in _complaints(event_type, body) if keyword == "additionalProperties"]

    assert sorted(unexpected) == [(), ("params",), ("playerTime",), ("qoeData",)]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_refuses_other_event_types(event_type: str) -> None:
    other = "ping" if event_type != "ping" else "play"

    assert ("enum", ("eventType",)) in _complaints(event_type, event(other, params=NEEDED.get(event_type)))


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_custom_metadata_is_taken_where_it_belongs(event_type: str) -> None:
    body = event(event_type, params=NEEDED.get(event_type), customMetadata={"my.key_1": "v"})

    assert _complaints(event_type, body) == ([] if EVENT_TYPES[event_type].metadata else [("additionalProperties", ())])


@pytest.mark.parametrize("timeline", TIMELINES)
def test_the_documented_timelines_are_valid(timeline: int) -> None:
    for body in bodies(TIMELINES[timeline], 1_795_401_600_000):
        assert _complaints(body["eventType"], body) == []


# A change to a sound sessionStart's params, and the one complaint that it brings.
CHANGES: dict[str, tuple[dict[str, object], str]] = {
    "media.length": ({"media.length": "60"}, "type"),
    "media.resume": ({"media.resume": "true"}, "type"),
    "media.id": ({"media.id": ""}, "minLength"),
    "media.showType": ({"media.showType": "4"}, "enum"),
    "media.pass.auth": ({"media.pass.auth": "false"}, "pattern"),
    "media.name": ({"media.name": 7}, "type"),
}


@pytest.mark.parametrize("key", CHANGES)
def test_a_wrong_value_is_complained_of_in_its_place(key: str) -> None:
    change, keyword = CHANGES[key]

    assert _complaints("sessionStart", start(params=start()["params"] | change)) == [(keyword, ("params", key))]


def test_a_length_below_zero_is_complained_of() -> None:
    body = start(params=start()["params"] | {"media.length": -1})
    (complaint,) = SCHEMAS.schema_errors("sessionStart", body)

    assert complaint[:4] == ("minimum", ("params", "media.length"), -1, 0)


@pytest.mark.parametrize("authorised", ["true", "TRUE", "tRuE"])
def test_pass_auth_is_true_in_any_case(authorised: str) -> None:
    assert _complaints("sessionStart", start(params=start()["params"] | {"media.pass.auth": authorised})) == []


@pytest.mark.parametrize(
    ("ids", "sound"),
    [
        ({}, True),
        ({"a": {"id": "1"}, "b": {"id": "2", "authState": 2}}, True),
        ({"a": {"authState": 1}}, False),
        ({"a": {"id": 1}}, False),
        ({"a": {"id": "1", "authState": 3}}, False),
        ({"a": {"id": "1", "authState": "0"}}, False),
        ({"a": {"id": "1", "more": 1}}, False),
        ({"a": "1"}, False),
        ([], False),
    ],
)
def test_customer_ids_are_names_with_an_id(ids: object, sound: bool) -> None:
    body = start(params=start()["params"] | {"visitor.customerIDs": ids})

    assert (not _complaints("sessionStart", body)) is sound


def test_a_body_of_no_known_type_is_held_to_what_all_share() -> None:
    complaints = SCHEMAS.schema_errors(None, {"eventType": "x", "playerTime": {"ts": "1"}, "params": [], "more": 1})

    assert {(complaint.keyword, complaint.path) for complaint in complaints} == {
        ("type", ("params",)),
        ("type", ("playerTime", "ts")),
        ("required", ("playerTime",)),
    }


def test_a_body_beyond_depth_gets_one_complaint() -> None:
    deep: object = "x"
    for _ in range(900):
        deep = [deep]
    (complaint,) = SCHEMAS.schema_errors("play", event("play", params={"x": deep}))

    assert isinstance(complaint, SchemaError)
    assert complaint.keyword == "depth"


def test_a_recorded_schema_takes_precedence() -> None:
    recorded = {"type": "object", "required": ["more"]}
    schemas = Schemas({"ping": recorded})

    assert schemas.recorded == {"ping"}
    assert schemas["ping"] == recorded
    assert [complaint.expected for complaint in schemas.schema_errors("ping", {})] == ["more"]
    assert list(schemas.schema_errors("play", event("play"))) == []
    assert schemas["play"] == build_schema("play")


def test_a_recorded_schema_may_name_a_new_event_type() -> None:
    schemas = Schemas({"resume": {"type": "object"}})

    assert "resume" in schemas
    assert "resume" not in SCHEMAS


DRAFT_URLS = [
    "http://json-schema.org/draft-04/schema#",
    "https://json-schema.org/draft-04/schema#",
    "https://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema#",
    "https://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
]


@pytest.mark.parametrize("url", DRAFT_URLS)
def test_a_schema_that_requires_nothing_is_taken_in_every_draft(url: str) -> None:
    inner = {"type": "object", "required": [], "properties": {"required": {"enum": [[], {"required": []}]}}}
    schema = {"$schema": url, "required": [], "definitions": {"a": inner}, "properties": {"params": inner}}
    schemas = Schemas({"ping": {**schema, "allOf": [{"required": []}, {"required": ["params"]}]}})

    assert [error.expected for error in schemas.schema_errors("ping", {})] == ["params"]
    assert list(schemas.schema_errors("ping", {"params": {"required": {"required": []}}})) == []
    assert [error.path for error in schemas.schema_errors("ping", {"params": {"required": 1}})] == [
        ("params", "required")
    ]
    assert schemas["ping"]["required"] == []


@pytest.mark.parametrize(
    "url", ["ftp://json-schema.org/draft-04/schema#", "draft-04", "http://json-schema.org/schema#"]
)
def test_a_schema_of_another_draft_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="names no known draft"):
        Schemas({"ping": {"$schema": url}})


def served(body: bytes, status: int = 200, path: str = "/api/v1/schemas/ping", *, saved: bool = True) -> Exchange:
    answer = msgspec.structs.replace(response(status, [JSON], body), saved=saved)
    return exchange(request(b"", path, "GET"), answer)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (served(b'{"type": 7}'), "the schema of ping is no JSON Schema: type: "),
        (served(b"[]"), "the schema of ping cannot be used: expected a JSON object, got an array"),
        (served(b"<html>"), "the schema of ping cannot be used: expected a JSON object, got no JSON"),
        (served(b""), "the schema of ping cannot be used: expected a JSON object, got an empty body"),
        (served(b"", saved=False), "the schema of ping cannot be used: its body was not saved"),
    ],
)
def test_a_served_schema_that_cannot_be_used_is_told(found: Exchange, problem: str) -> None:
    told = schema_problem(found)

    assert told is not None
    assert told.startswith(problem)
    assert told.endswith("; the documented one counts instead")
    with pytest.raises(ValueError, match="the schema of ping"):
        served_schema(found)


@pytest.mark.parametrize("found", [served(b"{}", 404), served(orjson.dumps(build_schema("ping")))])
def test_of_any_other_answer_nothing_is_told(found: Exchange) -> None:
    assert schema_problem(found) is None


def test_the_last_usable_schema_of_each_event_type_counts() -> None:
    found: list[tuple[str, Any]] = [("ping", {"required": ["a"]}), ("ping", {"required": ["b"]})]
    found += [("ping", {"type": 7}), ("play", {"type": 7})]
    schemas = Schemas.usable(found)

    assert schemas["ping"] == {"required": ["b"]}
    assert schemas["play"] == build_schema("play")
    assert schemas.recorded == {"ping"}


def test_a_recorded_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the schema of ping is no JSON Schema: "):
        Schemas({"ping": {"type": 7}})


@pytest.mark.parametrize("other", [None, 7, "play ", "Play", "", ("play",)])
def test_only_event_types_have_schemas(other: object) -> None:
    assert other not in SCHEMAS
