"""Metrics of ads derived by hand: each case with its arithmetic, and a neighbour on the other side of its rule."""

from typing import Any

import pytest

from support.metrics import AD, POD, Case, at, case, check, of, pre_roll, start

PAIR = {"media.ad.podIndex": 0, "media.ad.podSecond": 0}
ADS = [
    case(
        "an ad outside a break is content, though the playhead stands still",
        # 10 s of content, 15 s of an ad that no break holds, 5 s of content: 30 s, no ad, no stall.
        start(),
        at(0, "play"),
        at(10, "adStart", 10, AD),
        *(at(second, "ping", 10) for second in (13, 16, 19, 22)),
        at(25, "adComplete", 10),
        at(30, "ping", 15),
        content_time_spent=30.0,
        ad_time_spent=0.0,
        ad_starts=0,
        stall_events=0,
        total_stalling_duration=0.0,
    ),
    case(
        "the same pings without an ad are a stall",
        # 10 s, then the playhead stands at 10 from 10 to 25: 15 s of stall, then 5 s.
        start(),
        at(0, "play"),
        *(at(second, "ping", 10) for second in (10, 13, 16, 19, 22, 25)),
        at(30, "ping", 15),
        content_time_spent=15.0,
        stall_events=1,
        total_stalling_duration=15.0,
    ),
    case(
        "a pre-roll outside a break is content, too",
        # An ad before any play counts as playing: 5 s, and 5 s after the play.
        start(),
        at(0, "adStart", 0, AD),
        at(5, "adComplete"),
        at(5, "play"),
        at(10, "ping", 5),
        content_time_spent=10.0,
        media_time_spent=10.0,
        ad_starts=0,
    ),
    case(
        "time between adSkip and the end of the break is no ad",
        # content 0-10, ad 10-15, then 7 s in the break without an ad, in which content plays, then 1 s:
        # content 10 + 7 + 1 = 18, ad 5, media 23.
        start(),
        at(0, "play"),
        at(10, "adBreakStart", 10, POD),
        at(10, "adStart", 10, AD),
        at(15, "adSkip", 10),
        at(22, "adBreakComplete", 10),
        at(23, "ping", 11),
        ad_time_spent=5.0,
        content_time_spent=18.0,
        media_time_spent=23.0,
        ad_completes=0,
    ),
    case(
        "time between adComplete and the end of the break is none either",
        start(),
        at(0, "play"),
        at(10, "adBreakStart", 10, POD),
        at(10, "adStart", 10, AD),
        at(15, "adComplete", 10),
        at(22, "adBreakComplete", 10),
        at(23, "ping", 11),
        ad_time_spent=5.0,
        media_time_spent=23.0,
        ad_completes=1,
    ),
]


def two_ads(gap_ms: int) -> tuple[Any, ...]:
    """Ten seconds of content, and a break of two ads of 5 s with a gap between them, whose last event is on its own."""
    second = 15 + gap_ms / 1000
    return (
        start(),
        at(0, "play"),
        at(10, "adBreakStart", 10, POD),
        at(10, "adStart", 10, AD),
        at(15, "adComplete", 10),
        at(15.1, "bitrateChange", 10),
        at(second, "adStart", 10, AD),
        at(second + 5, "adComplete", 10),
        at(second + 5, "adBreakComplete", 10),
    )


GAPS = [
    # Ads 5 + 5 s; up to 250 ms between them are neither ad nor content: content 10.
    case("a gap of 250 ms", *two_ads(250), content_time_spent=10.0, ad_time_spent=10.0, media_time_spent=20.0),
    # One millisecond more, and all of it is content: 10 + 0.251.
    case("a gap of 251 ms", *two_ads(251), content_time_spent=10.251, ad_time_spent=10.0, media_time_spent=20.251),
    # As long before the first ad: content 10, and with one millisecond more 10 + 0.251.
    *(
        case(
            f"{gap_ms} ms before the first ad",
            *two_ads(100)[:3],
            at(10 + gap_ms / 1000, "adStart", 10, AD),
            at(15 + gap_ms / 1000, "adComplete", 10),
            at(15 + gap_ms / 1000, "adBreakComplete", 10),
            content_time_spent=10.0 if gap_ms == 250 else 10.251,
            ad_time_spent=5.0,
        )
        for gap_ms in (250, 251)
    ),
    # A second of content in the break before its first ad; the gap between the ads is short all the same: 10 + 1.
    case(
        "content, then a short gap",
        *two_ads(100)[:3],
        at(11, "adStart", 11, AD),
        at(16, "adComplete", 11),
        at(16.1, "adStart", 11, AD),
        at(21.1, "adComplete", 11),
        at(21.1, "adBreakComplete", 11),
        content_time_spent=11.0,
        ad_time_spent=10.0,
    ),
    # 100 ms from the last ad to the end of the break are the break's, too, and 300 ms are content.
    *(
        case(
            f"{gap_ms} ms to the end of the break",
            *two_ads(100)[:5],
            at(15 + gap_ms / 1000, "adBreakComplete", 10),
            content_time_spent=10.0 if gap_ms == 100 else 10.3,
            ad_time_spent=5.0,
        )
        for gap_ms in (100, 300)
    ),
]
NEVER_CLOSED = (
    start(),
    at(0, "play"),
    at(5, "chapterStart", 5, {"media.chapter.index": 1}),
    at(10, "adBreakStart", 10, POD),
    at(10, "adStart", 10, AD),
    at(14, "adComplete", 10),
    at(24, "ping", 20),
)
OPEN_BREAKS = [
    case(
        "content goes on in a break that nothing closes",
        # content 0-10, the ad's 4 s, then 10 s: 24, none of it an ad; of the chapter 5 + 4 + 10 = 19.
        *NEVER_CLOSED,
        content_time_spent=24.0,
        media_time_spent=24.0,
        ad_starts=0,
        ad_completes=0,
        ad_count=0,
        ads=[],
        chapter_time_spent=19.0,
    ),
    case(
        "the same, counted",
        # content 10 + 10, ad 4; of the chapter 5 + 10.
        *NEVER_CLOSED,
        assume="open-break=counted",
        content_time_spent=20.0,
        media_time_spent=24.0,
        ad_starts=1,
        ad_completes=1,
        chapter_time_spent=15.0,
    ),
    case(
        "the same, where gaps in breaks are no content",
        # It is not in a gap that content plays, but in a break that is none: 24 as at first.
        *NEVER_CLOSED,
        assume="break-gap=excluded",
        content_time_spent=24.0,
        ad_starts=0,
    ),
    case(
        "a late end closes the break",
        # The break counts after all: content 10 + 10, ad 4.
        *NEVER_CLOSED,
        at(24, "adBreakComplete", 20),
        content_time_spent=20.0,
        ad_time_spent=4.0,
        ad_completes=1,
    ),
    *(
        case(
            f"a break for each ad, none of the first closed, with {seconds} s of content between them",
            # Without: content 10, ads 4 + 3. With: the first ad and the seconds are content, too, and the ad is 3.
            *NEVER_CLOSED[:-1],
            at(14 + seconds, "adBreakStart", 10 + seconds, POD),
            at(14 + seconds, "adStart", 10 + seconds, AD),
            at(17 + seconds, "adComplete", 10 + seconds),
            at(17 + seconds, "adBreakComplete", 10 + seconds),
            content_time_spent=14.0 + seconds if seconds else 10.0,
            ad_time_spent=3.0 if seconds else 7.0,
            ad_starts=1 if seconds else 2,
        )
        for seconds in (0, 2)
    ),
    case(
        "a viewer who leaves in the ad",
        # No content goes on: content 10, ad 3.
        *NEVER_CLOSED[:-2],
        at(13, "sessionEnd", 10),
        content_time_spent=10.0,
        ad_time_spent=3.0,
        ad_starts=1,
    ),
    case(
        "a viewer who leaves after the ad",
        # No content goes on either: the playhead rests.
        *NEVER_CLOSED[:-1],
        at(14.2, "sessionEnd", 10.2),
        ad_time_spent=4.0,
        ad_starts=1,
    ),
    case(
        "a play after the ad",
        # The ad's 4 s are content, though the break came before any play; so are the 6 s after it.
        start(),
        at(0, "adBreakStart", 0, PAIR),
        at(0, "adStart", 0, AD),
        at(4, "adComplete"),
        at(4, "play"),
        at(10, "sessionEnd", 6),
        content_time_spent=10.0,
        ad_starts=0,
        content_starts=1,
    ),
    case(
        "a play after the ad, and the viewer leaves at once",
        # The play alone shows that content goes on: the ad's 4 s and half a second more.
        start(),
        at(0, "adBreakStart", 0, PAIR),
        at(0, "adStart", 0, AD),
        at(4, "adComplete"),
        at(4, "play"),
        at(4.5, "sessionEnd"),
        content_time_spent=4.5,
        ad_starts=0,
    ),
    case(
        "another ad in a break that content went on in",
        # 24 s as above, and the second ad's 3 s.
        *NEVER_CLOSED,
        at(24, "adStart", 20, AD),
        at(27, "adComplete", 20),
        at(27, "sessionEnd", 20),
        content_time_spent=27.0,
        ad_starts=0,
    ),
    case(
        "an ad that moves the playhead is not content that goes on",
        # content 0-10, ad 4: the playhead of its end is where it rests.
        *NEVER_CLOSED[:-2],
        at(14, "adComplete", 14),
        at(15, "sessionEnd", 14),
        ad_time_spent=4.0,
        ad_starts=1,
    ),
    case(
        "ads without a playhead, and content that goes on",
        # The first playhead after them is 10, and 20 is beyond it: content 10 + 4 + 5 + 10 = 29.
        *NEVER_CLOSED[:2],
        at(10, "adBreakStart", None, POD),
        at(10, "adStart", None, AD),
        at(14, "adComplete", None),
        at(19, "ping", 10),
        at(29, "ping", 20),
        content_time_spent=29.0,
        ad_starts=0,
    ),
]
EARLY = [
    # A pre-roll of 4 s was queued before the start, 5 s to 1 s early. It starts and completes, but takes no time.
    case(
        "a queued pre-roll", start(), *pre_roll(-5, -1), at(1, "play"), ad_starts=1, ad_completes=1, ad_time_spent=0.0
    ),
    # Counted: the clock begins at -5; the ad takes the 4 s to -1, content the 6 s from -1 + 2 = 1 to 7.
    case(
        "a queued pre-roll",
        start(),
        *pre_roll(-5, -1),
        at(1, "play"),
        at(7, "ping", 6),
        assume="before-start=counted",
        ad_time_spent=4.0,
        content_time_spent=6.0,
    ),
    # Only what comes right after the start is queued: a clock that is set back later stands still.
    case(
        "a clock that goes back",
        start(),
        at(3, "play"),
        *pre_roll(-5, -1),
        at(7, "ping", 6),
        assume="before-start=counted",
        ad_time_spent=0.0,
        content_time_spent=4.0,
    ),
]
PODS = [
    ({"media.ad.podIndex": 1, "media.ad.podSecond": 21}, "1_21"),
    ({"media.ad.podIndex": 0, "media.ad.podSecond": 0}, "0_0"),
    ({"media.ad.podIndex": 2, "media.ad.podSecond": 1234567.5}, "2_1234567.5"),
    ({"media.ad.podSecond": 21}, None),
    ({"media.ad.podIndex": 1}, None),
    ({"media.ad.podIndex": "1", "media.ad.podSecond": 21}, None),
]


@pytest.mark.parametrize("given", [*ADS, *GAPS, *OPEN_BREAKS, *EARLY])
def test_metrics_of_ads_come_to_what_was_derived_by_hand(given: Case) -> None:
    check(given)


@pytest.mark.parametrize(("params", "pod"), PODS)
def test_the_id_of_a_pod_is_its_index_and_start(params: dict[str, Any], pod: str | None) -> None:
    values = of(start(), at(0, "adBreakStart", 0, params), at(0, "adStart", 0, AD), at(5, "adComplete"))

    assert values["ads"][0]["pod"] == pod
