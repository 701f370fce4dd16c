"""The three documented timelines with their mistakes corrected, as a correct player sends them.

Source: the reference's pages "timeline 1 - view to end", "timeline 2 - abandon" and "timeline 3 - chapters".
Corrections: equal timestamps are a millisecond apart; podPosition counts up within its break; bodies have the playhead
of the page's own table; timeline 2's first ad has the length that it plays (12 s), its second break its own name, its
quality data the documented key, and its last ad and break are closed before the session.
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


_START: Params = {
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
_AD_METADATA: Params = {"affiliate": "Sample affiliate", "campaign": "Sample campaign"}
_BITRATE: Params = {"media.qoe.bitrate": 10000}


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


def chapter(name: str, index: int, offset: float, length: float) -> Params:
    """Return the params of a chapterStart."""
    return {
        "media.chapter.index": index,
        "media.chapter.offset": offset,
        "media.chapter.length": length,
        "media.chapter.friendlyName": name,
    }


VIEW_TO_END = (
    Step(0, 0, "sessionStart", _START),
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(1, 15, 1), metadata=_AD_METADATA),
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

ABANDON = (
    Step(0, 0, "sessionStart", _START),
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(2, 12, 1)),
    Step(1, 0, "ping"),
    Step(12, 0, "adComplete"),
    Step(12, 0, "adBreakComplete"),
    Step(12, 0, "play", quality=_BITRATE),
    Step(20, 8, "ping"),
    Step(30, 18, "ping"),
    Step(32, 20, "error"),
    Step(37, 20, "play", quality=_BITRATE),
    Step(40, 28, "ping"),
    Step(45, 33, "adBreakStart", ad_break("ad_pod2", 1, 33)),
    Step(45, 33, "adStart", ad(2, 8, 1)),
    Step(48, 33, "adSkip"),
    Step(48, 33, "adBreakComplete"),
    Step(48, 33, "sessionEnd"),
)

CHAPTERS = (
    Step(0, 0, "sessionStart", _START),
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(1, 15, 1), metadata=_AD_METADATA),
    Step(10, 0, "ping"),
    Step(15, 0, "adComplete"),
    Step(15, 0, "adStart", ad(2, 7, 2)),
    Step(16, 0, "ping"),
    Step(22, 0, "adComplete"),
    Step(22, 0, "adBreakComplete"),
    Step(22, 0, "play"),
    Step(23, 1, "chapterStart", chapter("Chapter Uno", 1, 0, 20)),
    Step(30, 8, "ping"),
    Step(33, 11, "bufferStart"),
    Step(36, 11, "play"),
    Step(40, 15, "ping"),
    Step(45, 20, "chapterComplete"),
    Step(46, 21, "adBreakStart", ad_break("ad_pod2", 1, 21)),
    Step(46, 21, "adStart", ad(3, 8, 1)),
    Step(47, 21, "ping"),
    Step(54, 21, "adComplete"),
    Step(54, 21, "adBreakComplete"),
    Step(55, 22, "chapterStart", chapter("Chapter Dos", 2, 22, 22)),
    Step(60, 27, "ping"),
    Step(64, 31, "pauseStart"),
    Step(70, 31, "ping"),
    Step(74, 31, "play"),
    Step(80, 37, "ping"),
    Step(87, 44, "chapterComplete"),
    Step(88, 45, "sessionComplete"),
)

TIMELINES: dict[int, tuple[Step, ...]] = {1: VIEW_TO_END, 2: ABANDON, 3: CHAPTERS}


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
