"""The parameters of the Media Collection API: every documented key with its type and constraints.

Schemas, findings, suggestions and redaction are all built from this table.

Theory. A body has two extensible objects, `params` and `qoeData`; `section` says which of them contains the key.
`on` lists the event types of a key, or is ANY. `required` marks what the reference calls mandatory with these event
types. The other columns are constraints that JSON Schema can express. Required strings must not be empty: an empty
id drops the session or the ad from the reports (reference: variables, core/content-id and ads/ad-id).

Source: request parameters and variables in the reference, as of 2026-07. Where its pages disagree, both
versions are included: rows whose note says "also" are on one page only.
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

JsonType = Literal["string", "boolean", "integer", "number", "object", "array", "null"]
Section = Literal["params", "qoeData"]
ANY = ("*",)


class Parameter(NamedTuple):
    """A documented parameter.

    Attributes:
        key: the name on the wire.
        type: the allowed JSON types.
        on: the event types that it is documented with, or ANY.
        section: the object of the body that contains it.
        required: whether it is mandatory with these event types.
        enum: the documented values; None for any. No schema of the endpoint refuses others.
        minimum: the smallest allowed value; None for any.
        sdk_minimum: the smallest value that the vendor's SDKs take (their sources); None for any.
        pattern: a regular expression that documented values match; None for any. No schema of the endpoint has it.
        unit: the unit of a number.
        person: whether its value identifies a person or a device.
        note: a remark for readers.
    """

    key: str
    type: tuple[JsonType, ...] = ("string",)
    on: tuple[str, ...] = ("sessionStart",)
    section: Section = "params"
    required: bool = False
    enum: tuple[str, ...] | None = None
    minimum: int | None = None
    sdk_minimum: int | None = None
    pattern: str | None = None
    unit: str = ""
    person: bool = False
    note: str = ""


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("analytics.trackingServer", required=True),
    Parameter("analytics.reportSuite", required=True),
    Parameter("analytics.enableSSL", ("boolean",)),
    Parameter("analytics.visitorId", person=True),
    Parameter("analytics.aid", person=True),
    Parameter("analytics.optOutServerSideForwarding", ("boolean",)),
    Parameter("analytics.optOutShare", ("boolean",)),
    Parameter("visitor.marketingCloudOrgId", required=True, note="ends in @AdobeOrg"),
    Parameter("visitor.marketingCloudUserId", person=True, note="the ECID, 38 digits; recommended, not required"),
    Parameter("visitor.aamLocationHint", ("integer", "null"), ("sessionStart",), note="also null, if not given"),
    Parameter(
        "visitor.customerIDs",
        ("object",),
        person=True,
        note="name -> {id: string, authState: 0|1|2}, any number of names",
    ),
    Parameter("appInstallationId", person=True),
    Parameter("media.id", required=True),
    Parameter("media.name"),
    Parameter("media.length", ("number",), required=True, note="SDKs send 86400 for live", minimum=0, unit="seconds"),
    Parameter(
        "media.contentType",
        required=True,
        note="any string; VOD, Live and Linear are recommended, SDKs send lower case",
    ),
    Parameter("media.streamType", note="video or audio; required on one page, optional on others"),
    Parameter("media.playerName", required=True),
    Parameter("media.channel", required=True),
    Parameter("media.resume", ("boolean",)),
    Parameter("media.sdkVersion"),
    Parameter("media.libraryVersion"),
    Parameter("media.publisher"),
    Parameter(
        "media.downloaded",
        ("boolean",),
        note="only for sessions sent after the fact; see the downloaded endpoint",
    ),
    Parameter("media.streamFormat"),
    Parameter("media.show"),
    Parameter("media.season"),
    Parameter("media.episode"),
    Parameter("media.assetId"),
    Parameter("media.genre"),
    Parameter("media.firstAirDate", note="YYYY-MM-DD"),
    Parameter("media.firstDigitalDate", note="YYYY-MM-DD"),
    Parameter("media.rating"),
    Parameter("media.originator"),
    Parameter("media.network"),
    Parameter("media.showType", note="0 full episode, 1 preview, 2 clip, 3 other; or any", enum=("0", "1", "2", "3")),
    Parameter("media.adLoad"),
    Parameter("media.pass.mvpd"),
    Parameter("media.pass.auth", note='only "true", in any case, means anything', pattern="^[Tt][Rr][Uu][Ee]$"),
    Parameter("media.dayPart"),
    Parameter("media.feed"),
    Parameter("media.artist"),
    Parameter("media.album"),
    Parameter("media.label"),
    Parameter("media.author"),
    Parameter("media.station"),
    Parameter(
        "media.ad.podFriendlyName",
        on=("adBreakStart", "adStart"),
        note="on adStart, too, in the documented timelines",
    ),
    Parameter("media.ad.podIndex", ("integer",), ("adBreakStart",), required=True, sdk_minimum=1),
    Parameter(
        "media.ad.podSecond",
        ("number",),
        ("adBreakStart",),
        required=True,
        note="into the content",
        sdk_minimum=0,
        unit="seconds",
    ),
    Parameter(
        "media.ad.podPosition",
        ("integer",),
        ("adStart",),
        required=True,
        note="from 0 or from 1: pages disagree",
        sdk_minimum=1,
    ),
    Parameter("media.ad.id", on=("adStart",), required=True),
    Parameter("media.ad.length", ("number",), ("adStart",), required=True, minimum=0, unit="seconds"),
    Parameter("media.ad.playerName", on=("adStart",), required=True),
    Parameter("media.ad.name", on=("adStart",)),
    Parameter("media.ad.advertiser", on=("adStart",)),
    Parameter("media.ad.campaignId", on=("adStart",)),
    Parameter("media.ad.creativeId", on=("adStart",)),
    Parameter("media.ad.siteId", on=("adStart",)),
    Parameter("media.ad.creativeURL", on=("adStart",)),
    Parameter("media.ad.placementId", on=("adStart",)),
    Parameter("media.chapter.index", ("integer",), ("chapterStart",), required=True, sdk_minimum=1),
    Parameter("media.chapter.offset", ("number",), ("chapterStart",), required=True, sdk_minimum=0, unit="seconds"),
    Parameter("media.chapter.length", ("number",), ("chapterStart",), required=True, minimum=0, unit="seconds"),
    Parameter("media.chapter.friendlyName", on=("chapterStart",)),
    Parameter(
        "media.state.name",
        on=("stateStart", "stateEnd"),
        required=True,
        note="standard: fullScreen, closedCaptioning, mute, pictureInPicture, inFocus; custom names allowed",
    ),
    Parameter("statesStart", ("array",), ("statesUpdate",), note="array of {media.state.name}"),
    Parameter("statesEnd", ("array",), ("statesUpdate",), note="array of {media.state.name}"),
    Parameter(
        "media.qoe.bitrate",
        ("integer",),
        ANY,
        "qoeData",
        unit="bits per second",
        note="other pages say kilobits",
    ),
    Parameter(
        "media.qoe.droppedFrames",
        ("integer",),
        ANY,
        "qoeData",
        unit="frames",
        note="the running total of the session",
    ),
    Parameter("media.qoe.framesPerSecond", ("integer",), ANY, "qoeData", unit="frames per second"),
    Parameter("media.qoe.timeToStart", ("integer",), ANY, "qoeData", unit="milliseconds"),
    Parameter("media.qoe.errorID", on=ANY, section="qoeData"),
    Parameter("media.qoe.errorSource", on=ANY, section="qoeData", enum=("player", "external")),
    # "Also": the pages of the quality variables place them in params, the error page alone has these two keys.
    Parameter("media.qoe.bitrate", ("integer",), ANY, note="also in params"),
    Parameter("media.qoe.droppedFrames", ("integer",), ANY, note="also in params"),
    Parameter("media.qoe.framesPerSecond", ("integer",), ANY, note="also in params"),
    Parameter("media.qoe.timeToStart", ("integer",), ANY, unit="milliseconds", note="also in params"),
    Parameter("media.errorId", on=("error",), note="also: the page on error events alone has it"),
    Parameter(
        "media.errorSource",
        on=("error",),
        enum=("player", "external"),
        note="also: the page on error events alone has it",
    ),
)

# What players call parameters that the API names otherwise, in lower case: the names of the vendor's older APIs.
MISNAMED_KEYS = {
    "media.chapter.name": "media.chapter.friendlyName",
    "media.chapter.position": "media.chapter.index",
    "media.ad.podname": "media.ad.podFriendlyName",
}

# The pattern of keys in customMetadata (reference: custom metadata).
METADATA_KEY = r"^[a-zA-Z0-9_\.]+$"
# Values without meaning: the reference's own samples, and what scripts print for a missing value (observed).
PLACEHOLDER = re.compile(r"n/a|null|undefined|nan|\[object object\]|<your\b.*>|\[your_.*\]|\s+", re.IGNORECASE)
# A bitrate below it looks like kilobits, not bits per second.
LOW_BITRATE = 10_000
STANDARD_STATES = ("fullScreen", "closedCaptioning", "mute", "pictureInPicture", "inFocus")
# Standard, too: the SDKs for JavaScript, iOS and Chromecast against Android's and the reference's samples.
STANDARD_SPELLINGS = ("fullscreen",)
# The names of player states that the vendor's SDKs take (their sources).
STATE_NAME_PATTERN = re.compile(r"[a-zA-Z0-9_.]{1,64}")
STREAM_TYPES = ("audio", "video")


def belongs(parameter: Parameter, event_type: str) -> bool:
    """Return whether `parameter` is documented with `event_type`."""
    return parameter.on == ANY or event_type in parameter.on


@lru_cache(maxsize=64)
def parameters_of(event_type: str, section: Section) -> tuple[Parameter, ...]:
    """Return the parameters that are documented with `event_type` in `section`."""
    return tuple(row for row in PARAMETERS if row.section == section and belongs(row, event_type))


def required_of(event_type: str) -> list[str]:
    """Return the required keys in the params of `event_type`."""
    return [row.key for row in parameters_of(event_type, "params") if row.required]
