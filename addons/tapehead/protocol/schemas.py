"""JSON Schemas (draft-04) of the event types, built from the table of parameters, and validation with them.

A schema has the shape in which the endpoint itself serves it at `GET /api/v1/schemas/{eventType}`: `definitions`
for playerTime, eventType, qoeData, customMetadata and the event, `type`, and a `$ref` to the event (reference:
validating event requests). As in the published sample, `$schema` begins with https and `required` may be empty, which
draft-04 itself does not know and validators refuse: both are taken. Like that sample, a schema allows no additional
property at any level; the severity of such a property is up to the rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from tapehead.protocol.event_types import EVENT_TYPES, event_type_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Response, is_json
from tapehead.protocol.parameters import METADATA_KEY, Parameter, parameters_of, required_of
from tapehead.protocol.routes import SCHEMAS_PATH, Call, find_route
from tapehead.protocol.schema_limits import count_parts, names_in, trim_body, without_empty_required
from tapehead.text import json_type_of

if TYPE_CHECKING:
    import jsonschema_rs

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft-04/schema#"
OK = 200
BASE_URL = "https://example.hb-api.omtrdc.net"

_STATES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"media.state.name": {"type": "string", "minLength": 1}},
        "required": ["media.state.name"],
        "additionalProperties": False,
    },
}
_CUSTOMER_IDS: Schema = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"id": {"type": "string"}, "authState": {"type": "integer", "enum": [0, 1, 2]}},
        "required": ["id"],
        "additionalProperties": False,
    },
}
# Schemas of objects and arrays, which the table's columns cannot express.
_SHAPES = {"visitor.customerIDs": _CUSTOMER_IDS, "statesStart": _STATES, "statesEnd": _STATES}


class SchemaError(NamedTuple):
    """An error that validation found in a body.

    Attributes:
        keyword: the JSON Schema keyword that failed, such as `type` or `required`.
        path: keys and indexes from the body to the value.
        value: the value there.
        expected: types, a key, allowed values, a limit or a pattern, by keyword; for `additionalProperties` the keys
            that are not allowed.
    """

    keyword: str
    path: tuple[str | int, ...]
    value: object
    expected: Any


def _value_schema(parameter: Parameter) -> Schema:
    if parameter.key in _SHAPES:
        return _SHAPES[parameter.key]
    schema: Schema = {"type": parameter.type[0] if len(parameter.type) == 1 else list(parameter.type)}
    if parameter.required and parameter.type == ("string",):
        schema["minLength"] = 1
    optional = {"enum": parameter.enum and list(parameter.enum), "pattern": parameter.pattern}
    schema |= {keyword: value for keyword, value in optional.items() if value is not None}
    return schema if parameter.minimum is None else schema | {"minimum": parameter.minimum}


def _closed(properties: Schema, required: list[str]) -> Schema:
    """Return the schema of an object with these properties only."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def build_schema(event_type: str, base_url: str = BASE_URL) -> Schema:
    """Return the JSON Schema of `event_type` (one of EVENT_TYPES), as an endpoint at `base_url` would serve it."""
    quality = {row.key: _value_schema(row) for row in parameters_of(event_type, "qoeData")}
    params = {row.key: _value_schema(row) for row in parameters_of(event_type, "params")}
    required_params = required_of(event_type)
    properties: Schema = {
        "eventType": {"type": "string", "enum": [event_type]},
        "playerTime": {"$ref": "#/definitions/playerTime"},
        "params": _closed(params, required_params),
        "qoeData": {"$ref": "#/definitions/qoeData"},
    }
    row = event_type_of(event_type)
    if row.metadata:
        properties["customMetadata"] = {"$ref": "#/definitions/customMetadata"}
    # A statesUpdate needs either of its two lists, so its params are required though neither key is.
    required = ["eventType", "playerTime", *(["params"] if required_params or row.needs_params else [])]
    return {
        "$schema": DRAFT,
        "id": f"{base_url}{SCHEMAS_PATH}/{event_type}",
        "definitions": {
            "playerTime": _closed({"playhead": {"type": "number"}, "ts": {"type": "integer"}}, ["playhead", "ts"]),
            "eventType": {"type": "string", "enum": list(EVENT_TYPES)},
            "qoeData": _closed(quality, []),
            "customMetadata": {
                "type": "object",
                "patternProperties": {METADATA_KEY: {"type": "string"}},
                "additionalProperties": False,
            },
            event_type: _closed(properties, required),
        },
        "type": "object",
        "$ref": f"#/definitions/{event_type}",
    }


class Schemas:
    """The schemas in use: the built-in ones, or for some event types those recorded from the real endpoint.

    Args:
        recorded: event type to schema; these take precedence.

    Attributes:
        recorded: the event types whose schema came from the real endpoint.

    Raises:
        ValueError: a recorded schema is no JSON Schema, or refers to another document; nothing is fetched.
    """

    def __init__(self, recorded: Mapping[str, Schema] | None = None) -> None:
        self.recorded = frozenset(recorded or {})
        self._schemas = {**_documented(), **(recorded or {})}
        self._checkers = {name: _compile(name, schema) for name, schema in (recorded or {}).items()}

    def learn(self, event_type: str, schema: Schema) -> None:
        """Use a schema that the real endpoint served from now on.

        Raises:
            ValueError: it is no JSON Schema; the schema in use does not change.
        """
        self._checkers[event_type] = _compile(event_type, schema)
        self._schemas[event_type] = schema
        self.recorded |= {event_type}

    @classmethod
    def usable(cls, recorded: Iterable[tuple[str, Schema]]) -> Self:
        """Return the schemas with those of some recorded ones that are usable: the last one of each event type."""
        schemas = cls()
        for event_type, schema in recorded:
            with suppress(ValueError):
                schemas.learn(event_type, schema)
        return schemas

    def __getitem__(self, event_type: str) -> Schema:
        return self._schemas[event_type]

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._schemas

    def schema_errors(self, event_type: str | None, body: object) -> Iterator[SchemaError]:
        """Yield the errors of a parsed body by the schema of `event_type`, in the schema's order.

        If the type is None, because the body has no known one, only the parts common to all events are checked. Of a
        body with a thousand or more values that the schema does not name, at least one error is found.
        """
        name = event_type or _ANY
        checker = self._checkers.get(name) or _built_in(name)
        try:
            for error in checker.errors(body):
                kind = error.kind
                expected = getattr(kind, _EXPECTED.get(kind.name, ""), None)
                yield SchemaError(kind.name, tuple(error.instance_path), error.instance, expected)
        except ValueError:  # nested deeper than the validator goes
            yield SchemaError("depth", (), body, None)


# The drafts' URLs, some of which begin with http and others with https; either is taken.
_DRAFTS = {
    "http://json-schema.org/draft-04/schema": "draft-04",
    "http://json-schema.org/draft-06/schema": "draft-06",
    "http://json-schema.org/draft-07/schema": "draft-07",
    "https://json-schema.org/draft/2019-09/schema": "2019-09",
    "https://json-schema.org/draft/2020-12/schema": "2020-12",
}
_URLS = {draft: url for url, draft in _DRAFTS.items()}
_BY_PATH = {url.partition("://")[2]: draft for url, draft in _DRAFTS.items()}
# The names of their validators in `jsonschema_rs`, which is loaded with the first schema that is compiled.
_VALIDATORS = {
    "draft-04": "Draft4Validator",
    "draft-06": "Draft6Validator",
    "draft-07": "Draft7Validator",
    "2019-09": "Draft201909Validator",
    "2020-12": "Draft202012Validator",
}
# A pattern that takes more steps matches nothing; without a limit, backtracking can take exponential time.
_PATTERN_LIMITS = {"backtrack_limit": 1000, "size_limit": 1_000_000}
_ANY = "any event"


class _Checker(NamedTuple):
    """A compiled schema: its validator, the property names in it, and the number of its parts."""

    validator: "jsonschema_rs.Validator"
    names: frozenset[str]
    parts: int

    def errors(self, body: object) -> "Iterator[jsonschema_rs.ValidationError]":
        """Yield the errors of a body; of a large one at least the first."""
        if self.validator.is_valid(body):
            return
        errors = self.validator.iter_errors(trim_body(body, self.names, self.parts))
        if first := next(errors, None):
            yield first
            yield from errors
            return
        import jsonschema_rs

        try:
            self.validator.validate(body)
        except jsonschema_rs.ValidationError as error:
            yield error


@cache
def _documented() -> Mapping[str, Schema]:
    return {name: build_schema(name) for name in EVENT_TYPES}


@cache
def _built_in(event_type: str) -> _Checker:
    """Return a compiled documented schema; under _ANY one of the parts common to all events."""
    if event_type != _ANY:
        return _compile(event_type, _documented()[event_type])
    shared = _documented()["play"]["definitions"]
    properties = {name: shared[name] for name in ("playerTime", "qoeData")} | {"params": {"type": "object"}}
    required = ["eventType", "playerTime"]
    return _compile(_ANY, {"$schema": DRAFT, "type": "object", "properties": properties, "required": required})


def _compile(event_type: str, schema: Schema) -> _Checker:
    import jsonschema_rs

    try:
        draft = draft_of(schema)
        parts = count_parts(schema, "id" if draft == "draft-04" else "$id")
        schema = {**without_empty_required(schema), "$schema": _URLS[draft]}
        patterns = jsonschema_rs.FancyRegexOptions(**_PATTERN_LIMITS)
        validator = getattr(jsonschema_rs, _VALIDATORS[draft])(schema, retriever=_refuse, pattern_options=patterns)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ValueError(f"the schema of {event_type} is no JSON Schema: {_reason(error)}") from error
    return _Checker(validator, names_in(schema), parts)


def draft_of(schema: Mapping[str, Any]) -> str:
    """Return the draft in a schema's $schema, such as `draft-07`; without $schema draft-04, which the endpoint uses.

    Raises:
        ValueError: the draft is unknown.
    """
    scheme, _, path = str(schema.get("$schema", DRAFT)).rstrip("#").partition("://")
    if scheme not in ("http", "https") or path not in _BY_PATH:
        raise ValueError(f"its $schema names no known draft; expected one of {', '.join(_DRAFTS)}")
    return _BY_PATH[path]


def _refuse(uri: str) -> NoReturn:
    """Reject a reference to another document: a recorded schema must not make tapehead fetch URLs."""
    raise ValueError(f"{uri} is outside the schema")


def _reason(error: Exception) -> str:
    """Return the problem of an invalid schema in one line, with its path."""
    import jsonschema_rs

    if not isinstance(error, jsonschema_rs.ValidationError):
        return str(error)
    if error.kind.name == "$ref":
        what = error.message.partition(" is not present in a registry")[0]
        return f"a $ref leads nowhere, only those inside the schema are followed: {what}"
    place = ".".join(map(str, error.instance_path))
    return f"{place}: {error.message}" if place else error.message


# The attribute of each kind of validation error that has the expected value.
_EXPECTED = {
    "type": "types",
    "required": "property",
    "enum": "options",
    "const": "expected_value",
    "minimum": "limit",
    "maximum": "limit",
    "exclusiveMinimum": "limit",
    "exclusiveMaximum": "limit",
    "minLength": "limit",
    "maxLength": "limit",
    "pattern": "pattern",
    "format": "format",
    "additionalProperties": "unexpected",
    "unevaluatedProperties": "unexpected",
}


def served_schema(exchange: Exchange) -> tuple[str, Schema] | None:
    """Return the event type and the schema that the endpoint served in an exchange of the schema call, if any.

    Raises:
        ValueError: what it served cannot be used as a schema; the message says why.
    """
    response, route = exchange.response, find_route(exchange.request.path)
    if (
        exchange.call is not Call.SCHEMA
        or response is None
        or response.status != OK
        or not route
        or not route.event_type
    ):
        return None
    event_type, schema = route.event_type, response.json()
    if not response.saved:
        raise ValueError(f"the schema of {event_type} cannot be used: its body was not saved")
    if not isinstance(schema, dict):
        raise ValueError(f"the schema of {event_type} cannot be used: expected a JSON object, got {_kind_of(response)}")
    _compile(event_type, schema)
    return event_type, schema


def _kind_of(response: Response) -> str:
    content = response.content()
    return "an empty body" if not content else json_type_of(response.json()) if is_json(content) else "no JSON"


def schema_problem(exchange: Exchange) -> str | None:
    """Return why the schema that the endpoint served in an exchange cannot be used, in one line; None if it can."""
    try:
        served_schema(exchange)
    except ValueError as error:
        return f"{error}; the documented one counts instead"
    return None
