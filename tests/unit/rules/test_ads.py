"""The rules of ads and ad breaks: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import Timeline, ad
from tapehead.protocol.exchange import Severity
from tapehead.rules import ads


def ad_of(length: float, *, hold: str = "") -> Timeline:
    """An ad that plays for 5 seconds, held for 8 more in its middle."""
    played = timeline().at(1, "adBreakStart").at(2, "adStart", ad(length=length))
    if hold:
        played.at(4, hold).at(12, "play")
    return played.at(15 if hold else 7, "adComplete").at(16, "adBreakComplete").at(17, "play").at(20, "sessionEnd")


PAIRS = [
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
    # An unknown length is sent as -1.
    Pair("ad-duration", ad_of(12), ad_of(-1)),
    Pair("ad-duration", ad_of(12, hold="pauseStart"), ad_of(5, hold="pauseStart")),
    Pair("ad-duration", ad_of(12, hold="bufferStart"), ad_of(5, hold="bufferStart")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(ads, PAIRS)


def grades(timeline: Timeline) -> dict[str, Severity]:
    (result,) = timeline.audit()
    return {each.rule: each.severity for each in result.findings if each.rule in LEFT_OPEN}


LEFT_OPEN = ("ad-break-left-open", "ad-left-open")
INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
BOTH_INFO = dict.fromkeys(LEFT_OPEN, INFO)


def pre_roll() -> Timeline:
    """An ad of 15 seconds that starts at 2 s."""
    return timeline().at(1, "adBreakStart").at(2, "adStart", ad(length=15))


def mid_roll() -> Timeline:
    """An ad of 15 seconds that starts at 20 s into content that plays."""
    return timeline().at(1, "play").pings(10, 10).at(19, "adBreakStart").at(20, "adStart", ad(length=15))


LEAVERS: dict[str, tuple[Timeline, dict[str, Severity]]] = {
    "sessionEnd within the ad": (pre_roll().at(9, "sessionEnd"), BOTH_INFO),
    "silence within the ad": (pre_roll().pings(12, 12), BOTH_INFO),
    "within the mid-roll": (
        mid_roll().at(21, "play").at(30, "ping").at(34, "sessionEnd"),
        BOTH_INFO,
    ),
    "a pause does not count": (
        pre_roll().at(5, "pauseStart").pings(15, 25).at(26, "play").at(30, "sessionEnd"),
        BOTH_INFO,
    ),
    "a buffer does not count": (
        pre_roll().at(5, "bufferStart").pings(15, 25).at(26, "play").at(30, "sessionEnd"),
        BOTH_INFO,
    ),
    "long after the ad": (pre_roll().pings(10, 20).at(24, "sessionEnd"), dict.fromkeys(LEFT_OPEN, WARNING)),
    "after the ad": (pre_roll().at(12, "ping").at(17, "adComplete").at(18, "sessionEnd"), {LEFT_OPEN[0]: WARNING}),
    "before the first ad": (timeline().at(1, "adBreakStart").at(9, "sessionEnd"), {LEFT_OPEN[0]: INFO}),
    "long before the first ad": (timeline().at(1, "adBreakStart").pings(10, 20), {LEFT_OPEN[0]: WARNING}),
    "the ad's own break ended": (
        pre_roll().at(12, "adBreakComplete").at(13, "play").at(14, "sessionEnd"),
        {LEFT_OPEN[1]: WARNING},
    ),
    "content plays on": (
        pre_roll().at(12, "ping").at(17, "adComplete").at(18, "play").at(28, "ping", playhead=10).at(30, "sessionEnd"),
        {LEFT_OPEN[0]: ERROR},
    ),
    "the playhead moves on": (
        mid_roll().at(30, "ping").at(35, "adComplete").at(45, "ping", playhead=29).at(46, "sessionEnd"),
        {LEFT_OPEN[0]: ERROR},
    ),
    "the playhead moves on after the ad's length": (
        mid_roll().pings(30, 30).at(40, "ping", playhead=24).at(50, "ping", playhead=34).at(51, "sessionEnd"),
        dict.fromkeys(LEFT_OPEN, ERROR),
    ),
    "an SDK's play after adSkip": (
        mid_roll().at(23, "adSkip").at(23.001, "play").at(23.2, "sessionEnd"),
        {LEFT_OPEN[0]: WARNING},
    ),
    "an SDK's early break": (
        timeline()
        .at(1, "play")
        .at(11, "adBreakStart")
        .at(20, "adStart", ad(), playhead=19)
        .at(22, "sessionEnd", playhead=19),
        BOTH_INFO,
    ),
}


@pytest.mark.parametrize(("timeline", "graded"), LEAVERS.values(), ids=LEAVERS)
def test_what_is_left_open_is_graded_by_what_went_on(timeline: Timeline, graded: dict[str, Severity]) -> None:
    assert grades(timeline) == graded


def test_a_break_without_the_start_of_its_ad_is_not_empty_too() -> None:
    played = row(
        "adBreakStart", "adComplete", "adBreakComplete", "play", "adBreakStart", "adBreakComplete", "sessionEnd"
    )
    assert played.rules() == ["ad-not-open", "ad-break-empty"]
