"""The diff: a case for each kind of difference, and the nearest change that is no difference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from support.diff_variants import ACTS, CHAPTER, NAMED, Act, altered, compare, play, told, with_act, without
from support.paths import RECORDINGS_FOLDER
from support.sessions import BEGIN_MS, HOUR_MS, Timeline, ad, make_exchange, mix
from tapehead.comparison.differences import Change, Verdict
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import Call

BASE = play()
C = Change
EVENTS = (C.EVENT_MISSING, C.EVENT_ADDED, C.EVENT_MOVED)
RECORDINGS = sorted((RECORDINGS_FOLDER).glob("*.jsonl"))


class Case(NamedTuple):
    """A change to the session, and all differences of some kinds that the diff has to report."""

    new: list[Act]
    expected: list[tuple[Change, str]]


AD_2 = [(C.EVENT_MISSING, "adStart ad-2"), (C.EVENT_MISSING, "adComplete of ad-2")]
OTHER_NAME = NAMED | {"media.chapter.friendlyName": "Uno"}
QUALITY = "qoeData.media.qoe.bitrate"
METADATA: dict[str, Any] = {"customMetadata": {"genre": "news"}}

CASES = {
    "an ad dropped": Case([*ACTS[:7], *(a._replace(second=a.second - 5) for a in ACTS[13:])], AD_2),
    "an ad more": Case(with_act(Act(10, "adStart", ad(3)), Act(10, "adComplete")), [
        (C.EVENT_ADDED, "adStart ad-3"), (C.EVENT_ADDED, "adComplete of ad-3"),
    ]),
    "an ad by another name": Case(altered("adStart", ad(2) | {"media.ad.id": "x"}, 1), [
        (C.PARAMETER_CHANGED, "params.media.ad.id"),
    ]),
    "a chapter renamed": Case(altered("chapterStart", OTHER_NAME), [
        (C.PARAMETER_CHANGED, "params.media.chapter.friendlyName"),
    ]),
    "a parameter lost": Case(altered("chapterStart", CHAPTER), [
        (C.PARAMETER_REMOVED, "params.media.chapter.friendlyName"),
    ]),
    "a parameter more": Case(altered("adStart", ad(1) | {"media.ad.name": "Soap"}), [
        (C.PARAMETER_ADDED, "params.media.ad.name"),
    ]),
    "another type": Case(altered("adStart", ad(1) | {"media.ad.length": "5"}), [
        (C.PARAMETER_RETYPED, "params.media.ad.length"),
    ]),
    "true is no 1": Case(altered("adStart", ad(1) | {"media.ad.podPosition": True}), [
        (C.PARAMETER_RETYPED, "params.media.ad.podPosition"),
    ]),
    "null is something": Case(altered("chapterStart", NAMED | {"media.chapter.friendlyName": None}), [
        (C.PARAMETER_RETYPED, "params.media.chapter.friendlyName"),
    ]),
    "an offset within the tolerance": Case(altered("chapterStart", NAMED | {"media.chapter.length": 70.9}), []),
    "an offset beyond it": Case(altered("chapterStart", NAMED | {"media.chapter.length": 71.2}), [
        (C.PARAMETER_CHANGED, "params.media.chapter.length"),
    ]),
    "a count has no tolerance": Case(altered("adStart", ad(1) | {"media.ad.podPosition": 2}), [
        (C.PARAMETER_CHANGED, "params.media.ad.podPosition"),
    ]),
    "metadata more": Case(altered("chapterStart", **METADATA), [(C.PARAMETER_ADDED, "customMetadata.genre")]),
    "quality measured anew": Case(altered("play", qoeData={"media.qoe.bitrate": 700_000}), []),
    "quality of another type": Case(altered("play", qoeData={"media.qoe.bitrate": "12"}), [
        (C.PARAMETER_RETYPED, QUALITY),
    ]),
    "quality gone": Case(altered("play", qoeData={}), [(C.PARAMETER_REMOVED, QUALITY)]),
    "a pause more": Case(with_act(Act(70.5, "pauseStart"), Act(71, "play")), [
        (C.EVENT_ADDED, "pauseStart"), (C.EVENT_ADDED, "play"),
    ]),
    "sessionComplete missing": Case(without("sessionComplete"), [(C.EVENT_MISSING, "sessionComplete")]),
    "another playhead": Case(altered("chapterComplete", playhead=62), [(C.EVENT_MOVED, "chapterComplete of 1")]),
    "nearly the same playhead": Case(altered("chapterComplete", playhead=64.2), []),
    "a state by another name": Case(altered("stateEnd", {"media.state.name": "inFocus"}), [
        (C.PARAMETER_CHANGED, "params.media.state.name"),
    ]),
    "another answer": Case(altered("stateEnd", status=400), [(C.STATUS_CHANGED, "stateEnd mute")]),
    "no answer": Case(altered("stateEnd", status=None), [(C.STATUS_CHANGED, "stateEnd mute")]),
    "all pings of the ads gone": Case([a for a in ACTS if a.type != "ping" or a.second > 10], [
        (C.PING_RHYTHM, "in ads"),
    ]),
    "a ping less": Case(without("ping", number=2), []),
    "a stretch without pings": Case([a for a in ACTS if a.type != "ping" or not 10 < a.second < 55], [
        (C.PINGS_MISSING, "in content"),
    ]),
    "pings in a stretch that had none": Case([*ACTS[:-1], *(Act(s, "ping") for s in (80, 90, 100, 110, 120))], [
        (C.PINGS_ADDED, "in content"), (C.EVENT_MISSING, "sessionComplete"),
    ]),
    "pings answered otherwise": Case(altered("ping", number=9, status=410), [(C.STATUS_CHANGED, "ping")]),
    "a key on all pings": Case([a._replace(more={"qoeData": {"x": 1}}) if a.type == "ping" else a for a in ACTS], [
        (C.PARAMETER_ADDED, "qoeData.x"),
    ]),
    "a key on one ping": Case(altered("ping", qoeData={"media.qoe.droppedFrames": 1}), []),
}  # fmt: skip
NO_EVENTS = frozenset({C.METRIC_CHANGED, C.FINDING_NEW, C.FINDING_GONE})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_change_to_a_session_is_reported(case: Case) -> None:
    found = compare(BASE, play(case.new))

    assert sorted(each for each in told(found) if each[0] not in NO_EVENTS) == sorted(case.expected)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_difference_does_not_depend_on_the_side(case: Case) -> None:
    there, back = compare(BASE, play(case.new)), compare(play(case.new), BASE)

    assert there.same is back.same
    assert there.same is (not case.expected)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_does_not_differ_from_itself(path: Path) -> None:
    exchanges = [entry.exchange for entry in read_recordings([path], warn=print)]

    assert compare(exchanges, exchanges).same


def test_the_same_player_on_another_day_as_another_person_with_another_version_has_not_changed() -> None:
    person = {"visitor.marketingCloudUserId": "9" * 38}
    acts = [act._replace(second=act.second + 0.3) if act.second > 20 else act for act in ACTS]
    found = compare(play(sdkVersion="1.0"), respell(play(acts, "s9", BEGIN_MS + HOUR_MS, sdkVersion="2.0"), person))

    assert found.same
    assert found.sessions[0].notes == ('params.media.sdkVersion: "1.0" -> "2.0"',)


def test_a_visitor_id_that_is_gone_is_a_note() -> None:
    fewer = respell(BASE, {}, drop="visitor.marketingCloudUserId")
    found = compare(respell(BASE, {"appInstallationId": "i"}), respell(fewer, {"appInstallationId": "i"}))

    assert found.same
    assert found.sessions[0].notes[0].startswith("params.visitor.marketingCloudUserId: removed")


def test_half_the_pings_is_another_cadence_and_nothing_else() -> None:
    pings = [act for act in ACTS if act.type == "ping"][::2]
    found = compare(BASE, play([act for act in ACTS if act.type != "ping" or act in pings]))

    assert told(found) == [(C.PING_RHYTHM, "in content"), (C.PING_RHYTHM, "in ads")]
    assert [(each.base, each.new) for each in found.all_differences()] == [(10, 20), (1, 2)]


def test_a_little_more_often_is_the_same_cadence() -> None:
    often = [Act(second, "ping") for second in (18, 26, 34, 42, 50)]
    acts = [act for act in ACTS if act.type != "ping" or not 10 < act.second < 55]

    assert compare(BASE, play(sorted([*acts, *often], key=lambda act: act.second))).same


def test_events_in_another_order_are_moved() -> None:
    acts = list(ACTS)
    place = next(number for number, act in enumerate(acts) if act.type == "play")
    acts[place : place + 2] = [acts[place + 1]._replace(second=10), acts[place]._replace(second=11)]
    found = [each for each in compare(BASE, play(acts)).all_differences() if each.change in EVENTS]

    assert len(found) == 1
    assert found[0].change is C.EVENT_MOVED
    assert found[0].message.startswith("in another order: was after ")


def test_key_order_and_the_spelling_of_numbers_do_not_matter() -> None:
    def turn(held: Any) -> Any:
        if isinstance(held, dict):
            return {key: turn(held[key]) for key in reversed(held)}
        return float(held) if isinstance(held, int) and not isinstance(held, bool) and held < 1e6 else held

    assert compare(BASE, [change_body(exchange, turn) for exchange in BASE]).same


def test_states_in_one_event_come_in_no_order() -> None:
    names = [{"media.state.name": "mute"}, {"media.state.name": "inFocus"}]
    one, other = ([*ACTS, Act(81, "statesUpdate", {"statesStart": listed})] for listed in (names, names[::-1]))

    assert compare(play(one), play(other)).same


def test_of_equal_events_the_one_that_is_gone_is_named() -> None:
    pauses = [Act(60, "pauseStart"), Act(61, "play"), Act(70.5, "pauseStart"), Act(71.5, "play")]
    found = compare(play(with_act(*pauses)), play(with_act(*pauses[2:])))

    missing = [each.base_event for each in found.all_differences() if each.change is C.EVENT_MISSING]
    assert [event and event.playhead for event in missing] == [50, 50]


# ---- Metrics and findings ----


def test_metrics_follow_what_the_player_did() -> None:
    found = compare(BASE, play([act for act in ACTS if act not in ACTS[7:13]]))

    assert ("ad_starts", 2, 1) in [(each.name, each.base, each.new) for each in found.all_differences()]


@pytest.mark.parametrize(("later", "expected"), [(1.5, []), (6, ["total_pause_duration"])])
def test_durations_may_be_off_by_the_tolerance(later: float, expected: list[str]) -> None:
    base = with_act(Act(72, "pauseStart"), Act(73, "play"))
    new = [act._replace(second=act.second + later) if act.second >= 73 else act for act in base]
    metrics = [each.name for each in compare(play(base), play(new), tolerance=1).all_differences()]

    assert metrics == expected


def test_ends_known_by_pings_only_are_as_coarse_as_pings() -> None:
    acts = [act for act in ACTS if act.second < 75]

    assert compare(play(acts), play(acts[:-1])).same
    assert not compare(play([*acts, *(Act(s, "ping") for s in (80, 90, 100, 110))]), play(acts)).same


def test_a_rule_that_is_broken_now_is_new_and_the_other_way_round_gone() -> None:
    broken = play(without("adBreakComplete"))

    assert ("finding-new", "ad-break-left-open") in told(compare(BASE, broken))
    assert ("finding-gone", "ad-break-left-open") in told(compare(broken, BASE))


def test_a_rule_is_new_again_for_another_parameter() -> None:
    one = play(altered("adStart", ad(1) | {"media.ad.length": "5"}))
    other = play(altered("adStart", ad(1) | {"media.ad.podPosition": "1"}))

    assert told(compare(one, other), C.FINDING_NEW, C.FINDING_GONE) == [
        (C.FINDING_NEW, "wrong-type"),
        (C.FINDING_GONE, "wrong-type"),
    ]


def test_calls_outside_any_session_are_compared_by_their_findings() -> None:
    refused = make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None, status=500)
    found = compare(BASE, [*BASE, refused])

    assert not found.same
    assert [session.verdict for session in found.sessions] == [Verdict.SAME]
    assert {each.change for each in found.outside} == {C.FINDING_NEW}


# ---- Which session is which ----


def verdicts(base: list[Exchange], new: list[Exchange], **scope: Any) -> list[Verdict]:
    return [session.verdict for session in compare(base, new, **scope).sessions]


def short(sid: str, at: float = 0, **params: Any) -> Timeline:
    return Timeline(sid=sid, begin_ms=BEGIN_MS + at * 1000).start(**params).at(1, "play").at(9, "sessionEnd")


def test_sessions_are_paired_by_content_however_they_interleave() -> None:
    base = mix(short("a", 0, id="x"), short("b", 1, id="y"), short("c", 2, id="z"))
    new = mix(short("d", 0, id="z"), short("e", 3, id="y"), short("f", 4, id="x"))

    assert verdicts(base, new) == [Verdict.SAME] * 3


def test_sessions_that_have_no_counterpart_are_missing_or_added() -> None:
    base, new = mix(short("a", id="x"), short("b", id="y")), mix(short("c", id="y"), short("d", id="z"))

    assert verdicts(base, new) == [Verdict.MISSING, Verdict.SAME, Verdict.ADDED]


def test_equal_sessions_are_paired_in_order() -> None:
    base = mix(short("a"), short("b", 20).at(5, "pauseStart"))
    new = mix(short("c"), short("d", 20).at(5, "pauseStart"), short("e", 40))

    assert verdicts(base, new) == [Verdict.SAME, Verdict.SAME, Verdict.ADDED]


@pytest.mark.parametrize("params", [{"playerName": "tv"}, {"length": 50}, {"name": "N", "channel": "two"}])
def test_a_session_with_another_player_name_is_changed_and_not_missing(params: dict[str, Any]) -> None:
    assert verdicts(short("a").exchanges, short("b", **params).exchanges) == [Verdict.CHANGED]


def test_the_most_alike_of_the_same_content_are_paired() -> None:
    base = mix(short("a", channel="one"), short("b", 20, channel="two"))
    new = mix(short("c", channel="two", length=1), short("d", 20, channel="one", length=1))
    found = compare(base, new)

    assert {each.name for each in found.all_differences() if "channel" in each.name} == set()


def test_an_attempt_that_was_refused_is_no_counterpart_of_a_session() -> None:
    refused = Timeline(sid=None).start(status=400).exchanges

    assert verdicts([*refused, *short("a", 20).exchanges], short("b").exchanges) == [Verdict.MISSING, Verdict.SAME]


def test_live_playheads_count_from_where_the_session_began() -> None:
    def live(second_of_day: float, later: float = 0) -> list[Exchange]:
        timeline = Timeline().start(contentType="live", length=86400)
        for second, event_type in ((1, "play"), (11, "ping"), (20, "pauseStart"), (30, "play"), (40, "sessionEnd")):
            moved = second_of_day + second + (later if second > 11 else 0)
            timeline.at(second, event_type, playhead=moved % 86400)
        return timeline.exchanges

    assert compare(live(40_000), live(60_000)).same
    assert told(compare(live(40_000), live(50_000, later=5)), *EVENTS) == [
        (C.EVENT_MOVED, "pauseStart"),
        (C.EVENT_MOVED, "play"),
        (C.EVENT_MOVED, "sessionEnd"),
    ]


def test_downloaded_sessions_are_compared_too() -> None:
    def downloaded(acts: list[Act]) -> list[Exchange]:
        bodies = [json.loads(bytes(exchange.request.body)) for exchange in play(acts)]
        bodies[0]["params"]["media.downloaded"] = True
        return [make_exchange("/api/v1/downloaded", bodies, call=Call.DOWNLOADED, sid=None, status=201)]

    assert compare(downloaded(list(ACTS)), downloaded(list(ACTS))).same
    changed = compare(downloaded(list(ACTS)), downloaded(without("sessionComplete")))
    assert (C.EVENT_MISSING, "sessionComplete") in told(changed)


# ---- What users set ----


@pytest.mark.parametrize(
    ("new", "ignore"),
    [
        (altered("chapterStart", OTHER_NAME), "media.chapter.friendlyName"),
        (altered("chapterStart", OTHER_NAME), "params.media.chapter.*"),
        (altered("adStart", ad(1) | {"media.ad.id": "x"}), "media.ad.id"),
        (altered("chapterStart", **METADATA), "customMetadata.*"),
        (without("ping"), "ping"),
        (without("stateStart", "stateEnd"), "state[SE]*"),
    ],
)
def test_ignored_names_are_no_difference(new: list[Act], ignore: str) -> None:
    assert not compare(BASE, play(new)).same
    assert told(compare(BASE, play(new), ignore=(ignore, "misplaced-metadata"))) == []


def test_content_whose_id_is_ignored_is_known_by_the_rest() -> None:
    base, new = short("a", id="today").exchanges, short("b", id="tomorrow").exchanges

    assert verdicts(base, new) == [Verdict.MISSING, Verdict.ADDED]
    assert verdicts(base, new, ignore=("media.id",)) == [Verdict.SAME]


@pytest.mark.parametrize(("tolerance", "same"), [(0.5, False), (2.0, False), (3.0, True)])
def test_the_tolerance_is_in_seconds(tolerance: float, same: bool) -> None:
    assert compare(BASE, play(altered("chapterComplete", playhead=62)), tolerance=tolerance).same is same


def test_rows_hold_every_event_of_both_sides_once_and_in_order() -> None:
    new = play([act for act in with_act(Act(60, "pauseStart"), Act(62, "play")) if act not in ACTS[7:13]])
    (session,) = compare(BASE, new).sessions

    for side, pings in (("base", "base_pings"), ("new", "new_pings")):
        steps = getattr(session, side).steps
        events = [getattr(row, side) for row in session.rows if getattr(row, side)]
        assert events == [step.event for step in steps if step.event.type != "ping"]
        assert sum(getattr(row, pings) for row in session.rows) == len(steps) - len(events)
    marked = {id(each) for row in session.rows for each in row.differences}
    assert {id(each) for each in session.differences if each.change in EVENTS} <= marked


# ---- Bodies ----


def change_body(exchange: Exchange, change: Callable[[Any], Any]) -> Exchange:
    """Return the exchange with another body."""
    body = json.loads(bytes(exchange.request.body))
    return structs.replace(exchange, request=exchange.request.with_content(json.dumps(change(body)).encode()))


def respell(exchanges: list[Exchange], params: dict[str, Any], drop: str = "") -> list[Exchange]:
    """Return the session with other params in its sessionStart."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in body["params"].items() if key != drop}
        return body | {"params": kept | params}

    return [change_body(exchanges[0], change), *exchanges[1:]]
