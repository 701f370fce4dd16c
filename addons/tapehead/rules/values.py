"""Rules on single values of a body: timestamps, identifiers, placeholders, bitrates, metadata keys."""

import re
from collections.abc import Callable, Iterator
from typing import TypeGuard

from tapehead.protocol.event_types import event_type_of
from tapehead.protocol.events import TEN_YEARS_MS
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.parameters import PLACEHOLDER
from tapehead.rules.catalog import finding
from tapehead.rules.support.schema_errors import PERSON_KEYS, EventBody, join, name_of, part_of
from tapehead.text import quote

SKEW_MS = 60_000


LOW_BITRATE = 10_000


_VISITOR_IDS = (
    "visitor.marketingCloudUserId",
    "appInstallationId",
    "analytics.visitorId",
    "analytics.aid",
    "visitor.customerIDs",
)


def _check_timestamp(body: EventBody) -> Iterator[Finding]:
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


def _check_metadata_keys(body: EventBody) -> Iterator[Finding]:
    if not event_type_of(body.event_type).metadata:
        return
    for key in part_of(body, "customMetadata"):
        place = join(body, ("customMetadata", key))
        if key.startswith("a."):
            yield finding("metadata-key", place, f"{name_of(body)}: {place} begins with a., which is reserved")
        elif key.startswith("media."):
            message = f"{name_of(body)}: {place} begins with media., which the reported variables use"
            yield finding("metadata-key", place, message, Severity.WARNING)


def _check_identifiers(body: EventBody) -> Iterator[Finding]:
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


def _check_visitor(body: EventBody) -> Iterator[Finding]:
    if body.event_type == "sessionStart" and not any(part_of(body, "params").get(key) for key in _VISITOR_IDS):
        message = f"sessionStart: none of {', '.join(_VISITOR_IDS)} is there; expected at least one"
        yield finding("no-visitor-id", f"{body.prefix}params", message)


def _check_placeholders(body: EventBody) -> Iterator[Finding]:
    for section in ("params", "qoeData", "customMetadata"):
        for key, value in part_of(body, section).items():
            if isinstance(value, str) and _is_placeholder(key, value):
                path = join(body, (section, key))
                yield finding(
                    "placeholder-value", path, f"{name_of(body)}: {path} is {quote(value)}, which says nothing"
                )


def _check_bitrate(body: EventBody) -> Iterator[Finding]:
    sections = [section for section in ("qoeData", "params") if "media.qoe.bitrate" in part_of(body, section)]
    if body.event_type == "bitrateChange" and not sections:
        path = f"{body.prefix}qoeData.media.qoe.bitrate"
        yield finding("bitrate-missing", path, f"bitrateChange: {path} is missing; expected the new bitrate")
    for section in sections:
        bitrate, path = part_of(body, section)["media.qoe.bitrate"], f"{body.prefix}{section}.media.qoe.bitrate"
        if _is_number(bitrate) and 0 < bitrate < LOW_BITRATE:
            message = f"{name_of(body)}: {path} is {bitrate}, which looks like kilobits; expected bits per second"
            yield finding("bitrate-unit", path, message)


BEYOND_SCHEMA = (
    _check_timestamp,
    _check_metadata_keys,
    _check_identifiers,
    _check_visitor,
    _check_placeholders,
    _check_bitrate,
)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_placeholder(key: str, value: str) -> bool:
    return PLACEHOLDER.fullmatch(value) is not None or (key == "visitor.marketingCloudOrgId" and value == "test")
