"""A documented timeline with its mistakes corrected, as a correct player sends it, and the bodies of its events.

Source: the reference's page "timeline 1 - view to end". Corrections: equal timestamps are a millisecond apart, and
podPosition counts up within its break; the content is as long as it plays.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Params = Mapping[str, Any]

_NOTHING: Params = MappingProxyType({})


class Step(NamedTuple):
    """A step of a timeline, which sends an event.

    Attributes:
        at: the time, in seconds since the session's start.
        playhead: the playhead, in seconds into the content.
        event_type: the event's type.
        params, quality, metadata: the objects `params`, `qoeData`, `customMetadata`; left out where empty.
    """

    at: float
    playhead: float
    event_type: str
    params: Params = _NOTHING
    quality: Params = _NOTHING
    metadata: Params = _NOTHING


START: Params = {
    "analytics.trackingServer": "example.sc.omtrdc.net",
    "analytics.reportSuite": "example-rsid",
    "analytics.enableSSL": True,
    "visitor.marketingCloudOrgId": "0123456789ABCDEF01234567@AdobeOrg",
    "visitor.marketingCloudUserId": "12345678901234567890123456789012345678",
    "media.id": "VA API Sample Player",
    "media.name": "ClickMe",
    "media.length": 60.3333333333333,
    "media.contentType": "VOD",
    "media.streamType": "video",
    "media.playerName": "sample-html5-api-player",
    "media.channel": "sample-channel",
    "media.sdkVersion": "va-api-0.0.0",
}
AD_METADATA: Params = {"affiliate": "Sample affiliate", "campaign": "Sample campaign"}


def ad_break(name: str, index: int, second: float) -> Params:
    """Return the params of an adBreakStart."""
    return {"media.ad.podFriendlyName": name, "media.ad.podIndex": index, "media.ad.podSecond": second}


def ad(number: int, length: float, position: int) -> Params:
    """Return the params of an adStart."""
    return {
        "media.ad.id": f"{number:03d}",
        "media.ad.name": f"Ad {number}",
        "media.ad.length": length,
        "media.ad.podPosition": position,
        "media.ad.playerName": "sample-html5-api-player",
    }


VIEW_TO_END = (
    Step(0, 0, "sessionStart", {**START, "media.length": 45}),
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(1, 15, 1), metadata=AD_METADATA),
    Step(1, 0, "ping"),
    Step(2, 0, "ping"),
    Step(3, 0, "ping"),
    Step(15, 0, "adComplete"),
    Step(15, 0, "adStart", ad(2, 7, 2)),
    Step(20, 0, "ping"),
    Step(22, 0, "adComplete"),
    Step(22, 0, "adBreakComplete"),
    Step(22, 0, "play"),
    Step(30, 8, "ping"),
    Step(33, 11, "bufferStart"),
    Step(36, 11, "play"),
    Step(40, 15, "ping"),
    Step(46, 21, "adBreakStart", ad_break("ad_pod2", 1, 21)),
    Step(46, 21, "adStart", ad(3, 8, 1)),
    Step(50, 21, "ping"),
    Step(54, 21, "adComplete"),
    Step(54, 21, "adBreakComplete"),
    Step(60, 27, "ping"),
    Step(64, 31, "pauseStart"),
    Step(70, 31, "ping"),
    Step(74, 31, "play"),
    Step(80, 37, "ping"),
    Step(88, 45, "sessionComplete"),
)


def bodies(timeline: Sequence[Step], started_ms: int) -> Iterator[dict[str, Any]]:
    """Yield the bodies of a timeline that starts at `started_ms`, in milliseconds since 1970.

    Steps at the same time get timestamps a millisecond apart.
    """
    last_ms = started_ms - 1
    for step in timeline:
        last_ms = max(last_ms + 1, started_ms + round(step.at * 1000))
        objects = {"params": step.params, "qoeData": step.quality, "customMetadata": step.metadata}
        yield {
            "eventType": step.event_type,
            "playerTime": {"playhead": step.playhead, "ts": last_ms},
            **{name: value for name, value in objects.items() if value},
        }
