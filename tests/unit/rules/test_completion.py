"""The rules of how far a session gets: sessions that fire them, and their nearest neighbours that do not."""

from typing import Any

import pytest

from support.rule_pairs import Pair, array, check_family, row
from support.sessions import Timeline, run
from tapehead.rules import completion


def complete(playhead: float, length: float, **params: Any) -> Timeline:
    """Return a session that resumes at a playhead near its end, and is complete 10 s later."""
    played = Timeline().start(length=length, **params).at(1, "play", playhead=playhead - 10)
    return played.at(11, "sessionComplete", playhead=playhead)


PAIRS = [
    # Ten seconds, or five percent if that is more.
    Pair("complete-early", complete(49.9, 60), complete(50, 60)),
    Pair("complete-early", complete(3419, 3600), complete(3420, 3600)),
    Pair("complete-early", complete(100, 600), complete(100, 600, contentType="live")),
    # A player that is reset before it says that it is done.
    Pair(
        "complete-early",
        Timeline().start(length=60).at(1, "play").at(31, "ping").at(41, "sessionComplete", playhead=0),
        Timeline().start(length=60).at(1, "play").at(31, "ping").at(61, "ping").at(61.5, "sessionComplete", playhead=0),
    ),
    Pair("complete-early", complete(100, 600), row("play", "sessionEnd")),
    # A length in milliseconds is another mistake.
    Pair("complete-early", complete(100, 600), complete(100, 3_600_000)),
    Pair("complete-early", complete(100, 600), complete(60, 60_000)),
    Pair("nothing-followed", row(), row("sessionEnd")),
    Pair("nothing-followed", row(), Timeline(sid=None).start(status=500)),
    Pair("nothing-followed", row(), Timeline().at(1, "ping")),
    Pair("nothing-followed", array("sessionStart"), array("sessionStart", "play")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(completion, PAIRS)


def test_a_session_that_only_starts_is_one_finding() -> None:
    assert row().rules() == ["nothing-followed"]


def test_messages_name_playhead_and_length() -> None:
    (result,) = run(complete(45, 60.3333333).exchanges)
    (found,) = result.findings
    assert found.message == (
        "sessionComplete: playerTime.playhead is 45, and media.length is 60.333; expected sessionComplete at the end, "
        "or sessionEnd (event 2, 11.0 s in)"
    )
