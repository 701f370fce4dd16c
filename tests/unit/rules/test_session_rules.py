"""Every rule of the session: a session that fires it, and its nearest neighbour that does not."""

from collections import Counter
from typing import Any, NamedTuple

import pytest

from support.sessions import BEGIN_MS, START, Timeline, ad, body_of, run
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import Call
from tapehead.rules.catalog import RULES, SESSION_CHECKS
from tapehead.rules.timestamps import CLOCK_SKEW

MINUTE, HOUR = 60, 3600


class Pair(NamedTuple):
    """A session in which `rule` fails in one place, and one that is like it and fine."""

    rule: str
    bad: Timeline
    good: Timeline


def timeline() -> Timeline:
    return Timeline().start()


def row(*event_types: str) -> Timeline:
    return Timeline().row(*event_types)


def states(*names: str, update: bool = False) -> Timeline:
    played = timeline().at(1, "play")
    if update:
        return played.at(2, "statesUpdate", {"statesStart": [{"media.state.name": name} for name in names]})
    for second, name in enumerate(names, start=2):
        played.at(second, "stateStart", {"media.state.name": name})
    return played


def array(*event_types: str, call: Call = Call.DOWNLOADED, step: float = 50, **params: Any) -> Timeline:
    start = START | {f"media.{key}": value for key, value in params.items()}
    bodies = [
        body_of(name, index * step, BEGIN_MS + index * step * 1000, start if name == "sessionStart" else None)
        for index, name in enumerate(event_types)
    ]
    return Timeline(sid=None).raw(bodies, call, status=201)


def long_pause(minutes: float, last: str) -> Timeline:
    paused = timeline().at(1, "play").at(10, "pauseStart").pings(20, minutes * MINUTE)
    return paused.at(minutes * MINUTE + 20, last)


def refused(count: int, *, in_flight: bool = False) -> Timeline:
    played = timeline().at(1, "play").at(11, "ping", status=410, elapsed_ms=60_000 if in_flight else 30)
    return played.pings(21, 11 + 10 * count, status=410)


def flood(step: float) -> Timeline:
    return timeline().at(1, "play").pings(10, 60, step)


def ad_of(length: float, *, pause: bool = False) -> Timeline:
    played = timeline().at(1, "adBreakStart").at(2, "adStart", ad(length=length))
    if pause:
        played.at(4, "pauseStart").at(12, "play")
    return played.at(15 if pause else 7, "adComplete").at(16, "adBreakComplete").at(17, "play").at(20, "sessionEnd")


def frozen(last: float) -> Timeline:
    return timeline().at(1, "play").at(6, "ping", playhead=0).at(last, "ping", playhead=0).at(last + 1, "sessionEnd")


def in_ad(playhead: float) -> Timeline:
    played = timeline().at(0, "play").at(5, "adBreakStart").at(6, "adStart", ad(length=10))
    return played.at(11, "ping", playhead=playhead).at(16, "adComplete", playhead=5).at(17, "adBreakComplete")


def paused(playhead: float, *, play: bool = False) -> Timeline:
    played = timeline().at(0, "play").at(5, "pauseStart")
    if play:
        played.at(6, "play", playhead=playhead)
    return played.at(10, "ping", playhead=playhead)


def at_playhead(playhead: float, **params: Any) -> Timeline:
    return Timeline().start(**params).at(1, "play", playhead=playhead).at(2, "sessionEnd", playhead=playhead)


def late(behind: float) -> Timeline:
    return row("play").at(14, "ping").at(14.5, "pauseStart", ts=14 - behind)


PAIRS = [
    Pair(
        "session-start-misplaced",
        Timeline().raw(body_of("play", 0, BEGIN_MS), Call.SESSION, status=400),
        Timeline().raw(body_of("sessionStart", 0, BEGIN_MS), Call.SESSION, status=400),
    ),
    Pair("session-start-misplaced", row("play").at(6, "sessionStart"), row("play").at(6, "ping")),
    Pair("session-start-misplaced", array("play", "sessionEnd"), array("sessionStart", "sessionEnd")),
    Pair("unknown-session", Timeline().at(1, "play").at(2, "ping"), row("play", "ping")),
    Pair("event-before-start", timeline().at(1, "play", ts=-0.5), timeline().at(1, "play", ts=0.5)),
    Pair("no-play", row("ping", "ping"), row("ping", "play", "ping")),
    Pair(
        "no-play",
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete"),
        row("adBreakStart", "adStart", "play", "adComplete", "adBreakComplete", "play"),
    ),
    Pair("no-play", row("ping"), Timeline().at(1, "ping")),
    Pair("no-play", row("ping"), row("pauseStart", "sessionEnd")),
    Pair("ad-outside-break", row("play", "adStart", "adComplete"), row("adBreakStart", "adStart", "adComplete")),
    Pair(
        "ad-break-not-open",
        row("play", "adBreakComplete"),
        row("play", "adBreakStart", "adStart", "adComplete", "adBreakComplete"),
    ),
    Pair(
        "ad-break-nested",
        row("adBreakStart", "adStart", "adComplete", "adBreakStart", "adBreakComplete", "adBreakComplete"),
        row("adBreakStart", "adStart", "adComplete", "adBreakComplete", "adBreakStart", "adStart"),
    ),
    Pair("ad-break-empty", row("adBreakStart", "adBreakComplete"), row("adBreakStart", "adStart", "adBreakComplete")),
    Pair(
        "ad-break-left-open",
        row("adBreakStart", "adStart", "adComplete", "sessionEnd"),
        row("adBreakStart", "adStart", "adComplete", "adBreakComplete", "sessionEnd"),
    ),
    Pair("ad-break-left-open", row("adBreakStart"), row("adBreakStart", "adBreakComplete")),
    Pair("ad-not-open", row("adBreakStart", "adComplete"), row("adBreakStart", "adStart", "adComplete")),
    Pair("ad-not-open", row("adBreakStart", "adSkip"), row("adBreakStart", "adStart", "adSkip")),
    Pair("ad-not-open", row("play", "adSkip"), Timeline().at(1, "adSkip").at(2, "play")),
    Pair(
        "ad-overlap",
        row("adBreakStart", "adStart").at(11, "adStart", ad(2)).at(15, "adComplete").at(16, "adComplete"),
        row("adBreakStart", "adStart", "adSkip").at(16, "adStart", ad(2)).at(21, "adComplete"),
    ),
    Pair(
        "ad-left-open",
        row("adBreakStart", "adStart", "adBreakComplete", "sessionEnd"),
        row("adBreakStart", "adStart", "adSkip", "adBreakComplete", "sessionEnd"),
    ),
    Pair("ad-left-open", row("adBreakStart", "adStart", "sessionEnd"), row("adBreakStart", "sessionEnd")),
    Pair(
        "ad-position",
        row("adBreakStart", "adStart", "adComplete").at(16, "adStart", ad(1)),
        row("adBreakStart", "adStart", "adComplete").at(16, "adStart", ad(2)),
    ),
    Pair(
        "ad-position",
        row("adBreakStart").at(6, "adStart", ad(2)),
        row("adBreakStart").at(6, "adStart", ad(0)).at(11, "adComplete").at(12, "adStart", ad(1)),
    ),
    Pair("ad-duration", ad_of(7.5), ad_of(7)),
    Pair("ad-duration", ad_of(12, pause=True), ad_of(5, pause=True)),
    Pair(
        "chapter-overlap",
        row("chapterStart", "chapterStart", "chapterComplete", "chapterComplete"),
        row("chapterStart"),
    ),
    Pair("chapter-not-open", row("play", "chapterComplete"), row("play", "chapterStart", "chapterComplete")),
    Pair("chapter-not-open", row("play", "chapterSkip"), row("play", "chapterStart", "chapterSkip")),
    Pair(
        "chapter-left-open",
        row("play", "chapterStart", "sessionEnd", "sessionEnd"),
        row("play", "chapterStart", "chapterSkip", "sessionEnd"),
    ),
    Pair("chapter-left-open", row("play", "chapterStart"), row("play", "chapterStart", "chapterComplete")),
    Pair("state-not-open", row("play", "stateEnd"), row("play", "stateStart", "stateEnd")),
    Pair("state-not-open", row("play", "stateEnd"), Timeline().at(1, "play").at(2, "stateEnd")),
    Pair(
        "state-already-open",
        row("stateStart", "stateStart", "stateEnd"),
        row("stateStart", "stateEnd", "stateStart", "stateEnd"),
    ),
    Pair("too-many-states", states(*"abcdefghijkl"), states(*"abcdefghij", "a")),
    Pair("too-many-states", states(*"abcdefghijk", update=True), states(*"abcdefghij", update=True)),
    Pair("state-name", states("full_Screen"), states("fullScreen", "screen")),
    Pair("event-after-end", row("play", "sessionEnd", "ping", "ping"), row("play", "sessionEnd", "sessionEnd")),
    Pair(
        "event-after-complete",
        row("play", "sessionComplete", "play", "adBreakStart"),
        row("play", "sessionComplete", "ping", "stateStart", "sessionEnd"),
    ),
    Pair("kept-sending", refused(5), refused(2)),
    Pair("kept-sending", refused(3), refused(3, in_flight=True)),
    Pair("session-not-closed", row("play", "ping"), row("play", "sessionComplete")),
    Pair("session-not-closed", row("play"), Timeline(sid=None).start(status=500)),
    Pair(
        "session-too-long",
        row("play").pings(300, 24 * HOUR + 600, 300),
        row("play").pings(300, 24 * HOUR - 300, 300).at(24 * HOUR + 1, "sessionEnd"),
    ),
    Pair("expired-idle", row("play").at(5 + 601, "ping").at(2000, "ping"), row("play").at(5 + 600, "ping")),
    Pair(
        "expired-idle",
        row("play", "sessionComplete").at(5000, "play"),
        row("play", "sessionComplete").at(5000, "sessionEnd"),
    ),
    Pair("expired-stalled", long_pause(31, "play"), long_pause(29, "play")),
    Pair("expired-stalled", long_pause(31, "play"), long_pause(29.8, "sessionEnd")),
    Pair("ping-gap", row("play").at(17.1, "ping"), row("play").at(17, "ping")),
    Pair("ping-gap", row("play").pings(25, 105, 20), row("play").pings(15, 105, 10)),
    Pair("ping-gap", row("play").at(40, "ping"), row("sessionComplete").at(40, "sessionEnd")),
    Pair("ping-gap", array("sessionStart", "play", "ping", step=61), array("sessionStart", "play", "ping", step=50)),
    Pair("ping-flood", row("play").at(15, "ping").at(15.5, "ping"), row("play").at(15, "ping").at(16, "ping")),
    Pair("ping-flood", flood(8), flood(9.5)),
    Pair("ping-flood", row("play").pings(10, 34, 8), row("play").pings(10, 26, 8)),
    Pair(
        "ping-flood", row("play").pings(10, 40, 5), row("adBreakStart").at(6, "adStart", ad(length=60)).pings(7, 60, 1)
    ),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play").at(9, "ping", ts=5.001)),
    Pair("equal-timestamps", row("play").at(9, "ping", ts=5), row("play", "ping")),
    Pair("timestamp-order", late(0.9), late(-0.1)),
    Pair("timestamp-order", late(4), late(-0.1)),
    Pair("playhead-range", at_playhead(-1), at_playhead(0)),
    Pair("playhead-range", at_playhead(61.5, length=60), at_playhead(61, length=60)),
    Pair(
        "playhead-range",
        at_playhead(86400, contentType="Live", length=120),
        at_playhead(40_000, contentType="linear", length=120),
    ),
    Pair("playhead-range", at_playhead(86400, length=86400), at_playhead(86399, length=86400)),
    Pair("playhead-range", at_playhead(-1, length=0), at_playhead(99_999, length=0)),
    Pair("playhead-frozen", frozen(11.5), frozen(10.5)),
    Pair("playhead-frozen", frozen(11.5), timeline().at(1, "pauseStart").at(6, "ping").at(12, "ping").at(18, "ping")),
    Pair("playhead-frozen", frozen(11.5), in_ad(5)),
    Pair("playhead-in-ad", in_ad(9), in_ad(6)),
    Pair("playhead-paused", paused(9), paused(6)),
    Pair("playhead-paused", paused(30), paused(30, play=True)),
    Pair("repeated-event", row("play").raw(body_of("play", 0, BEGIN_MS + 5000)), row("play", "play")),
    Pair("downloaded-flag", Timeline().start(downloaded=True), Timeline().start(downloaded=False)),
    Pair(
        "downloaded-flag",
        array("sessionStart", "sessionEnd", call=Call.SESSION),
        array("sessionStart", "sessionEnd", call=Call.SESSION, downloaded=True),
    ),
    Pair("downloaded-flag", Timeline().start(downloaded=True), array("sessionStart", "sessionEnd", downloaded=False)),
]
# clock-skew is tried with the rules of one exchange.
SESSION_IDS = {rule.id for check in SESSION_CHECKS for rule in check.rules} - {CLOCK_SKEW.id}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    assert Counter(pair.bad.rules())[pair.rule] == 1
    assert pair.rule not in pair.good.rules()


def test_every_rule_of_the_session_is_tried() -> None:
    assert {pair.rule for pair in PAIRS} == SESSION_IDS


def test_findings_have_the_grade_of_the_catalogue() -> None:
    findings = [each for pair in PAIRS for result in pair.bad.audit() for each in result.findings]
    ungraded = {"timestamp-order", "metadata-key"}
    assert all(each.severity is RULES[each.rule].severity for each in findings if each.rule not in ungraded)


@pytest.mark.parametrize(("behind", "severity"), [(0.9, Severity.WARNING), (1.1, Severity.ERROR), (8, Severity.ERROR)])
def test_a_ts_that_goes_back_far_is_an_error(behind: float, severity: Severity) -> None:
    found = [each for result in late(behind).audit() for each in result.findings if each.rule == "timestamp-order"]
    assert [each.severity for each in found] == [severity]


def test_messages_name_event_value_and_place() -> None:
    (result,) = run(at_playhead(99, length=60).exchanges)
    (found,) = (each for each in result.findings if each.rule == "playhead-range")
    assert found.message == (
        "play: playerTime.playhead is 99; expected 60 at most, which is media.length (event 1, 1.0 s in)"
    )
    assert found.path == "playerTime.playhead"
