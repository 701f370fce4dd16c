"""The rules of player states: sessions that fire them, and their nearest neighbours that do not."""

import pytest

from support.rule_pairs import Pair, check_family, row, timeline
from support.sessions import Timeline
from tapehead.protocol.exchange import Severity
from tapehead.rules import player_states


def states(*names: str, update: bool = False) -> Timeline:
    played = timeline().at(1, "play")
    if update:
        return played.at(2, "statesUpdate", {"statesStart": [{"media.state.name": name} for name in names]})
    for second, name in enumerate(names, start=2):
        played.at(second, "stateStart", {"media.state.name": name})
    return played


PAIRS = [
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
    Pair("state-name", states("FullScreen"), states("fullscreen")),
    Pair("state-format", states("wide screen", "wide screen"), states("Wide.screen_2")),
    Pair("state-format", states("x" * 65), states("x" * 64)),
    Pair("state-format", states("größe", update=True), states("groesse", update=True)),
    Pair("states-update-undocumented", states("a", update=True).at(3, "statesUpdate", {"statesEnd": []}), states("a")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_rules_fire_once_and_not_next_door(pair: Pair) -> None:
    pair.check()


def test_every_rule_is_tried_and_has_the_grade_of_the_catalogue() -> None:
    check_family(player_states, PAIRS)


@pytest.mark.parametrize("name", ["fullscreen", "fullScreen", "closedCaptioning", "mute", "mine_2.1"])
def test_standard_and_plain_names_are_silent(name: str) -> None:
    assert states(name).at(5, "sessionEnd").rules() == []


def test_a_states_update_is_named_once_a_session() -> None:
    played = states("mute", update=True).at(3, "statesUpdate", {"statesEnd": [{"media.state.name": "mute"}]})
    ((rule, severity, message),) = [
        (each.rule, each.severity, each.message) for each in played.at(5, "sessionEnd").audit()[0].findings
    ]
    assert (rule, severity) == ("states-update-undocumented", Severity.INFO)
    assert message.startswith("statesUpdate: only the overview of player states names this type")


MUTES = [{"media.state.name": "mute"}]
# Where the name of a state is at fault, the path leads to it; a statesUpdate has several.
PATHS = [
    (row("play", "stateEnd"), "state-not-open", "params.media.state.name"),
    (row("play", "stateStart", "stateStart"), "state-already-open", "params.media.state.name"),
    (row("play").at(9, "statesUpdate", {"statesEnd": MUTES}), "state-not-open", ""),
    (row("stateStart").at(9, "statesUpdate", {"statesStart": MUTES}), "state-already-open", ""),
    (states("full screen"), "state-name", "params.media.state.name"),
    (states("wide screen"), "state-format", "params.media.state.name"),
]


@pytest.mark.parametrize(("played", "rule", "path"), PATHS, ids=[f"{rule} {path}" for _, rule, path in PATHS])
def test_findings_on_names_have_the_path_of_the_name(played: Timeline, rule: str, path: str) -> None:
    (result,) = played.audit()
    assert [each.path for each in result.findings if each.rule == rule] == [path]
