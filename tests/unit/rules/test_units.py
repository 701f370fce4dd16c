"""The rules of units and origins: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family
from support.sessions import BEGIN_MS, CHAPTER, Timeline, ad, run
from tapehead.protocol.exchange import Severity
from tapehead.rules import units

# The sessions of the tests begin at 10:00 UTC.
TEN, QUARTER = 36_000, 900
CHANNEL: dict[str, Any] = {"contentType": "live", "length": 86400}
EPOCH = BEGIN_MS // 1000


def playing(*playheads: float, **params: Any) -> Timeline:
    """Return a session that plays from the first playhead on, ten seconds apart."""
    played = Timeline().start(**params).at(0, "play", playhead=playheads[0])
    for number, playhead in enumerate(playheads[1:], start=1):
        played.at(10 * number, "ping", playhead=playhead)
    return played


def complete(playhead: float, **params: Any) -> Timeline:
    return playing(0, 10, **params).at(20, "sessionComplete", playhead=playhead)


def with_ad(length: float) -> Timeline:
    return (
        Timeline().row("adBreakStart").at(6, "adStart", ad(1, length)).at(7, "adSkip").at(7.1, "adStart", ad(2, length))
    )


def with_chapter(length: float, offset: float = 0) -> Timeline:
    params = CHAPTER | {"media.chapter.length": length, "media.chapter.offset": offset}
    return playing(0, length=600).at(10, "chapterStart", params | {"media.chapter.offset": 10}).at(20, "chapterSkip")


def live(playhead: float, second: float = 0, **params: Any) -> Timeline:
    first = Timeline().start(**CHANNEL | params).at(second, "play", playhead=playhead)
    return first.at(second + 10, "ping", playhead=playhead + 10)


PAIRS = [
    Pair("playhead-unit", playing(0, 10_000, length=60), playing(0, 10, length=60)),
    Pair("playhead-unit", playing(300_000, 310_000, length=600), playing(300, 310, length=600)),
    # Content of three hours may be sought in by 10000 seconds once, not twice.
    Pair("playhead-unit", playing(0, 10_000, 20_000, length=40_000), playing(0, 10_000, 10_010, length=40_000)),
    Pair("playhead-unit", playing(0, 10_002, length=10_000), playing(0, 10_001, length=10_000)),
    Pair("playhead-unit", playing(6001, length=60), playing(6000, length=60)),
    # A playhead that goes with the clock is in seconds, however wrong the length is.
    Pair("playhead-unit", playing(*range(0, 10_000, 1000), length=9), playing(*range(0, 1000, 10), length=9)),
    Pair("playhead-unit", playing(EPOCH, EPOCH + 10, **CHANNEL), playing(TEN, TEN + 10, **CHANNEL)),
    Pair("playhead-unit", playing(BEGIN_MS, BEGIN_MS + 10, length=600), playing(0, 10, length=600)),
    Pair("playhead-unit", playing(TEN * 1000, **CHANNEL), playing(TEN, **CHANNEL)),
    Pair("playhead-unit", playing((TEN + QUARTER) * 1000, **CHANNEL), playing((TEN + QUARTER + 1) * 1000, **CHANNEL)),
    Pair("length-unit", playing(0, length=86401), playing(0, length=86399)),
    Pair("length-unit", playing(0, length=0), playing(0, length=1)),
    Pair("length-unit", playing(0, length=0), playing(0, length=0, contentType="live")),
    Pair("length-unit", complete(60, length=60_000), complete(600, length=60_000)),
    Pair("length-unit", complete(60, length=48_000), complete(60, length=47_999)),
    Pair("length-unit", complete(60, length=75_000), complete(60, length=75_001)),
    Pair("length-unit", with_ad(600.5), with_ad(600)),
    Pair("length-unit", with_chapter(602), with_chapter(601)),
    Pair("live-playhead", live(TEN + QUARTER + 1), live(TEN + QUARTER)),
    Pair("live-playhead", live(TEN - QUARTER - 1), live(TEN - QUARTER)),
    Pair("live-playhead", live(0), live(0, length=7200)),
    Pair("live-playhead", live(0, length=None), live(TEN, length=None)),
    Pair("live-playhead", live(TEN, length=7200), live(TEN, length=TEN + 20)),
    # Over midnight: 14 hours later.
    Pair("live-playhead", live(QUARTER + 1, 14 * 3600), live(QUARTER - 60, 14 * 3600 - 60)),
    # A playhead that is only known a moment after the play.
    Pair("live-playhead", playing(0, 10, **CHANNEL), playing(0, TEN + 10, **CHANNEL)),
    # Who goes back in time begins at the live edge.
    Pair(
        "live-playhead",
        live(TEN - 7200),
        live(TEN).at(12, "pauseStart").at(13, "play", playhead=TEN - 7200).at(23, "ping", playhead=TEN - 7190),
    ),
    Pair("live-playhead", live(0), Timeline().start(**CHANNEL).at(5, "ping", playhead=0)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(units, PAIRS)


def in_milliseconds() -> Timeline:
    """Return a session with a pause, an ad, a chapter and a buffering whose playheads are all milliseconds."""
    played = playing(0, 10_004, 20_011, length=120).at(21, "pauseStart", playhead=21_000)
    played.at(28, "ping", playhead=21_006).at(30, "play", playhead=21_006).at(39, "ping", playhead=30_000)
    played.at(40, "adBreakStart", {"media.ad.podIndex": 1, "media.ad.podSecond": 31}, playhead=31_000)
    played.at(40.1, "adStart", playhead=31_000).at(45, "adComplete", playhead=31_040)
    played.at(45.1, "adBreakComplete", playhead=31_040).at(45.2, "play", playhead=31_040)
    played.at(46, "chapterStart", CHAPTER | {"media.chapter.offset": 32}, playhead=32_000)
    played.at(55, "ping", playhead=41_000).at(66, "chapterComplete", playhead=52_000)
    played.at(67, "bufferStart", playhead=53_000).at(77, "ping", playhead=53_004).at(78, "play", playhead=53_004)
    return played.at(79, "sessionEnd", playhead=54_000)


def test_a_playhead_in_milliseconds_is_one_finding_whatever_follows_from_it() -> None:
    assert in_milliseconds().rules() == ["playhead-unit"]


@pytest.mark.parametrize("playhead", [EPOCH, EPOCH * 1000, TEN * 1000])
def test_live_playheads_in_another_unit_are_one_finding(playhead: float) -> None:
    factor = 1000 if playhead != EPOCH else 1
    played = playing(playhead, playhead + 10 * factor, playhead + 20 * factor, **CHANNEL)
    assert played.at(21, "sessionEnd", playhead=playhead + 21 * factor).rules() == ["playhead-unit"]


def test_a_length_in_milliseconds_is_one_finding() -> None:
    assert complete(3600, length=3_600_000).rules() == ["length-unit", "playhead-jump"]
    assert complete(20, length=20_000).rules() == ["length-unit"]


def test_lengths_of_ads_in_milliseconds_are_one_finding() -> None:
    played = with_ad(5000).at(13, "adComplete").at(14, "adBreakComplete").at(15, "play").at(16, "sessionEnd")
    assert played.rules() == ["length-unit"]


def test_a_chapter_a_thousand_times_as_long_as_it_played() -> None:
    params = CHAPTER | {"media.chapter.length": 20_000}
    played = playing(0, length=40_000).at(0.1, "chapterStart", params).at(10, "ping").at(20.1, "chapterComplete")
    assert played.at(21, "sessionEnd").rules() == ["length-unit"]


MESSAGES = [
    (
        playing(EPOCH, **CHANNEL),
        f"play: playerTime.playhead is {EPOCH}, which looks like Unix seconds; expected the second of the day",
    ),
    (
        playing(0, 10_000, length=600),
        "ping: playerTime.playhead is 10000, which looks like milliseconds: it moved by 10000 in 10.0 s; "
        "expected seconds into the content",
    ),
    (
        playing(0, length=3_600_000),
        "sessionStart: params.media.length is 3600000, which looks like milliseconds; expected seconds, 86400 at most",
    ),
    (playing(0, length=0), "sessionStart: params.media.length is 0; expected seconds, more than 0"),
    (
        complete(60, length=60_000),
        "sessionStart: params.media.length is 60000, which looks like milliseconds; expected seconds, about the 60 at "
        "sessionComplete",
    ),
    (
        with_ad(15_000),
        "adStart: params.media.ad.length is 15000, which looks like milliseconds; expected seconds, 600 at most",
    ),
    (
        live(0),
        "ping: playerTime.playhead is 10, which looks like the time since the session's start; expected the UTC second "
        "of the day, 36010",
    ),
    (
        live(TEN, length=7200),
        "ping: playerTime.playhead is 36010, the second of the day, and media.length is 7200; expected seconds since "
        "the start of the programme",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("session", "message"), MESSAGES)
def test_messages_show_digits_in_full(session: Timeline, message: str) -> None:
    (result,) = run(session.exchanges)
    found = [each.message for each in result.findings if each.rule in ("playhead-unit", "length-unit", "live-playhead")]
    assert [each.rpartition(" (event")[0] for each in found] == [message]


@pytest.mark.parametrize("minutes", [16, 20, 30, 45, 61.1, 70, -70])
def test_another_offset_is_no_time_zone(minutes: float) -> None:
    (result,) = live(TEN + minutes * 60).audit()
    (found,) = (each for each in result.findings if each.rule == "live-playhead")
    assert found.severity is Severity.WARNING
    assert "looks like" not in found.message


@pytest.mark.parametrize(
    ("hours", "zone"), [(1, "UTC+01:00"), (-5, "UTC-05:00"), (5.75, "UTC+05:45"), (-3.5, "UTC-03:30")]
)
def test_the_second_of_the_day_in_local_time_is_an_information(hours: float, zone: str) -> None:
    (result,) = live(TEN + hours * 3600).audit()
    (found,) = (each for each in result.findings if each.rule == "live-playhead")
    assert found.severity is Severity.INFO
    assert (
        f"which looks like the second of the day of {zone}; expected the UTC second of the day, 36010" in found.message
    )


def test_a_length_below_a_thousand_looks_like_no_milliseconds() -> None:
    (finding,) = (each for each in run(with_chapter(640).exchanges)[0].findings if each.rule == "length-unit")
    assert finding.message.startswith("chapterStart: params.media.chapter.length is 640; expected seconds, 600 at most")
