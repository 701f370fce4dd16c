"""The rules of delivery: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, array, check_family, row, timeline
from support.sessions import BEGIN_MS, Timeline, body_of
from tapehead.protocol.routes import Call
from tapehead.rules import delivery


def refused(count: int, *, in_flight: bool = False) -> Timeline:
    played = timeline().at(1, "play").at(11, "ping", status=410, elapsed_ms=60_000 if in_flight else 30)
    return played.pings(21, 11 + 10 * count, status=410)


PAIRS = [
    Pair(
        "session-start-misplaced",
        Timeline().raw(body_of("play", 0, BEGIN_MS), Call.SESSION, status=400),
        Timeline().raw(body_of("sessionStart", 0, BEGIN_MS), Call.SESSION, status=400),
    ),
    Pair("session-start-misplaced", row("play").at(6, "sessionStart"), row("play").at(6, "ping")),
    Pair("session-start-misplaced", array("play", "sessionEnd"), array("sessionStart", "sessionEnd")),
    Pair("unknown-session", Timeline().at(1, "play").at(2, "ping"), row("play", "ping")),
    Pair("kept-sending", refused(5), refused(2)),
    Pair("kept-sending", refused(3), refused(3, in_flight=True)),
    Pair("repeated-event", row("play").raw(body_of("play", 0, BEGIN_MS + 5000)), row("play", "play")),
    Pair("downloaded-flag", Timeline().start(downloaded=True), Timeline().start(downloaded=False)),
    Pair(
        "downloaded-flag",
        array("sessionStart", "sessionEnd", call=Call.SESSION),
        array("sessionStart", "sessionEnd", call=Call.SESSION, downloaded=True),
    ),
    Pair("downloaded-flag", Timeline().start(downloaded=True), array("sessionStart", "sessionEnd", downloaded=False)),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(delivery, PAIRS)
