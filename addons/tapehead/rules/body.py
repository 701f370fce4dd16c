"""What the rules say of one exchange: the body by its schema and beyond it, the answer by what its call documents.

Findings never quote a value that identifies a person or a device.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import parse_body
from tapehead.protocol.exchange import Finding
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.rules.catalog import finding
from tapehead.rules.response import check_answer
from tapehead.rules.support.schema_errors import EventBody, findings_for
from tapehead.rules.values import BEYOND_SCHEMA
from tapehead.text import json_type_of, nearest, quote

# Findings of one body that are listed; a hostile one could have a hundred thousand.
MOST_FINDINGS = 200


def check_exchange(
    call: Call, request: Request, response: Response | None, error: str | None, arrived_ms: float, schemas: Schemas
) -> list[Finding]:
    """What the rules of one exchange say of it.

    Args:
        call: what was asked.
        request: as the player sent it.
        response: the answer, or None.
        error: why there was none.
        arrived_ms: when the request came, milliseconds since 1970.
        schemas: the schemas in use.
    """
    asked = check_request(call, request, arrived_ms, schemas)
    return [*asked, *check_answer(call, request, response, error)]


def check_request(call: Call, request: Request, arrived_ms: float, schemas: Schemas) -> list[Finding]:
    """What the rules say of a request alone; nothing for calls without a body."""
    if call in (Call.PREFLIGHT, Call.SCHEMA):
        return []
    return limit_findings(chain(_check_content_type(request), _check_content(call, request, arrived_ms, schemas)))


def limit_findings(found: Iterator[Finding]) -> list[Finding]:
    """The findings of one body, as many as are listed, and whether there are more."""
    limit_findings = list(islice(found, MOST_FINDINGS))
    if more := next(found, None):
        limit_findings.append(finding(more.rule, "", f"more than {MOST_FINDINGS} findings; the others are not listed"))
    return limit_findings


def _check_content_type(request: Request) -> Iterator[Finding]:
    declared = request.header("Content-Type")
    if (declared or "").partition(";")[0].strip().lower() != "application/json":
        got = f"is {quote(declared)}" if declared else "is missing"
        yield finding("content-type", "", f"Content-Type {got}; expected application/json")


def _check_content(call: Call, request: Request, arrived_ms: float, schemas: Schemas) -> Iterator[Finding]:
    try:
        parsed = parse_body(request)
    except ValueError as error:
        yield finding("not-json", "", str(error))
        return
    if call is Call.DOWNLOADED or is_downloaded(parsed):
        yield from _check_array(parsed, arrived_ms, schemas)
    elif isinstance(parsed, dict):
        yield from _check_event(parsed, "", arrived_ms, schemas, live=True)
    else:
        yield finding("not-an-object", "", f"the body is {json_type_of(parsed)}; expected one event object")


def is_downloaded(parsed: object) -> bool:
    """Whether a parsed body is the deprecated form of downloaded content: an array whose sessionStart says so."""
    if not (isinstance(parsed, list) and parsed and isinstance(parsed[0], dict)):
        return False
    params = parsed[0].get("params")
    return isinstance(params, dict) and params.get("media.downloaded") is True


def _check_array(parsed: object, arrived_ms: float, schemas: Schemas) -> Iterator[Finding]:
    if not isinstance(parsed, list) or not parsed:
        got = "empty" if parsed == [] else json_type_of(parsed)
        yield finding("not-an-object", "", f"the body is {got}; expected a non-empty array of event objects")
        return
    for index, event in enumerate(parsed):
        if isinstance(event, dict):
            yield from _check_event(event, f"[{index}].", arrived_ms, schemas, live=False)
        else:
            yield finding(
                "not-an-object", f"[{index}]", f"[{index}] is {json_type_of(event)}; expected an event object"
            )


def _check_event(
    event: dict[str, Any], prefix: str, arrived_ms: float, schemas: Schemas, *, live: bool
) -> Iterator[Finding]:
    named = event.get("eventType")
    event_type = named if isinstance(named, str) and named in schemas else None
    body = EventBody(event, event_type, prefix, arrived_ms, live)
    if event_type is None:
        yield from _check_event_type(body)
    for complaint in schemas.schema_errors(event_type, event):
        yield from findings_for(body, complaint)
    for check in BEYOND_SCHEMA:
        yield from check(body)


def _check_event_type(body: EventBody) -> Iterator[Finding]:
    if "eventType" not in body.event:
        yield finding(
            "unknown-event-type", f"{body.prefix}eventType", "eventType is missing; expected one of the twenty"
        )
        return
    named = body.event["eventType"]
    hint = nearest(named, EVENT_TYPES) if isinstance(named, str) else ""
    message = f"eventType is {quote(named)}, which is not documented{hint}"
    yield finding("unknown-event-type", f"{body.prefix}eventType", message)


# ---- What no schema can say ----


# ---- The answer ----
