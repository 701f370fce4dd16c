"""Rules on single values of a body: timestamps, identifiers, placeholders, bitrates, metadata keys."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeGuard

from tapehead.protocol import keys
from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import TEN_YEARS_MS
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.parameters import LOW_BITRATE, PLACEHOLDER, STREAM_TYPES, Parameter, parameters_of
from tapehead.rules.schema_errors import BAD_VALUE, METADATA_KEY
from tapehead.rules.support.event_body import PERSON_KEYS, EventBody
from tapehead.rules.support.rule import Rule
from tapehead.text import find_nearest, quote, shorten

SKEW_MS = 60_000
# The first characters of placeholders that are not blank: hardly any value has one of them.
_PLACEHOLDER_STARTS = frozenset("nNuU[<")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_placeholder(key: str, value: str) -> bool:
    may_be_one = value[:1] in _PLACEHOLDER_STARTS or value[:1].isspace()
    return (may_be_one and PLACEHOLDER.fullmatch(value) is not None) or (key == keys.ORG_ID and value == "test")


TIMESTAMP_UNIT = Rule(
    id="timestamp-unit",
    severity=Severity.ERROR,
    when="ts is in seconds or microseconds, or more than ten years from its arrival.",
    why="All durations are sums of ts differences: a wrong unit makes every time metric wrong.",
    fix="Send milliseconds since 1970, UTC, as an integer.",
    bad='"ts": 1795401670',
    good='"ts": 1795401670274',
    source="Reference: sessions request; controlling the order of events",
    contradictions="The timelines write ts as a placeholder string; the sample schema wants an integer.",
)

CLOCK_SKEW = Rule(
    id="clock-skew",
    severity=Severity.WARNING,
    when="ts is more than 60 seconds from its arrival.",
    why="Sessions land at the wrong time, and a clock that is corrected in mid-session distorts its durations.",
    fix="Take ts from a clock that is in step with UTC, or from the server's time plus a monotonic clock.",
    bad="ts 10:05:00, arrival 10:00:00",
    good="ts 10:00:00.2, arrival 10:00:00.3",
    source="Reference: sessions request",
    options=("clock-skew-seconds",),
)


def check_timestamp(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for a ts that is not in milliseconds, or of a clock that is off."""
    ts = body.section(keys.PLAYER_TIME).get("ts")
    if not _is_number(ts):
        return
    path, off = f"{body.prefix}{keys.TS_PATH}", abs(ts - body.arrived_ms)
    if off > TEN_YEARS_MS:
        guess = "more than ten years from its arrival"
        for unit, factor in (("seconds", 1000), ("microseconds", 1 / 1000), ("nanoseconds", 1 / 1_000_000)):
            if abs(ts * factor - body.arrived_ms) <= TEN_YEARS_MS:
                guess = f"which looks like {unit}"
                break
        message = f"{body.name}: {path} is {quote(ts)}, {guess}; expected milliseconds since 1970"
        yield TIMESTAMP_UNIT.finding(path, message)
    elif off > SKEW_MS and body.live:
        side = "before" if ts < body.arrived_ms else "after"
        message = f"{body.name}: {path} is {quote(ts)}, {off / 1000:.0f} s {side} its arrival; expected at most 60 s"
        yield CLOCK_SKEW.finding(path, message)


def check_metadata_keys(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for each metadata key with a reserved prefix; other characters are for the schema."""
    if not event_type_of(body.event_type).metadata:
        return
    for key in body.section(keys.METADATA):
        place = body.join((keys.METADATA, key))
        if key.startswith("a."):
            yield METADATA_KEY.finding(place, f"{body.name}: {place} begins with a., which is reserved")
        elif key.startswith(keys.MEDIA_PREFIX):
            message = f"{body.name}: {place} begins with {keys.MEDIA_PREFIX}, which the reported variables use"
            yield METADATA_KEY.finding(place, message, Severity.WARNING)


_IDENTIFIERS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    (keys.ORG_ID, lambda value: value.endswith("@AdobeOrg"), "an id that ends in @AdobeOrg"),
    (keys.ECID, lambda value: re.fullmatch(r"[0-9]{38}", value) is not None, "38 digits"),
    (keys.TRACKING_SERVER, lambda value: "/" not in value, "a host name without scheme or path"),
)


IDENTIFIER_FORMAT = Rule(
    id="identifier-format",
    severity=Severity.WARNING,
    when="An organisation id without @AdobeOrg, an ECID that is not 38 digits, a tracking server with scheme or path.",
    why="The visitor or the report suite is not found: visits split up, or nothing is reported.",
    fix="Send the ids exactly as the vendor's console shows them; the tracking server is a host name.",
    bad='"analytics.trackingServer": "https://example.sc.omtrdc.net/"',
    good='"analytics.trackingServer": "example.sc.omtrdc.net"',
    source="Reference: request parameters",
)


def check_identifiers(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for each identifier that has another form than documented."""
    params = body.section("params")
    for key, fits, wanted in _IDENTIFIERS:
        value = params.get(key)
        if isinstance(value, str) and value and not _is_placeholder(key, value) and not fits(value):
            path = f"{body.prefix}params.{key}"
            shown = "is no such id" if key in PERSON_KEYS else f"is {quote(value)}"
            yield IDENTIFIER_FORMAT.finding(path, f"{body.name}: {path} {shown}; expected {wanted}")


_VISITOR_IDS = (
    keys.ECID,
    keys.APP_INSTALLATION_ID,
    keys.ANALYTICS_VISITOR_ID,
    keys.ANALYTICS_ID,
    keys.CUSTOMER_IDS,
)


NO_VISITOR_ID = Rule(
    id="no-visitor-id",
    severity=Severity.WARNING,
    when="A sessionStart without any of marketingCloudUserId, appInstallationId, visitorId, aid and customerIDs.",
    why="Each session counts as a new visitor, and the session cannot be joined with the visit it belongs to.",
    fix="Send visitor.marketingCloudUserId (the ECID), or one of the others.",
    bad="sessionStart without any visitor id",
    good='"visitor.marketingCloudUserId": "12345678901234567890123456789012345678"',
    source="Reference: request parameters",
    contradictions="No page calls one of them mandatory. So this is a warning.",
)


def check_visitor(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for a sessionStart without any visitor id."""
    if body.event_type == "sessionStart" and not any(body.section("params").get(key) for key in _VISITOR_IDS):
        message = f"sessionStart: none of {', '.join(_VISITOR_IDS)} is there; expected at least one"
        yield NO_VISITOR_ID.finding(f"{body.prefix}params", message)


PLACEHOLDER_VALUE = Rule(
    id="placeholder-value",
    severity=Severity.WARNING,
    when="A value that says nothing: N/A, null, undefined, NaN, [object Object], <your-...>, [YOUR_...], blanks.",
    why="It is reported as if it were a name, in rows of its own.",
    fix="Send the real value, or leave the key out.",
    bad='"media.name": "undefined"',
    good='"media.name": "Evening news"',
    source="Reference: sessions request (its sample); observed in players in the field",
)


def check_placeholders(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for each value that is a placeholder of a sample."""
    for section in ("params", keys.QUALITY, keys.METADATA):
        for key, value in body.section(section).items():
            if isinstance(value, str) and _is_placeholder(key, value):
                path = body.join((section, key))
                yield PLACEHOLDER_VALUE.finding(path, f"{body.name}: {path} is {quote(value)}, which says nothing")


@lru_cache(maxsize=64)
def _limited_parameters(event_type: str) -> tuple[Parameter, ...]:
    """Return the parameters of an event that the SDKs have a minimum for."""
    return tuple(row for row in parameters_of(event_type, keys.PARAMS) if row.sdk_minimum is not None)


def check_minimums(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for each number below 0 that the vendor's SDKs would refuse, and the endpoint takes."""
    params = body.section("params")
    for row in _limited_parameters(body.event_type or ""):
        value = params.get(row.key)
        if _is_number(value) and value < 0:
            path = f"{body.prefix}params.{row.key}"
            message = f"{body.name}: {path} is {quote(value)}; the vendor's SDKs take {row.sdk_minimum} or more"
            yield BAD_VALUE.finding(path, message, Severity.INFO)


STREAM_TYPE = Rule(
    id="stream-type",
    severity=Severity.WARNING,
    when="media.streamType of a sessionStart is neither audio nor video (absent: an information).",
    why="Reports that are split into audio and video leave the session out, or give it a row of its own.",
    fix="Send media.streamType audio or video.",
    bad='"media.streamType": "hls"',
    good='"media.streamType": "video"',
    source="Reference: variables, core/stream-type; request parameters",
    contradictions="Required on the variable's page, optional in the request parameters.",
)


def check_stream_type(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for a sessionStart that does not say whether it is audio or video."""
    if body.event_type != "sessionStart" or not isinstance(body.event.get(keys.PARAMS), dict):
        return
    params, path = body.section(keys.PARAMS), f"{body.prefix}params.{keys.STREAM_TYPE}"
    named = params.get(keys.STREAM_TYPE)
    wanted = f"expected {' or '.join(STREAM_TYPES)}"
    if keys.STREAM_TYPE not in params:
        yield STREAM_TYPE.finding(path, f"sessionStart: {path} is missing; {wanted}", Severity.INFO)
    elif isinstance(named, str) and named not in STREAM_TYPES and not _is_placeholder(keys.STREAM_TYPE, named):
        yield STREAM_TYPE.finding(path, f"sessionStart: {path} is {quote(named)}; {wanted}")


PING_PARAMS = Rule(
    id="ping-params",
    severity=Severity.WARNING,
    when="A ping has params.",
    why="A ping takes none: the values are lost, or the endpoint refuses the ping.",
    fix="Send pings with eventType and playerTime alone, quality values in qoeData.",
    bad='ping with "params": {"media.id": "news-1"}',
    good='ping with "qoeData": {"media.qoe.bitrate": 800000}',
    source="Reference: ping",
    once=True,
)


def check_ping_params(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for a ping with params; empty ones say nothing, and do no harm."""
    params = body.section(keys.PARAMS)
    if body.event_type == "ping" and params:
        path, more = f"{body.prefix}params", f" and {len(params) - 1} more" if len(params) > 1 else ""
        message = f"ping: {path} has {shorten(next(iter(params)))}{more}; expected no params"
        yield PING_PARAMS.finding(path, message)


BITRATE_UNIT = Rule(
    id="bitrate-unit",
    severity=Severity.INFO,
    when="A bitrate under 10000: it looks like kilobits, the reference says bits per second.",
    why="The average bitrate falls into the lowest buckets.",
    fix="Send bits per second.",
    bad='"media.qoe.bitrate": 3200',
    good='"media.qoe.bitrate": 3200000',
    source="Reference: request parameters (bits); variables, quality/bitrate (kilobits): the pages disagree",
    contradictions=(
        "Bits per second in the request parameters, kilobits on the variable's and the "
        "metric's pages. So this is an information."
    ),
    once=True,
)


BITRATE_MISSING = Rule(
    id="bitrate-missing",
    severity=Severity.WARNING,
    when="A bitrateChange without media.qoe.bitrate.",
    why="The change counts, but the average bitrate does not move.",
    fix="Send the new bitrate in qoeData with the event.",
    bad="bitrateChange without qoeData",
    good='bitrateChange with "qoeData": {"media.qoe.bitrate": 800000}',
    source="Reference: bitrateChange; sending quality data",
    contradictions="Quality values stand in params on some pages and in qoeData on others: both are fine.",
)


def check_bitrate(body: EventBody) -> Iterator[Finding]:
    """Yield a finding for a bitrate in kilobits, or for none where it changes."""
    sections = [section for section in (keys.QUALITY, "params") if keys.BITRATE in body.section(section)]
    if body.event_type == "bitrateChange":
        # A misspelled key has a finding of its own.
        documented = [row.key for row in parameters_of("bitrateChange", "params")]
        sent = (find_nearest(key, documented) for section in (keys.QUALITY, "params") for key in body.section(section))
        if keys.BITRATE not in sent:
            path = f"{body.prefix}{keys.QUALITY}.{keys.BITRATE}"
            yield BITRATE_MISSING.finding(path, f"bitrateChange: {path} is missing; expected the new bitrate")
    for section in sections:
        bitrate, path = body.section(section)[keys.BITRATE], f"{body.prefix}{section}.{keys.BITRATE}"
        if _is_number(bitrate) and 0 < bitrate < LOW_BITRATE:
            message = f"{body.name}: {path} is {quote(bitrate)}, which looks like kilobits; expected bits per second"
            yield BITRATE_UNIT.finding(path, message)


# The checks of a body beyond its schema.
VALUE_CHECKS: tuple[Callable[[EventBody], Iterator[Finding]], ...] = (
    check_timestamp,
    check_metadata_keys,
    check_identifiers,
    check_visitor,
    check_placeholders,
    check_minimums,
    check_stream_type,
    check_ping_params,
    check_bitrate,
)
