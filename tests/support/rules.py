"""Bodies and answers to check, and their findings."""

from typing import Any

from support.exchanges import NOW, event, request, start, start_with
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import find_call
from tapehead.protocol.schemas import Schemas
from tapehead.rules.exchange_checks import check_exchange, check_request

NOW_MS = NOW * 1000
SCHEMAS = Schemas()


EVENTS = "/api/v1/sessions/abc/events"
DOWNLOADED = "/api/v1/downloaded"


# The contract: ids and severities.
ERRORS = (
    "not-json not-an-object unknown-event-type missing-parameter wrong-type bad-value metadata-key timestamp-unit "
    "rejected unexpected-status no-location no-response"
)


WARNINGS = (
    "content-type unknown-parameter misplaced-parameter misplaced-metadata clock-skew identifier-format "
    "no-visitor-id placeholder-value bitrate-missing stream-type ping-params"
)


INFOS = "bitrate-unit"
CONTRACT = {
    **dict.fromkeys(str.split(ERRORS), Severity.ERROR),
    **dict.fromkeys(str.split(WARNINGS), Severity.WARNING),
    **dict.fromkeys(str.split(INFOS), Severity.INFO),
}


SAMPLE = rb"""{"playerTime":{"playhead":0,"ts":1509045324153},"eventType":"sessionStart","params":{
"media.playerName":"sample-html5-api-player","analytics.trackingServer":"<your-aa-tracking-server>",
"analytics.reportSuite":"<your-aa-rsid>","analytics.visitorId":"<your-userId>","media.contentType":"VOD",
"media.length":60.39333333333333,"media.id":"MA API Sample Player","visitor.marketingCloudOrgId":"<your-org-id>",
"media.name":"ClickMe","media.channel":"sample-channel","media.sdkVersion":"va-api-0.0.0",
"analytics.enableSSL":false},"customMetadata":{"myCustomData":"<your metadata>","myCustomData2":"<your metadata>"},
"qoeData":{"param1":"<your param-value>","param2":"<your param-value>"}}"""


def findings_of(asked: Request, arrived_ms: float = NOW_MS) -> list[Finding]:
    call = find_call(asked.method, asked.path)
    assert call
    return check_request(call.call, asked, arrived_ms, SCHEMAS)


def found_in(body: object, path: str = EVENTS) -> list[tuple[str, str]]:
    """The rules that fire on a body, with their places."""
    return [(each.rule, each.path) for each in findings_of(request(body, path))]


def found_in_start(params: dict[str, Any], **parts: object) -> list[tuple[str, str]]:
    return found_in(start_with(params) | parts, "/api/v1/sessions")


def at_time(ts: object, playhead: object = 0) -> dict[str, Any]:
    return {"eventType": "ping", "playerTime": {"playhead": playhead, "ts": ts}}


def answered_with(answer: Response | None, asked: Request | None = None) -> list[str]:
    """The rules that fire on an answer to a sound request."""
    asked = asked or request(start())
    call = find_call(asked.method, asked.path)
    assert call
    found = check_exchange(call.call, asked, answer, None if answer else "reset", NOW_MS, SCHEMAS)
    return [each.rule for each in found]


PING = event("ping")
