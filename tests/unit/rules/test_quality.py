"""The rules of quality data: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, check_family, timeline
from support.sessions import Timeline, run
from tapehead.protocol.exchange import Severity
from tapehead.rules import quality


def frames(*totals: int, section: str = "qoeData") -> Timeline:
    played = timeline().at(1, "play")
    for number, total in enumerate(totals, start=1):
        more: dict[str, Any] = {section: {"media.qoe.droppedFrames": total}}
        played.at(1 + 10 * number, "ping", more.get("params"), **({} if section == "params" else more))
    return played


def started(at_play: int | None, *later: int) -> Timeline:
    """Return a session with a time to start at its play, and at each ping after it."""
    first: dict[str, Any] = {} if at_play is None else {"qoeData": {"media.qoe.timeToStart": at_play}}
    played = timeline().at(1, "play", **first)
    for number, value in enumerate(later, start=1):
        played.at(1 + 10 * number, "ping", qoeData={"media.qoe.timeToStart": value})
    return played


PAIRS = [
    Pair("dropped-frames-total", frames(12, 3), frames(3, 12)),
    Pair("dropped-frames-total", frames(12, 0), frames(12, 12)),
    Pair("dropped-frames-total", frames(5, 2, 3, 1), frames(0, 0)),
    Pair("dropped-frames-total", frames(12, 3, section="params"), frames(3, 12, section="params")),
    Pair("time-to-start-grows", started(1200, 11_200), started(1200, 1200)),
    Pair("time-to-start-grows", started(1200, 1199), started(1200, 1200)),
    Pair("time-to-start-grows", started(None, 1200, 1300, 1400), started(None, 1200, 1200)),
    Pair("time-to-start-grows", started(49), started(50)),
    Pair("time-to-start-grows", started(1), started(0)),
    # Up to the first frame of the main content the clock runs.
    Pair(
        "time-to-start-grows",
        started(1200, 1300),
        timeline().at(1, "ping", qoeData={"media.qoe.timeToStart": 900}).at(2, "play", qoeData={}).at(3, "sessionEnd"),
    ),
    Pair(
        "time-to-start-grows",
        started(1200, 1300),
        timeline()
        .at(1, "adBreakStart")
        .at(1.1, "adStart")
        .at(1.2, "play", qoeData={"media.qoe.timeToStart": 900})
        .at(6, "adComplete")
        .at(6.1, "adBreakComplete")
        .at(6.2, "play", qoeData={"media.qoe.timeToStart": 1100}),
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(quality, PAIRS)


def test_messages_name_values_and_number() -> None:
    (result,) = run(frames(5, 2, 3, 1).at(42, "sessionEnd").exchanges)
    (found,) = result.findings
    assert found.message == (
        "ping: qoeData.media.qoe.droppedFrames is 2 after 5; expected the total of the session (2 such events) "
        "(event 3, 21.0 s in)"
    )
    assert found.path == "qoeData.media.qoe.droppedFrames"


def test_a_clock_that_runs_on_is_a_warning_and_seconds_are_an_information() -> None:
    (result,) = run(started(1, 11).at(12, "sessionEnd").exchanges)
    assert [(each.severity, each.message.partition(";")[0]) for each in result.findings] == [
        (Severity.INFO, "play: qoeData.media.qoe.timeToStart is 1, which looks like seconds"),
        (Severity.WARNING, "ping: qoeData.media.qoe.timeToStart is 11, and was 1 when the main content began"),
    ]
