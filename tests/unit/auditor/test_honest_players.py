"""Honest players of many kinds: no rule on playheads, units, ads or quality data takes them for faulty."""

import random
from typing import Any

import pytest

from support.sessions import BEGIN, BEGIN_MS, Timeline, ad, body_of, run
from tapehead.protocol.routes import Call

DAY = 86_400
TEN = BEGIN.hour * 3600


def playing(first: float, last: float, *, origin: float = 0, step: float = 10, **params: Any) -> Timeline:
    """Return a session that plays from `first` to `last` second, with the playhead `origin` at the first."""
    played = Timeline().start(**params).at(first, "play", playhead=origin)
    second = first + step
    while second <= last:
        played.at(second, "ping", playhead=origin + second - first)
        second += step
    return played


def watched() -> Timeline:
    """A browser: whole seconds, a pre-roll of two ads, a seek, a stall, a pause, a mid-roll, the end."""
    played = Timeline().start(length=600).at(0.1, "adBreakStart").at(0.1, "adStart").at(0.1, "play")
    played.at(5.1, "adComplete").at(5.2, "adStart", ad(2)).at(5.2, "play").at(10.2, "adComplete")
    played.at(10.2, "adBreakComplete").at(10.2, "play", qoeData={"media.qoe.timeToStart": 812})
    played.at(20.2, "ping", playhead=10).at(30.2, "ping", playhead=19).at(33.4, "pauseStart", playhead=22)
    played.at(34, "play", playhead=300).at(44, "ping", playhead=310).at(46, "bufferStart", playhead=311)
    played.at(52, "play", playhead=311).at(62, "ping", playhead=321, qoeData={"media.qoe.timeToStart": 812})
    played.at(65, "pauseStart", playhead=324).at(75, "ping", playhead=324).at(80, "play", playhead=324)
    played.at(90, "ping", playhead=333).at(91, "adBreakStart", playhead=335).at(91, "adStart", playhead=335)
    played.at(96, "adComplete", playhead=335).at(96, "adBreakComplete", playhead=335).at(106, "ping", playhead=345)
    return (
        played.at(110, "pauseStart", playhead=349)
        .at(111, "play", playhead=590)
        .at(121, "sessionComplete", playhead=600)
    )


def skipped_to_a_break() -> Timeline:
    """A seek over a mid-roll, which is shown first: its second is where it belongs."""
    pod = {"media.ad.podIndex": 1, "media.ad.podSecond": 300}
    played = playing(1, 21).at(22, "pauseStart", playhead=21).at(22.5, "play", playhead=500)
    played.at(22.6, "adBreakStart", pod, playhead=500).at(22.6, "adStart", playhead=500)
    played.at(27.6, "adComplete", playhead=500).at(27.6, "adBreakComplete", playhead=500)
    return played.at(37.6, "ping", playhead=510).at(38, "sessionEnd", playhead=510)


def resumed_in_a_chapter() -> Timeline:
    """The vendor's SDK after 24 hours: a new session repeats what is open, and says play last."""
    chapter = {"media.chapter.index": 3, "media.chapter.offset": 400, "media.chapter.length": 300}
    played = Timeline().start(length=1000, resume=True).at(0.01, "chapterStart", chapter, playhead=560)
    played.at(0.02, "play", playhead=560)
    for second in range(10, 140, 10):
        played.at(second, "ping", playhead=560 + second)
    return played.at(140.02, "chapterComplete", playhead=700).at(141, "sessionEnd", playhead=701)


def asleep() -> Timeline:
    """A device that sleeps for four minutes and goes on where it was."""
    return playing(1, 31).at(271, "ping", playhead=33).at(281, "ping", playhead=43).at(282, "sessionEnd", playhead=44)


def over_midnight() -> Timeline:
    """A channel over midnight UTC."""
    played = Timeline(begin_ms=BEGIN_MS - TEN * 1000 + (DAY - 25) * 1000).start(contentType="live", length=DAY)
    played.at(1, "play", playhead=DAY - 24)
    for second in range(11, 121, 10):
        played.at(second, "ping", playhead=(DAY - 25 + second) % DAY)
    return played.at(120, "sessionEnd", playhead=95)


def scrubbed_live() -> Timeline:
    """A channel whose viewer goes back an hour."""
    played = playing(1, 31, origin=TEN + 1, contentType="linear", length=DAY)
    played.at(35, "pauseStart", playhead=TEN + 35).at(37, "play", playhead=TEN + 37 - 3600)
    return played.at(47, "ping", playhead=TEN + 47 - 3600).at(48, "sessionEnd", playhead=TEN + 48 - 3600)


def jittering() -> Timeline:
    """Whole seconds, cut or rounded, and a timer that is late."""
    chance, played = random.Random(7), Timeline().start().at(1, "play")
    second = 1.0
    for _ in range(60):
        second += 10 + chance.uniform(-0.9, 1.9)
        played.at(second, "ping", playhead=int(second - 1 + chance.choice((0, 0.5))))
    return played.at(second + 1, "sessionEnd", playhead=int(second))


def connector() -> Timeline:
    """A player vendor's connector: pings each second in ads, no play in them, a seek that buffers at its target."""
    played = Timeline().start(length=600).at(0.4, "adBreakStart").at(0.45, "adStart")
    played.pings(1.4, 5.4, 1).at(5.45, "adComplete").at(5.47, "adBreakComplete").at(5.9, "bufferStart")
    played.at(6.3, "play").at(6.4, "bitrateChange", qoeData={"media.qoe.bitrate": 2_400_000}).pings(15.47, 55.47)
    played.at(60, "bufferStart", playhead=300).at(60.7, "play", playhead=300).at(65.47, "ping", playhead=304.7)
    played.at(75.47, "ping", playhead=314.7).at(80, "pauseStart", playhead=319.2).at(85.47, "ping", playhead=319.2)
    return played.at(90, "play", playhead=319.2).at(95.47, "ping", playhead=324.7).at(96, "sessionEnd", playhead=325.2)


def sought_out_of_an_ad() -> Timeline:
    """The vendor's mobile SDKs: the position is new with the play, then the ad is skipped; a pause in the mid-roll."""
    pod = {"media.ad.podIndex": 2, "media.ad.podSecond": 315}
    played = Timeline().start(length=600, resume=False).at(0, "adBreakStart").at(0, "adStart", ad(length=15))
    played.at(0, "play").at(5, "pauseStart").at(6, "play", playhead=300).at(6, "adSkip", playhead=300)
    played.at(6, "adBreakComplete", playhead=300).at(6, "play", playhead=300).at(7, "play", playhead=301)
    played.at(17, "ping", playhead=311).at(21, "adBreakStart", pod, playhead=315)
    played.at(21, "adStart", ad(length=15), playhead=315).at(21, "play", playhead=315)
    played.at(30, "pauseStart", playhead=315).pings(40, 60, playhead=315).at(65, "play", playhead=315)
    played.at(71, "adComplete", playhead=315).at(71, "adBreakComplete", playhead=315).at(71, "play", playhead=315)
    return played.at(81, "ping", playhead=325).at(82, "sessionEnd", playhead=326)


def idle_for_half_an_hour() -> Timeline:
    """The vendor's mobile SDKs: they end a session that was paused for 30 minutes, with what is open in it."""
    played = Timeline().start(length=3600).at(0, "play").at(1, "play").at(6, "chapterStart")
    played.pings(11, 51).at(55, "pauseStart").pings(65, 1845)
    return played.at(1855, "chapterSkip").at(1855, "sessionEnd")


HONEST = {
    "connector": connector(),
    "sought out of an ad": sought_out_of_an_ad(),
    "idle for half an hour": idle_for_half_an_hour(),
    "browser": watched(),
    "seek over a break": skipped_to_a_break(),
    "resumed in a chapter": resumed_in_a_chapter(),
    "asleep": asleep(),
    "over midnight": over_midnight(),
    "live, back an hour": scrubbed_live(),
    "live programme": playing(1, 61, contentType="live", length=5400).at(62, "sessionEnd", playhead=61),
    "live programme joined late": playing(1, 61, origin=3000, contentType="live", length=5400).at(
        62, "sessionEnd", playhead=3061
    ),
    "a quarter faster": playing(1, 1)
    .at(11, "ping", playhead=12.5)
    .at(21, "ping", playhead=25)
    .at(22, "sessionEnd", playhead=26),
    "whole seconds": jittering(),
}
# What such a player may be told: that it paused long between pings.
KNOWN = {"asleep": ["ping-gap"]}


@pytest.mark.parametrize("name", HONEST)
def test_honest_players_are_left_alone(name: str) -> None:
    (result,) = run(HONEST[name].exchanges)
    found = [each for each in result.findings if each.rule not in ("equal-timestamps", "session-not-closed")]
    assert [each.rule for each in found] == KNOWN.get(name, []), [each.message for each in found]


def test_a_downloaded_session_is_judged_by_its_own_clock() -> None:
    rows = [
        ("sessionStart", 0, 0),
        ("play", 0, 0),
        *(("ping", at, at) for at in range(50, 600, 50)),
        ("sessionEnd", 599, 599),
    ]
    bodies = [body_of(name, playhead, BEGIN_MS - 5 * DAY * 1000 + at * 1000) for name, at, playhead in rows]
    bodies[0]["params"] = bodies[0]["params"] | {"media.downloaded": True}
    found = Timeline(sid=None).raw(bodies, Call.DOWNLOADED, status=201).rules()
    assert [rule for rule in found if rule not in ("equal-timestamps", "stream-type")] == []
