"""The rules of ad breaks in the content: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import Timeline, ad, run
from tapehead.rules import ad_breaks


def paused(*events: str, hold: str = "pauseStart") -> Timeline:
    """Return a session with an ad of 15 seconds in a pause, and these events in the ad."""
    played = timeline().at(1, "play").at(10, hold).at(10.1, "adBreakStart").at(10.2, "adStart", ad(length=15))
    for number, event in enumerate(events):
        played.at(11 + number, event)
    played.at(25.2, "adComplete").at(25.3, "adBreakComplete").at(25.4, "play")
    return played.at(35, "ping").at(36, "sessionEnd")


def paused_in_ad(seconds: float, *events: str, last: str = "adComplete") -> Timeline:
    """Return a session with an ad of 15 seconds that is open for so long, with a pause from its first moment on."""
    played = timeline().at(1, "play").at(10, "adBreakStart").at(10.1, "adStart", ad(length=15)).at(10.2, "pauseStart")
    for event in events:
        played.at(10.3, event)
    return played.at(10.1 + seconds, last).at(26, "adBreakComplete").at(26.1, "play").at(27, "sessionEnd")


def joined(second: float) -> Timeline:
    """Return a session of a channel that plays for a second before a break of this second."""
    pod = {"media.ad.podIndex": 1, "media.ad.podSecond": second}
    opened = Timeline().start(**LIVE).at(1, "play", playhead=TEN + 1).at(2, "adBreakStart", pod, playhead=TEN + 2)
    return opened.at(2.1, "adStart", playhead=TEN + 2).at(7.1, "adComplete", playhead=TEN + 2)


def preroll(seconds: float, playhead: float = 0, origin: float = 0, **params: Any) -> Timeline:
    """Return a session whose break begins so many seconds after its first play."""
    opened = (
        Timeline().start(**params).at(1, "play", playhead=origin).at(1 + seconds, "adBreakStart", playhead=playhead)
    )
    return opened.at(1.1 + seconds, "adStart", playhead=playhead).at(6.1 + seconds, "adComplete", playhead=playhead)


def gap(seconds: float, *events: str) -> Timeline:
    """Return a session with a pre-roll of two ads, and these events in the time between them."""
    played = timeline().at(1, "adBreakStart").at(1.001, "adStart").at(6, "adComplete")
    for event in events:
        played.at(6.1, event)
    played.at(6 + seconds, "adStart", ad(2)).at(11 + seconds, "adComplete").at(11.001 + seconds, "adBreakComplete")
    return played.at(11.002 + seconds, "play").at(12 + seconds, "sessionEnd")


def before_ad(*events: str) -> Timeline:
    played = timeline().at(1, "adBreakStart")
    for number, event in enumerate(events):
        played.at(2 + number, event)
    return played.at(9, "adStart").at(14, "adComplete").at(14.1, "adBreakComplete").at(14.2, "play")


def midroll(second: float, index: int = 1, playhead: float = 600, **params: Any) -> Timeline:
    """Return a session that plays to a break which says that it is at `second`."""
    return breaks((playhead, index, second), **params)


def breaks(*rows: tuple[float, int, float], **params: Any) -> Timeline:
    """Return a session with breaks: the playhead, podIndex and podSecond of each."""
    played, at = Timeline().start(**params), 1.0
    for playhead, index, second in rows:
        pod = {"media.ad.podIndex": index, "media.ad.podSecond": second}
        played.at(at, "play", playhead=playhead - 9).at(at + 9, "adBreakStart", pod, playhead=playhead)
        played.at(at + 9.1, "adStart", playhead=playhead).at(at + 14, "adComplete", playhead=playhead)
        played.at(at + 14.1, "adBreakComplete", playhead=playhead).at(at + 14.2, "pauseStart", playhead=playhead)
        at += 20
    return played


def sought(second: float) -> Timeline:
    """Return a session that is at 100 and then at 900, where a break begins."""
    pod = {"media.ad.podIndex": 1, "media.ad.podSecond": second}
    played = timeline().at(1, "play", playhead=90).at(11, "pauseStart", playhead=100).at(12, "play", playhead=900)
    return played.at(12.1, "adBreakStart", pod, playhead=900)


POD_0 = {"media.ad.podIndex": 0, "media.ad.podSecond": 0}
LIVE: dict[str, Any] = {"contentType": "live", "length": 86400}
# The sessions of the tests begin at 10:00 UTC.
TEN = 36_000

PAIRS = [
    Pair("ad-while-paused", paused(), paused("play")),
    Pair("ad-while-paused", paused("ping", "ping"), paused("ping", "play", "ping")),
    Pair("ad-while-paused", paused(hold="bufferStart"), paused("play", hold="bufferStart")),
    # The viewer pauses the ad.
    Pair("ad-while-paused", paused(), row("play", "adBreakStart", "adStart", "pauseStart", "ping", "adComplete")),
    # It fires once a pause, and for an ad that never ends, too.
    Pair("ad-while-paused", row("pauseStart", "adBreakStart", "adStart", "adSkip", "adStart", "adSkip"), row("play")),
    Pair("ad-while-paused", row("bufferStart", "adBreakStart", "adStart", "ping"), row("adBreakStart", "adStart")),
    # The second of the day moves on; where a channel goes to a mid-roll, its second is no 0.
    Pair("play-before-preroll", joined(0), joined(TEN + 2)),
    # The content's pause comes after the ad's start; an ad that a viewer pauses lasts longer.
    Pair("ad-while-paused", paused_in_ad(15), paused_in_ad(17.1)),
    Pair("ad-while-paused", paused_in_ad(15), paused_in_ad(15, "play")),
    Pair("ad-while-paused", paused_in_ad(15), paused_in_ad(15, last="adSkip")),
    Pair("play-before-preroll", preroll(2), preroll(2.01)),
    Pair("play-before-preroll", preroll(0.1), preroll(1.9, playhead=1.9)),
    Pair("play-before-preroll", preroll(0.1), row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete")),
    Pair("play-before-preroll", preroll(0.1, 300, 300), preroll(0.1, 300, 299.8)),
    # A break in mid-content, after a pause.
    Pair(
        "play-before-preroll",
        preroll(0.1),
        timeline().at(1, "play").at(11, "pauseStart").at(15, "play").at(15.1, "adBreakStart", playhead=10),
    ),
    # Two breaks of a pre-roll, and what an SDK sends between them.
    Pair(
        "play-before-preroll",
        preroll(0.1),
        gap(0.001).at(13.1, "play").at(13.2, "adBreakStart", playhead=0),
    ),
    Pair("content-in-break", gap(0.251), gap(0.25)),
    Pair("content-in-break", gap(1, "play"), gap(0.2, "play")),
    Pair("content-in-break", gap(1, "ping"), row("play", "adBreakStart", "adStart", "adComplete", "adBreakComplete")),
    Pair("event-before-ad", before_ad("ping"), before_ad()),
    Pair("event-before-ad", before_ad("play", "ping"), before_ad("bitrateChange")),
    Pair("event-before-ad", before_ad("pauseStart"), gap(1, "ping")),
    Pair("event-before-ad", before_ad("bufferStart"), row("adBreakStart", "ping", "adBreakComplete")),
    Pair("pod-mismatch", midroll(597.9), midroll(598)),
    Pair("pod-mismatch", midroll(602.1), midroll(602)),
    Pair("pod-mismatch", midroll(0), midroll(0, **LIVE)),
    # Of a post-roll it may be -1.
    Pair("pod-mismatch", midroll(0), midroll(-1)),
    # A pre-roll before content that is resumed.
    Pair("pod-mismatch", midroll(0), Timeline().start(resume=True).at(1, "adBreakStart", POD_0, playhead=300)),
    Pair("pod-mismatch", breaks((600, 1, 600), (900, 1, 900)), breaks((600, 1, 600), (900, 2, 900))),
    Pair("pod-mismatch", breaks((600, 1, 600), (900, 1, 900), **LIVE), breaks((600, 1, 600), (900, 2, 0), **LIVE)),
    # The viewer goes back and sees the break again.
    Pair("pod-mismatch", breaks((600, 1, 600), (500, 1, 500)), breaks((600, 1, 600), (600, 1, 600))),
    # A break that a seek jumped over is shown after the seek.
    Pair("pod-mismatch", sought(950), sought(500)),
    # An index again in a break that was not closed is one mistake.
    Pair("pod-mismatch", midroll(0), row("adBreakStart").at(6, "adBreakStart", POD_0)),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(ad_breaks, PAIRS)


def message_of(session: Timeline) -> str:
    (result,) = run(session.exchanges)
    (found,) = (each for each in result.findings if each.rule != "ping-gap")
    return found.message


def test_ads_in_a_pause_say_what_they_lose() -> None:
    assert message_of(paused()) == (
        "adStart: the ad ran in the pause of event 2 without a play, so 15.0 s of ad time count as pause time; "
        "expected play after adStart (event 4, 10.2 s in)"
    )
    two = (
        timeline()
        .at(1, "play")
        .at(10, "bufferStart")
        .at(10.1, "adBreakStart")
        .at(10.2, "adStart")
        .at(15.2, "adComplete")
    )
    two.at(15.3, "adStart", ad(2)).at(20.3, "adComplete").at(20.4, "adBreakComplete").at(20.5, "play")
    assert message_of(two.at(21, "sessionEnd")) == (
        "adStart: it and 1 more ad ran in the buffer of event 2 without a play, so 10.0 s of ad time count as buffer "
        "time; expected play after adStart (event 4, 10.2 s in)"
    )


def test_a_play_in_the_second_ad_saves_only_that_one() -> None:
    two = (
        timeline()
        .at(1, "play")
        .at(10, "pauseStart")
        .at(10.1, "adBreakStart")
        .at(10.2, "adStart")
        .at(15.2, "adComplete")
    )
    two.at(15.3, "adStart", ad(2)).at(16, "play").at(20.3, "adComplete").at(20.4, "adBreakComplete")
    assert "the ad ran in the pause of event 2 without a play, so 5.0 s" in message_of(two.at(21, "sessionEnd"))


def test_gaps_of_a_break_are_one_finding() -> None:
    session = timeline().at(1, "adBreakStart").at(1.001, "adStart").at(6, "adComplete").at(7, "adStart", ad(2))
    session.at(12, "adComplete").at(13.5, "adStart", ad(3)).at(18.5, "adComplete").at(18.6, "adBreakComplete")
    assert message_of(session.at(18.7, "play").at(19, "sessionEnd")) == (
        "adStart: 1 s after the adComplete of event 3; expected 0.25 s at most between ads of a break (2 such gaps in "
        "the break, 2.5 s in all) (event 4, 7.0 s in)"
    )
    assert "1 s after the adComplete of event 3, with the play of event 4 in between" in message_of(gap(1, "play"))


def test_pods_in_another_place_are_one_finding() -> None:
    (result,) = run(breaks((600, 1, 0), (900, 2, 0)).exchanges)
    (found,) = (each for each in result.findings if each.rule == "pod-mismatch")
    assert found.message == (
        "adBreakStart: params.media.ad.podSecond is 0, and the playhead is 600; expected the same, 2 s more or less "
        "(2 such breaks) (event 2, 10.0 s in)"
    )
    assert found.path == "params.media.ad.podSecond"


def test_a_podindex_that_came_before_names_the_first_break() -> None:
    (result,) = run(breaks((600, 1, 600), (900, 1, 900)).exchanges)
    (found,) = (each for each in result.findings if each.rule == "pod-mismatch")
    assert found.message.startswith("adBreakStart: params.media.ad.podIndex is 1, as that of event 2; expected another")
