"""Expectations of a company of its own events, beyond the documentation: schemas and metadata from the settings.

Unmet ones are reported by the rules of one exchange: missing-parameter, wrong-type, bad-value, unknown-parameter.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tapehead.auditor.settings import AuditSettings
from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import parse_body
from tapehead.protocol.exchange import Finding
from tapehead.protocol.messages import Request
from tapehead.protocol.schemas import Schema, SchemaError
from tapehead.rules.schema_errors import EXPECTED_BY_SETTINGS, MISSING_PARAMETER, UNKNOWN_PARAMETER, findings_for
from tapehead.rules.support.event_body import EventBody
from tapehead.text import nearest

_CLOSED = ("additionalProperties", "unevaluatedProperties", "falseSchema")
# What an object that is a schema begins with, most likely; no event type is among them.
_WORDS = "$schema $ref $id id type properties required allOf anyOf oneOf not if enum const definitions $defs"
_KEYWORDS = frozenset(_WORDS.split())


class Expectations:
    """The expectations of `settings`.

    Raises:
        SettingsError: a schema among them is no JSON Schema.
    """

    def __init__(self, settings: AuditSettings) -> None:
        self._settings = settings
        self._schemas = settings.expectations()

    def check(self, request: Request) -> Iterator[Finding]:
        """Yield a finding for each unmet expectation in the body of a request; none for bodies without events."""
        if not (self._settings.expect or self._settings.metadata):
            return
        try:
            parsed = parse_body(request)
        except ValueError:
            return
        for index, event in enumerate(parsed if isinstance(parsed, list) else [parsed]):
            prefix = f"[{index}]." if isinstance(parsed, list) else ""
            if isinstance(event, dict) and isinstance(event.get(keys.EVENT_TYPE), str):
                yield from self._check_event(event, event[keys.EVENT_TYPE], prefix)

    def _check_event(self, event: dict[str, Any], event_type: str, prefix: str) -> Iterator[Finding]:
        body = EventBody(event, event_type, prefix, 0, live=True)
        for key in self._settings.metadata.get(event_type, ()):
            if key not in body.section(keys.METADATA):
                path = f"{prefix}{keys.METADATA}.{key}"
                yield MISSING_PARAMETER.finding(path, f"{event_type}: {path} is missing; {EXPECTED_BY_SETTINGS}")
        if self._schemas and event_type in self._settings.expect:
            for complaint in self._schemas.schema_errors(event_type, event):
                closed = complaint.keyword in _CLOSED
                yield from unexpected_keys(body, complaint) if closed else findings_for(body, complaint)


def unexpected_keys(body: EventBody, complaint: SchemaError) -> Iterator[Finding]:
    """Yield a finding for each key that a company's own schema does not allow, documented or not."""
    # The validator does not name the key if the schema allows none at all.
    what = "is not expected by the settings" if complaint.expected else "has what the settings do not expect"
    for key in complaint.expected or ("",):
        path = body.join((*complaint.path, key) if key else complaint.path)
        yield UNKNOWN_PARAMETER.finding(path, f"{body.event_type}: {path or 'it'} {what}")


def schemas_in(document: object, stem: str) -> dict[str, Schema]:
    """Return the schemas in a JSON document, by event type.

    Args:
        document: an object of event types with their schemas, or the schema of one event type.
        stem: the name of its file without suffixes: the event type where the schema does not name it.

    Raises:
        ValueError: it is neither, or it is not clear for which event type it is.
    """
    if not isinstance(document, dict) or not document:
        raise ValueError("it holds no JSON Schema; expected an object, a schema or event types with their schemas")
    if any(key in EVENT_TYPES for key in document) or _KEYWORDS.isdisjoint(document):
        for key, part in document.items():
            if key not in EVENT_TYPES:
                raise ValueError(f"{key} is no event type{nearest(key, EVENT_TYPES)}")
            if not isinstance(part, dict):
                raise ValueError(f"{key}: expected a JSON Schema, which is an object")
        return document
    event_type = event_type_of(document) or stem
    if event_type not in EVENT_TYPES:
        hint = nearest(event_type, EVENT_TYPES)
        raise ValueError(f"it does not say which event type it is for{hint}; name the file play.json for play")
    return {event_type: document}


def event_type_of(schema: Mapping[str, Any]) -> str | None:
    """Return the event type of a schema, if it names it as the endpoint's do or allows a single eventType."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/definitions/"):
        name = reference.removeprefix("#/definitions/")
        return name if name in EVENT_TYPES else event_type_of(_part(_part(schema, "definitions"), name))
    named = _part(_part(schema, "properties"), keys.EVENT_TYPE)
    allowed = [named["const"]] if "const" in named else named.get("enum")
    return allowed[0] if isinstance(allowed, list) and len(allowed) == 1 and isinstance(allowed[0], str) else None


def _part(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
