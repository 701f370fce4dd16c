"""Coverage of a tracking plan: what recordings exercise, what never, and what they have beyond the plan."""

from pathlib import Path
from typing import Any

import pytest

from support.coverage import EXPECTS, RECORDINGS, beyond, cover, items, kind_of, of, sent
from support.sessions import BEGIN_MS, Timeline, of_bodies, run
from support.timelines import TIMELINES
from tapehead.auditor.coverage import MOST_BEYOND, MOST_CHARACTERS
from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.settings import AuditSettings, read_settings
from tapehead.auditor.tracking_plan import (
    ANY_EVENT,
    DOCUMENTED,
    EXPECTED,
    Item,
    ItemKind,
    TrackingPlan,
    named_in,
    plan_of,
)
from tapehead.demo.timelines import bodies
from tapehead.interop.reader import read_recordings
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.parameters import PARAMETERS
from tapehead.protocol.schemas import build_schema
from tapehead.protocol.transitions import TABLE
from tapehead.reports.audit.coverage_section import render_coverage
from tapehead.reports.terminal_text import TextStyle
from unit.auditor.test_sdk_captures import CAPTURES, load_capture

# ---- The documented plan ----

PLAN = plan_of(AuditSettings())


def planned(plan: TrackingPlan, kind: ItemKind) -> list[tuple[str, str]]:
    return [(item.of, item.label) for item in plan.items if item.kind is kind]


def test_the_documented_plan_has_all_event_types() -> None:
    assert PLAN.name == DOCUMENTED
    assert planned(PLAN, ItemKind.EVENT_TYPES) == [("", name) for name in EVENT_TYPES]
    assert planned(PLAN, ItemKind.METADATA) == []


def test_the_documented_plan_has_every_parameter_once_for_each_event_type() -> None:
    second = {"media.errorId", "media.errorSource"}
    rows = [(row, on) for row in PARAMETERS for on in row.on if row.key not in second]
    wanted = {(on, row.key) for row, on in rows if on != "*"}
    wanted |= {(ANY_EVENT, f"qoeData.{row.key}") for row, on in rows if on == "*"}
    assert set(planned(PLAN, ItemKind.PARAMETERS)) == wanted
    assert len(planned(PLAN, ItemKind.PARAMETERS)) == len(wanted)


MOVES = """
    life      unopened + sessionStart | open + sessionComplete | open + sessionEnd | completed + sessionEnd
    playback  starting + play | starting + pauseStart | starting + bufferStart
    playback  playing + play | playing + pauseStart | playing + bufferStart
    playback  paused + play | paused + pauseStart | paused + bufferStart
    playback  buffering + play | buffering + pauseStart | buffering + bufferStart
    ad_break  closed + adBreakStart | open + adStart | filled + adBreakComplete
    ad        none + adStart | open + adComplete | open + adSkip
    chapter   none + chapterStart | open + chapterComplete | open + chapterSkip
    state     off + stateStart | on + stateEnd
"""


def test_the_documented_plan_has_the_moves_of_sound_sessions() -> None:
    rows = [line.split(maxsplit=1) for line in MOVES.strip().splitlines()]
    assert planned(PLAN, ItemKind.MOVES) == [(machine, move) for machine, moves in rows for move in moves.split(" | ")]
    assert {machine for machine, _ in planned(PLAN, ItemKind.MOVES)} == set(TABLE)


def parameter(*names: str) -> Item:
    return Item(ItemKind.PARAMETERS, *names)


FINDS = [
    (("play", "qoeData", "media.qoe.bitrate"), (ANY_EVENT, "qoeData", "media.qoe.bitrate")),
    (("play", "params", "media.qoe.bitrate"), (ANY_EVENT, "qoeData", "media.qoe.bitrate")),
    (("error", "params", "media.errorId"), (ANY_EVENT, "qoeData", "media.qoe.errorID")),
    (("error", "params", "media.errorSource"), (ANY_EVENT, "qoeData", "media.qoe.errorSource")),
    (("sessionStart", "params", "media.id"), ("sessionStart", "params", "media.id")),
    (("play", "params", "media.errorId"), None),
    (("play", "params", "media.id"), None),
    (("resume", "qoeData", "media.qoe.bitrate"), None),
    (("sessionStart", "qoeData", "media.id"), None),
]


@pytest.mark.parametrize(("name", "found"), FINDS, ids=str)
def test_a_parameter_is_found_in_each_of_its_documented_places(name: tuple[str, ...], found: tuple[str, ...]) -> None:
    item = parameter(*name)
    assert PLAN.find(item) == (parameter(*found) if found else item)
    assert (PLAN.find(item) in PLAN.items) is bool(found)


# ---- What is exercised ----


def test_nothing_was_exercised_by_nothing() -> None:
    report = cover([])
    assert [(kind.kind, kind.exercised, kind.percent) for kind in report.kinds] == [
        (ItemKind.EVENT_TYPES, 0, 0.0),
        (ItemKind.PARAMETERS, 0, 0.0),
        (ItemKind.METADATA, 0, None),
        (ItemKind.MOVES, 0, 0.0),
    ]
    assert all(not item.count and item.first is None for kind in report.kinds for g in kind.groups for item in g.items)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_can_be_exercised(event_type: str) -> None:
    timeline = Timeline().start() if event_type == "sessionStart" else Timeline().start().at(1, event_type)
    assert sent(of(timeline), ItemKind.EVENT_TYPES) == {("", "sessionStart"), ("", event_type)}


MOVED = [
    ("sessionStart", "life", "unopened + sessionStart"),
    ("sessionComplete", "life", "open + sessionComplete"),
    ("sessionEnd", "life", "open + sessionEnd"),
    ("sessionComplete sessionEnd", "life", "completed + sessionEnd"),
    *[(f"{move}", "playback", f"starting + {move}") for move in ("play", "pauseStart", "bufferStart")],
    *[(f"play {move}", "playback", f"playing + {move}") for move in ("play", "pauseStart", "bufferStart")],
    *[(f"pauseStart {move}", "playback", f"paused + {move}") for move in ("play", "pauseStart", "bufferStart")],
    *[(f"bufferStart {move}", "playback", f"buffering + {move}") for move in ("play", "pauseStart", "bufferStart")],
    ("adBreakStart", "ad_break", "closed + adBreakStart"),
    ("adBreakStart adStart", "ad_break", "open + adStart"),
    ("adBreakStart adStart adComplete adBreakComplete", "ad_break", "filled + adBreakComplete"),
    ("adBreakStart adStart", "ad", "none + adStart"),
    ("adBreakStart adStart adComplete", "ad", "open + adComplete"),
    ("adBreakStart adStart adSkip", "ad", "open + adSkip"),
    ("chapterStart", "chapter", "none + chapterStart"),
    ("chapterStart chapterComplete", "chapter", "open + chapterComplete"),
    ("chapterStart chapterSkip", "chapter", "open + chapterSkip"),
    ("stateStart", "state", "off + stateStart"),
    ("stateStart stateEnd", "state", "on + stateEnd"),
]


def test_the_table_of_moves_is_complete() -> None:
    assert {(machine, move) for _, machine, move in MOVED} == set(planned(PLAN, ItemKind.MOVES))


@pytest.mark.parametrize(("events", "machine", "move"), MOVED)
def test_every_move_can_be_exercised_and_is_not_without_its_last_event(events: str, machine: str, move: str) -> None:
    names = [name for name in events.split() if name != "sessionStart"]
    assert (machine, move) in sent(of(Timeline().row(*names)), ItemKind.MOVES)
    before = [Timeline().row(*names[:-1])] if names else []
    assert (machine, move) not in sent(of(*before), ItemKind.MOVES)


def test_a_states_update_moves_the_state_of_each_name() -> None:
    states = [{"media.state.name": name} for name in ("mute", "inFocus")]
    timeline = Timeline().start().at(1, "statesUpdate", {"statesStart": states})
    report = of(timeline.at(2, "statesUpdate", {"statesEnd": states[:1], "statesStart": states[1:]}))
    moves = {label: item.count for (kind, of_, label), item in items(report).items() if of_ == "state"}
    assert moves == {"off + stateStart": 2, "on + stateEnd": 1, "on + stateStart": 1}
    assert beyond(report, ItemKind.MOVES) == [("state", "on + stateStart", "state-already-open")]


@pytest.mark.parametrize("section", ["params", "qoeData"])
def test_every_parameter_can_be_exercised(section: str) -> None:
    wanted = [item for item in PLAN.items if item.kind is ItemKind.PARAMETERS and item.part == section]
    timeline = Timeline()
    for second, item in enumerate(wanted):
        event_type = "ping" if item.of == ANY_EVENT else item.of
        timeline.at(
            second, event_type, **{section: {item.name: "x"}} if section == "qoeData" else {"params": {item.name: 1}}
        )
    report = of(timeline)
    assert {(item.of, item.label) for item in wanted} <= sent(report, ItemKind.PARAMETERS)
    assert beyond(report, ItemKind.PARAMETERS) == []


def test_counts_and_first_places() -> None:
    first = Timeline("a").start().at(5, "play").at(9, "sessionEnd")
    second = Timeline("b", begin_ms=BEGIN_MS + 1000).start().at(2, "play").at(9, "sessionEnd")
    play = items(of(first, second))[ItemKind.EVENT_TYPES, "", "play"]
    assert play.count == 2
    assert play.first
    assert (play.first.recording, play.first.line) == ("recording.jsonl", 3)


def test_each_group_counts_what_was_exercised_of_it() -> None:
    report = of(Timeline().row("play", "pauseStart", "play"))
    groups = {group.name: group for kind in report.kinds for group in kind.groups}

    assert all(group.exercised == sum(item.count > 0 for item in group.items) for group in groups.values())
    assert (groups["playback"].exercised, groups["life"].exercised) == (3, 1)
    assert 0 < groups["playback"].percent < 100


def test_the_first_place_is_the_earliest_in_whatever_order_sessions_are_over() -> None:
    early = run(Timeline("a").start().at(1, "play").exchanges)
    late = run(Timeline("b", begin_ms=BEGIN_MS + 60_000).start().at(1, "ping").at(2, "play").exchanges)
    assert items(cover([*early, *late])) == items(cover([*late, *early]))


# ---- What is beyond the plan ----


def test_what_is_in_no_plan_is_listed() -> None:
    timeline = Timeline().start(lenght=3).at(1, "resume", {"a": 1}, customMetadata={"k": "v"}, qoeData={"bitrate": 3})
    report = of(timeline.at(2, "chapterStart", customMetadata={"programmer": "x"}))
    assert beyond(report, ItemKind.EVENT_TYPES) == [("", "resume", "")]
    assert beyond(report, ItemKind.PARAMETERS) == [
        ("resume", "a", ""),
        ("resume", "qoeData.bitrate", ""),
        ("sessionStart", "media.lenght", ""),
    ]
    assert beyond(report, ItemKind.METADATA) == [("chapterStart", "programmer", ""), ("resume", "k", "")]
    assert kind_of(report, ItemKind.METADATA).percent is None


def test_slips_are_beyond_the_plan_with_their_rule() -> None:
    report = of(Timeline().row("adStart", "adBreakStart", "adBreakComplete", "sessionEnd", "play"))
    assert beyond(report, ItemKind.MOVES) == [
        ("ad", "open + adBreakComplete", "ad-left-open"),
        ("ad_break", "closed + adStart", "ad-outside-break"),
        ("life", "ended + play", "event-after-end"),
    ]


def test_what_a_recording_does_not_tell_is_no_move() -> None:
    report = of(Timeline().at(1, "adComplete").at(2, "play").at(3, "pauseStart").at(4, "stateEnd"))
    assert sent(report, ItemKind.MOVES) == {("playback", "playing + pauseStart")}
    assert len(sent(report, ItemKind.EVENT_TYPES)) == 4


@pytest.mark.parametrize("status", [400, None])
def test_a_session_that_did_not_open_has_no_moves(status: int | None) -> None:
    report = of(Timeline(sid=None).start(status=status))
    assert sent(report, ItemKind.MOVES) == set()
    assert sent(report, ItemKind.EVENT_TYPES) == {("", "sessionStart")}


def test_only_so_much_beyond_the_plan_is_kept() -> None:
    timeline = Timeline().start()
    for second in range(3):
        timeline.at(second, "play", {f"{second}-{n}": 1 for n in range(MOST_BEYOND)} | {"x" * 999: 1})
    kind = kind_of(of(timeline), ItemKind.PARAMETERS)
    assert len(kind.beyond) == MOST_BEYOND
    assert kind.dropped == 3 * (MOST_BEYOND + 1) - MOST_BEYOND
    long = of(Timeline().start().at(1, "play", {"x" * 999: 1}))
    assert beyond(long, ItemKind.PARAMETERS) == [("play", "x" * MOST_CHARACTERS, "")]


# ---- A company's own plan ----


def test_only_what_expectations_name_is_planned() -> None:
    plan = plan_of(read_settings(EXPECTS))
    assert plan.name == EXPECTED
    assert planned(plan, ItemKind.EVENT_TYPES) == [("", "sessionStart"), ("", "play"), ("", "chapterStart")]
    assert planned(plan, ItemKind.PARAMETERS) == [("play", "media.show"), ("play", "qoeData.media.qoe.bitrate")]
    assert planned(plan, ItemKind.METADATA) == [("sessionStart", "programmer"), ("sessionStart", "plan")]
    playback = [("playback", f"{state} + play") for state in ("starting", "playing", "paused", "buffering")]
    opened, chapter = ("life", "unopened + sessionStart"), ("chapter", "none + chapterStart")
    assert planned(plan, ItemKind.MOVES) == [opened, *playback, chapter]


def test_the_rest_is_beyond_a_companys_plan() -> None:
    timeline = Timeline().start().at(1, "play", {"media.qoe.bitrate": 3}).at(2, "ping").at(3, "sessionEnd")
    report = of(timeline, settings=read_settings(EXPECTS))
    assert [kind.percent for kind in report.kinds] == [66.7, 50.0, 0.0, 33.3]
    assert beyond(report, ItemKind.EVENT_TYPES) == [("", "ping", ""), ("", "sessionEnd", "")]
    assert ("sessionStart", "media.id", "") in beyond(report, ItemKind.PARAMETERS)
    assert beyond(report, ItemKind.MOVES) == [("life", "open + sessionEnd", "")]


NAMED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"properties": {"params": {"properties": {"a": {}, "b": True, "c": False}}}}, ["a", "b"]),
    ({"properties": {"params": {"required": ["a"], "properties": {"b": {}}}}}, ["b", "a"]),
    ({"properties": {"params": {"$ref": "#/definitions/p"}}, "definitions": {"p": {"required": ["a"]}}}, ["a"]),
    ({"$ref": "#/$defs/x~1y%20z", "$defs": {"x/y z": {"properties": {"params": {"required": ["a"]}}}}}, ["a"]),
    ({"allOf": [{"properties": {"params": {"required": ["a"]}}}, {"$ref": "#/allOf/0"}]}, ["a"]),
    ({"anyOf": [{"properties": {"params": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}}}]}, ["a", "b"]),
    ({"if": {}, "then": {"properties": {"params": {"required": ["a"]}}}, "else": True}, ["a"]),
    ({"if": {}, "then": True, "else": {"properties": {"params": {"required": ["b"]}}}}, ["b"]),
    ({"not": {"properties": {"params": {"required": ["a"]}}}}, []),
    ({"properties": {"params": False, "qoeData": {"required": ["a"]}}}, []),
    ({"$ref": "#"}, []),
    ({"$ref": "#/allOf/7", "allOf": [{}]}, []),
    ({"properties": {"params": {"$ref": "#/properties/params", "required": ["a"]}}}, ["a"]),
    ({"$ref": "other.json"}, []),
]


@pytest.mark.parametrize(("schema", "names"), NAMED, ids=str)
def test_the_keys_that_a_schema_names(schema: dict[str, Any], names: list[str]) -> None:
    assert named_in(schema, "params") == names


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_documented_schemas_name_the_documented_parameters(event_type: str) -> None:
    rows = [row for row in PARAMETERS if event_type in row.on or row.on == ("*",)]
    for section in ("params", "qoeData"):
        assert named_in(build_schema(event_type), section) == [row.key for row in rows if row.section == section]


# ---- Real traffic ----


def test_the_sdk_exercises_every_event_type_but_one() -> None:
    report = cover(result for path in CAPTURES for result in run(load_capture(path)))
    assert set(EVENT_TYPES) - {label for _, label in sent(report, ItemKind.EVENT_TYPES)} == {"statesUpdate"}
    assert beyond(report, ItemKind.MOVES) == []
    assert beyond(report, ItemKind.EVENT_TYPES) == []


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_samples_can_be_covered(path: Path) -> None:
    report = cover(audit(read_recordings([path], warn=pytest.fail)))
    assert all((item.first is not None) is (item.count > 0) for item in items(report).values())
    assert kind_of(report, ItemKind.EVENT_TYPES).exercised > 5
    assert bool([rule for _, _, rule in beyond(report, ItemKind.MOVES) if rule]) is (path.stem == "mistakes")


def test_the_mended_timelines_stay_within_the_plan() -> None:
    results = [run(of_bodies(bodies(timeline, BEGIN_MS))) for timeline in TIMELINES.values()]
    report = cover(result for each in results for result in each)
    assert [kind.kind for kind in report.kinds if kind.beyond] == [ItemKind.METADATA]
    assert all(item.label in render_coverage(report, TextStyle(verbose=True)) for item in items(report).values())
