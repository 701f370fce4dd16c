"""What the rules say of one exchange: the body by its schema and beyond it, the answer by what its call documents.

Findings never quote a value that identifies a person or a device.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, TypeGuard

import orjson

from tapehead.api import DOCUMENTED_STATUSES, EVENT_TYPES, Call, sid_of_location
from tapehead.complaints import PERSON_KEYS, Body, grade, join, kind_of, name_of, nearest, part_of, quote, shorten
from tapehead.exchange import Finding, Request, Response, Severity
from tapehead.parameters import METADATA_ON, PLACEHOLDER
from tapehead.rules import finding
from tapehead.schemas import Schemas

TEN_YEARS_MS = 10 * 365.25 * 86400 * 1000
SKEW_MS = 60_000
LOW_BITRATE = 10_000
# Findings of one body that are listed; a hostile one could have a hundred thousand.
MOST_FINDINGS = 200

_VISITOR_IDS = (
    "visitor.marketingCloudUserId",
    "appInstallationId",
    "analytics.visitorId",
    "analytics.aid",
    "visitor.customerIDs",
)


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
    return [*asked, *_check_answer(call, request, response, error)]


def check_request(call: Call, request: Request, arrived_ms: float, schemas: Schemas) -> list[Finding]:
    """What the rules say of a request alone; nothing for calls without a body."""
    if call in (Call.PREFLIGHT, Call.SCHEMA):
        return []
    return listed(chain(_check_content_type(request), _check_content(call, request, arrived_ms, schemas)))


def listed(found: Iterator[Finding]) -> list[Finding]:
    """The findings of one body, as many as are listed, and whether there are more."""
    listed = list(islice(found, MOST_FINDINGS))
    if more := next(found, None):
        listed.append(finding(more.rule, "", f"more than {MOST_FINDINGS} findings; the others are not listed"))
    return listed


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
        yield finding("not-an-object", "", f"the body is {kind_of(parsed)}; expected one event object")


def parse_body(request: Request) -> Any:
    """The request's body as parsed JSON.

    Raises:
        ValueError: it is not one JSON value; the message says what and where.
    """
    content = request.content()
    if not content:
        raise ValueError("the body is empty; expected one JSON object")
    if request.coded:
        coding = shorten(request.header("Content-Encoding") or "")
        raise ValueError(f"the body is no valid {coding}; expected JSON in it")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from error


def is_downloaded(parsed: object) -> bool:
    """Whether a parsed body is the deprecated form of downloaded content: an array whose sessionStart says so."""
    if not (isinstance(parsed, list) and parsed and isinstance(parsed[0], dict)):
        return False
    params = parsed[0].get("params")
    return isinstance(params, dict) and params.get("media.downloaded") is True


def _check_array(parsed: object, arrived_ms: float, schemas: Schemas) -> Iterator[Finding]:
    if not isinstance(parsed, list) or not parsed:
        got = "empty" if parsed == [] else kind_of(parsed)
        yield finding("not-an-object", "", f"the body is {got}; expected a non-empty array of event objects")
        return
    for index, event in enumerate(parsed):
        if isinstance(event, dict):
            yield from _check_event(event, f"[{index}].", arrived_ms, schemas, live=False)
        else:
            yield finding("not-an-object", f"[{index}]", f"[{index}] is {kind_of(event)}; expected an event object")


def _check_event(
    event: dict[str, Any], prefix: str, arrived_ms: float, schemas: Schemas, *, live: bool
) -> Iterator[Finding]:
    named = event.get("eventType")
    event_type = named if isinstance(named, str) and named in schemas else None
    body = Body(event, event_type, prefix, arrived_ms, live)
    if event_type is None:
        yield from _check_event_type(body)
    for complaint in schemas.complaints(event_type, event):
        yield from grade(body, complaint)
    for check in _BEYOND_SCHEMA:
        yield from check(body)


def _check_event_type(body: Body) -> Iterator[Finding]:
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


def _check_timestamp(body: Body) -> Iterator[Finding]:
    ts = part_of(body, "playerTime").get("ts")
    if not _is_number(ts):
        return
    path, off = f"{body.prefix}playerTime.ts", abs(ts - body.arrived_ms)
    if off > TEN_YEARS_MS:
        yield finding("timestamp-unit", path, f"{name_of(body)}: {path} is {ts}, {_unit_guess(ts, body.arrived_ms)}")
    elif off > SKEW_MS and body.live:
        side = "before" if ts < body.arrived_ms else "after"
        message = f"{name_of(body)}: {path} is {ts}, {off / 1000:.0f} s {side} its arrival; expected at most 60 s"
        yield finding("clock-skew", path, message)


def _unit_guess(ts: float, arrived_ms: float) -> str:
    for unit, factor in (("seconds", 1000), ("microseconds", 1 / 1000), ("nanoseconds", 1 / 1_000_000)):
        if abs(ts * factor - arrived_ms) <= TEN_YEARS_MS:
            return f"which looks like {unit}; expected milliseconds since 1970"
    return "more than ten years from its arrival; expected milliseconds since 1970"


def _check_metadata_keys(body: Body) -> Iterator[Finding]:
    if body.event_type not in METADATA_ON:
        return
    for key in part_of(body, "customMetadata"):
        place = join(body, ("customMetadata", key))
        if key.startswith("a."):
            yield finding("metadata-key", place, f"{name_of(body)}: {place} begins with a., which is reserved")
        elif key.startswith("media."):
            message = f"{name_of(body)}: {place} begins with media., which the reported variables use"
            yield finding("metadata-key", place, message, Severity.WARNING)


def _check_identifiers(body: Body) -> Iterator[Finding]:
    params = part_of(body, "params")
    for key, fits, wanted in _IDENTIFIERS:
        value = params.get(key)
        if isinstance(value, str) and value and not _is_placeholder(key, value) and not fits(value):
            path = f"{body.prefix}params.{key}"
            shown = "is no such id" if key in PERSON_KEYS else f"is {quote(value)}"
            yield finding("identifier-format", path, f"{name_of(body)}: {path} {shown}; expected {wanted}")


_IDENTIFIERS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("visitor.marketingCloudOrgId", lambda value: value.endswith("@AdobeOrg"), "an id that ends in @AdobeOrg"),
    ("visitor.marketingCloudUserId", lambda value: re.fullmatch(r"[0-9]{38}", value) is not None, "38 digits"),
    ("analytics.trackingServer", lambda value: "/" not in value, "a host name without scheme or path"),
)


def _check_visitor(body: Body) -> Iterator[Finding]:
    if body.event_type == "sessionStart" and not any(part_of(body, "params").get(key) for key in _VISITOR_IDS):
        message = f"sessionStart: none of {', '.join(_VISITOR_IDS)} is there; expected at least one"
        yield finding("no-visitor-id", f"{body.prefix}params", message)


def _check_placeholders(body: Body) -> Iterator[Finding]:
    for section in ("params", "qoeData", "customMetadata"):
        for key, value in part_of(body, section).items():
            if isinstance(value, str) and _is_placeholder(key, value):
                path = join(body, (section, key))
                yield finding(
                    "placeholder-value", path, f"{name_of(body)}: {path} is {quote(value)}, which says nothing"
                )


def _check_bitrate(body: Body) -> Iterator[Finding]:
    sections = [section for section in ("qoeData", "params") if "media.qoe.bitrate" in part_of(body, section)]
    if body.event_type == "bitrateChange" and not sections:
        path = f"{body.prefix}qoeData.media.qoe.bitrate"
        yield finding("bitrate-missing", path, f"bitrateChange: {path} is missing; expected the new bitrate")
    for section in sections:
        bitrate, path = part_of(body, section)["media.qoe.bitrate"], f"{body.prefix}{section}.media.qoe.bitrate"
        if _is_number(bitrate) and 0 < bitrate < LOW_BITRATE:
            message = f"{name_of(body)}: {path} is {bitrate}, which looks like kilobits; expected bits per second"
            yield finding("bitrate-unit", path, message)


_BEYOND_SCHEMA = (
    _check_timestamp,
    _check_metadata_keys,
    _check_identifiers,
    _check_visitor,
    _check_placeholders,
    _check_bitrate,
)


# ---- The answer ----


def _check_answer(call: Call, request: Request, response: Response | None, error: str | None) -> Iterator[Finding]:
    if response is None:
        yield finding("no-response", "", f"no answer: {error}")
    elif response.status >= 400:
        yield finding("rejected", "", f"the endpoint answered {response.status}{_reason(response)}")
    elif response.status not in DOCUMENTED_STATUSES[call]:
        wanted = ", ".join(map(str, sorted(DOCUMENTED_STATUSES[call])))
        yield finding(
            "unexpected-status", "", f"the answer's status is {response.status}; the {call} call has {wanted}"
        )
    elif call is Call.SESSION and not sid_of_location(response.header("Location")) and not _is_array(request):
        yield finding("no-location", "", "the 201 has no Location that ends in /api/v1/sessions/{sid}")


def _is_array(request: Request) -> bool:
    """Whether the request is the old form of downloaded content; its answer opens no session to send events to."""
    return request.content().lstrip()[:1] == b"["


def _reason(response: Response) -> str:
    """The message of a failed answer, after a colon; empty if it has none."""
    try:
        message = orjson.loads(response.content())["message"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return ""
    return f": {str(message)[:200]}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_placeholder(key: str, value: str) -> bool:
    return PLACEHOLDER.fullmatch(value) is not None or (key == "visitor.marketingCloudOrgId" and value == "test")
