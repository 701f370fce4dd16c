"""Rules on the body of a request as a whole: JSON, one object or an array, a documented event type."""

from collections.abc import Iterator
from typing import Any

from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES, MISNOMERS
from tapehead.protocol.events import parse_body
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.rules.schema_errors import findings_for
from tapehead.rules.support.event_body import EventBody
from tapehead.rules.support.rule import Rule
from tapehead.rules.values import VALUE_CHECKS
from tapehead.text import json_type_of, nearest, quote

CONTENT_TYPE = Rule(
    id="content-type",
    severity=Severity.WARNING,
    when="The Content-Type of a POST is not application/json (parameters such as charset are fine).",
    why="The reference wants JSON declared; servers in between may refuse or rewrite the body.",
    fix="Set Content-Type: application/json; with sendBeacon, send a Blob of that type.",
    bad="Content-Type: text/plain",
    good="Content-Type: application/json; charset=utf-8",
    source="Reference: setting the HTTP request",
)


def check_content_type(request: Request) -> Iterator[Finding]:
    """Yield a finding if a request does not declare JSON."""
    declared = request.header("Content-Type")
    if (declared or "").partition(";")[0].strip().lower() != "application/json":
        got = f"is {quote(declared)}" if declared else "is missing"
        yield CONTENT_TYPE.finding("", f"Content-Type {got}; expected application/json")


NOT_JSON = Rule(
    id="not-json",
    severity=Severity.ERROR,
    when="A POST body is not one JSON value: empty, broken, in a wrong encoding, with NaN or with trailing text.",
    why="The endpoint answers 400 and drops the event; a dropped sessionStart loses the whole session.",
    fix="Serialise the event with a JSON library and send it as UTF-8, once, with nothing behind it.",
    bad="{'eventType': 'play'}",
    good='{"eventType": "play", "playerTime": {...}}',
    source="Reference: setting the HTTP request",
    contradictions="The reference's own samples have trailing commas; the endpoint would refuse them.",
)


BODY_NOT_SAVED = Rule(
    id="body-not-saved",
    severity=Severity.INFO,
    when="The exporter or the proxy did not save a POST's body, or the client sent only part of it.",
    why=(
        "The event may have been any: it counts for nothing in the metrics, and what it began or ended is unknown. "
        "Rules judge its neighbours with that in mind."
    ),
    fix=(
        "Record with tapehead, or export with contents; Chrome leaves out bodies of sendBeacon and keepalive requests, "
        "mitmproxy those that it streams (stream_large_bodies)."
    ),
    bad="a HAR entry with bodySize 115 and no postData",
    good="the same with postData.text",
    source="Observed: puppeteer#8715, playwright#12231",
)


NOT_AN_OBJECT = Rule(
    id="not-an-object",
    severity=Severity.ERROR,
    when="The body is JSON, but no object (for downloaded content: no non-empty array of objects).",
    why="The endpoint answers 400 and drops it; of a downloaded array it then drops every event.",
    fix="Send one event object a request; arrays only to /api/v1/downloaded, sessionStart first.",
    bad='POST .../events [{"eventType": "ping", ...}]',
    good='POST .../events {"eventType": "ping", ...}',
    source="Reference: sessions request, events request, downloaded content",
    contradictions=(
        "Downloaded content went as an array to /api/v1/sessions before /api/v1/downloaded; "
        "with media.downloaded true that is fine."
    ),
)


_UNKNOWN_EVENT = "type, playhead, ts and parameters of this event are unknown, and no metric counts it"
_UNKNOWN = {
    Call.SESSION: "content, player and ts of this sessionStart are unknown, and metrics that need them are empty",
    Call.DOWNLOADED: "the events of this downloaded session are unknown, and no metric counts them",
}


def check_body(call: Call, request: Request, arrived_ms: float, schemas: Schemas) -> Iterator[Finding]:
    """Yield the findings in the body of a request that came at `arrived_ms`, milliseconds since 1970."""
    if not request.saved:
        yield BODY_NOT_SAVED.finding("", f"the body was not saved; {_UNKNOWN.get(call, _UNKNOWN_EVENT)}")
        return
    try:
        parsed = parse_body(request)
    except ValueError as error:
        yield NOT_JSON.finding("", str(error))
        return
    if call is Call.DOWNLOADED or is_downloaded(parsed):
        yield from _check_array(parsed, arrived_ms, schemas)
    elif isinstance(parsed, dict):
        yield from _check_event(parsed, "", arrived_ms, schemas, live=True)
    else:
        yield NOT_AN_OBJECT.finding("", f"the body is {json_type_of(parsed)}; expected one event object")


def is_downloaded(parsed: object) -> bool:
    """Return whether a parsed body is the deprecated form of downloaded content: an array whose sessionStart says so.

    Source: the reference's page on downloaded content.
    """
    if not (isinstance(parsed, list) and parsed and isinstance(parsed[0], dict)):
        return False
    params = parsed[0].get("params")
    return isinstance(params, dict) and params.get(keys.MEDIA_DOWNLOADED) is True


def _check_array(parsed: object, arrived_ms: float, schemas: Schemas) -> Iterator[Finding]:
    if not isinstance(parsed, list) or not parsed:
        got = "empty" if parsed == [] else json_type_of(parsed)
        yield NOT_AN_OBJECT.finding("", f"the body is {got}; expected a non-empty array of event objects")
        return
    for index, event in enumerate(parsed):
        if isinstance(event, dict):
            yield from _check_event(event, f"[{index}].", arrived_ms, schemas, live=False)
        else:
            message = f"[{index}] is {json_type_of(event)}; expected an event object"
            yield NOT_AN_OBJECT.finding(f"[{index}]", message)


UNKNOWN_EVENT_TYPE = Rule(
    id="unknown-event-type",
    severity=Severity.ERROR,
    when="eventType is not a string, or none of the twenty documented ones.",
    why="There is no schema for it, so the endpoint answers 400 and the event counts nowhere.",
    fix="Use a documented event type; play ends a pause or a buffer, and a seek is pauseStart, then play.",
    bad='"eventType": "resume"',
    good='"eventType": "play"',
    source="Reference: events request; event types",
    contradictions="The sample schema lists fourteen types; the pages on events have twenty. All twenty are fine.",
)


def _check_event(
    event: dict[str, Any], prefix: str, arrived_ms: float, schemas: Schemas, *, live: bool
) -> Iterator[Finding]:
    named = event.get(keys.EVENT_TYPE)
    event_type = named if isinstance(named, str) and named in schemas else None
    body = EventBody(event, event_type, prefix, arrived_ms, live)
    if event_type is None and keys.EVENT_TYPE in event:
        hint = nearest(named, EVENT_TYPES, MISNOMERS) if isinstance(named, str) else ""
        message = f"{keys.EVENT_TYPE} is {quote(named)}, which is not documented{hint}"
        yield UNKNOWN_EVENT_TYPE.finding(f"{prefix}{keys.EVENT_TYPE}", message)
    for error in schemas.schema_errors(event_type, event):
        yield from findings_for(body, error)
    for check in VALUE_CHECKS:
        yield from check(body)
