"""The documented timelines 2 and 3 with their mistakes corrected, and all three by their numbers.

Source: the reference's pages "timeline 2 - abandon" and "timeline 3 - chapters". Corrections: equal timestamps are a
millisecond apart; podPosition counts up within its break; bodies have the playhead of the page's own table; timeline
2's first ad has the length that it plays (12 s), its second break its own name, its quality data the documented key,
its last ad and break are closed before the session; timeline 3's
content is as long as it plays.
"""

from tapehead.demo.timelines import AD_METADATA, START, VIEW_TO_END, Params, Step, ad, ad_break

BITRATE: Params = {"media.qoe.bitrate": 10000}


def chapter(name: str, index: int, offset: float, length: float) -> Params:
    """Return the params of a chapterStart."""
    return {
        "media.chapter.index": index,
        "media.chapter.offset": offset,
        "media.chapter.length": length,
        "media.chapter.friendlyName": name,
    }


ABANDON = (
    Step(0, 0, "sessionStart", START),
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(2, 12, 1)),
    Step(1, 0, "ping"),
    Step(12, 0, "adComplete"),
    Step(12, 0, "adBreakComplete"),
    Step(12, 0, "play", quality=BITRATE),
    Step(20, 8, "ping"),
    Step(30, 18, "ping"),
    Step(32, 20, "error"),
    Step(37, 20, "play", quality=BITRATE),
    Step(40, 28, "ping"),
    Step(45, 33, "adBreakStart", ad_break("ad_pod2", 1, 33)),
    Step(45, 33, "adStart", ad(2, 8, 1)),
    Step(48, 33, "adSkip"),
    Step(48, 33, "adBreakComplete"),
    Step(48, 33, "sessionEnd"),
)

CHAPTERS = (
    VIEW_TO_END[0],
    Step(0, 0, "adBreakStart", ad_break("ad_pod1", 0, 0)),
    Step(0, 0, "adStart", ad(1, 15, 1), metadata=AD_METADATA),
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
