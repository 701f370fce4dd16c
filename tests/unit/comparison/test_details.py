"""The diff in detail: places, numbers and events of differences, chance, and bounds."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from support.diff_variants import ACTS, Act, altered, compare, play, told, with_act
from support.sessions import BEGIN_MS, Timeline, ad, make_exchange, run
from tapehead.auditor.results import SessionResult
from tapehead.comparison.compare import CHANCE
from tapehead.comparison.differences import Change, Difference, Scope
from tapehead.comparison.metric_comparison import reach_differs
from tapehead.comparison.ping_cadence import Cadence, differ
from tapehead.comparison.session_pairing import MOST_COMPARED, KnownSession, pair_most_alike
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.routes import Call
from tapehead.reports.diff.difference_lines import totals_of
from tapehead.reports.diff.json_diff import build_report

C = Change
BASE = play()


def edit(exchanges: list[Exchange], event_type: str, change: Callable[[dict[str, Any]], Any]) -> list[Exchange]:
    """The exchanges with another body of each event of a type."""

    def edited(exchange: Exchange) -> Exchange:
        body = json.loads(bytes(exchange.request.body))
        if body["eventType"] != event_type:
            return exchange
        change(body)
        return structs.replace(exchange, request=exchange.request.with_content(json.dumps(body).encode()))

    return list(map(edited, exchanges))


def differences(base: list[Exchange], new: list[Exchange], *changes: Change) -> list[Difference]:
    return [each for each in compare(base, new).all_differences() if each.change in changes]


# ---- Places and numbers ----


@pytest.mark.parametrize("turned", [False, True])
def test_an_event_without_a_playhead_is_compared_with_one_that_has_it(turned: bool) -> None:
    paused = play(with_act(Act(60, "pauseStart"), Act(62, "play")))
    sides = [paused, edit(paused, "pauseStart", lambda body: body["playerTime"].pop("playhead"))]
    base, new = sides[::-1] if turned else sides
    (moved,) = differences(base, new, C.EVENT_MOVED)

    assert (moved.name, moved.message) == ("pauseStart", f"playhead {'- -> 50' if turned else '50 -> -'}")


def test_ads_of_one_name_are_told_apart_by_their_number() -> None:
    """Two ads with one id; the second one takes four seconds more."""
    acts = altered("adStart", ad(2) | {"media.ad.id": "ad-1"}, 1)
    later = [act._replace(second=act.second + 4) if act.second >= 10 else act for act in acts]
    found = differences(play(acts), play([act._replace(second=min(act.second, 80)) for act in later]), C.METRIC_CHANGED)

    assert [(each.name, round(each.base), round(each.new)) for each in found if ": ad_time_spent" in each.name] == [
        ("ad ad-1 #2: ad_time_spent", 5, 9)
    ]


def test_differences_outside_sessions_are_counted() -> None:
    refused = make_exchange("/api/v1/sessions", b"", call=Call.PREFLIGHT, sid=None, status=500)
    found = compare(BASE, [*BASE, refused])
    report = build_report(found, ["a"], ["b"], Scope())

    assert report["summary"]["differences"] == len(found.outside) == report["summary"]["by_change"]["finding-new"] > 0
    assert totals_of(found) == f"1 session: 1 unchanged; {len(found.outside)} difference"


# ---- Pings ----


def test_the_gap_of_a_session_that_ends_on_a_ping_has_all_its_pings() -> None:
    """The base pings at 80, 90, 100, 110 and 120 s and ends with that; the new one ends at 75 s."""
    acts = [act for act in ACTS if act.second <= 75]
    longer = [*acts, *(Act(second, "ping") for second in (80, 90, 100, 110, 120))]
    (missing,) = differences(play(longer), play(acts), C.PINGS_MISSING)

    assert (missing.base, missing.new) == (5, 0)
    assert missing.message == (
        "nothing more comes after chapterComplete at 65 in the new recording; the base has 5 pings there"
    )
    assert missing.base_event is None
    assert missing.new_event is not None
    assert missing.new_event.ts == BEGIN_MS + 75_000  # where the pings are missing
    assert differences(play(longer), play(acts), C.PINGS_ADDED, C.PING_RHYTHM) == []
    (added,) = differences(play(acts), play(longer), C.PINGS_ADDED)
    assert added.new_event is None
    assert added.base_event is not None
    assert added.base_event.ts == BEGIN_MS + 75_000


@pytest.mark.parametrize("turned", [False, True])
def test_pings_before_the_first_landmark_have_a_row(turned: bool) -> None:
    """Sessions whose start was not recorded: one begins with two pings."""
    with_pings = Timeline().at(1, "ping").at(2, "ping").at(5, "pauseStart").at(9, "sessionEnd").exchanges
    without_pings = Timeline().at(5, "pauseStart").at(9, "sessionEnd").exchanges
    sides = [without_pings, with_pings] if turned else [with_pings, without_pings]
    row = compare(*sides).sessions[0].rows[0]

    assert (row.base, row.new) == (None, None)
    assert (row.base_pings, row.new_pings) == ((0, 2) if turned else (2, 0))


@pytest.mark.parametrize("turned", [False, True])
def test_pings_answered_otherwise_name_the_ping_that_was_refused(turned: bool) -> None:
    sides = [play(altered("ping", number=10, status=500)), BASE]
    base, new = sides[::-1] if turned else sides
    (found,) = differences(base, new, C.STATUS_CHANGED)
    refused, sound = (found.new_event, found.base_event) if turned else (found.base_event, found.new_event)

    assert refused is not None
    assert sound is not None
    assert (refused.status, refused.ts) == (500, BEGIN_MS + 40_000)
    assert (sound.status, sound.ts) == (204, BEGIN_MS + 1_000)
    assert found.message == f"pings answered {'204 -> 204, 500' if turned else '204, 500 -> 204'}"


def test_a_key_of_pings_that_is_ignored_hides_no_other() -> None:
    """The ignored key is the first of those that only one side has."""
    quality = {"qoeData": {"media.qoe.bitrate": 800, "media.qoe.droppedFrames": 1}}
    new = [act._replace(more=quality) if act.type == "ping" else act for act in ACTS]
    found = compare(BASE, play(new), ignore=("media.qoe.bitrate",))

    assert [each.name for each in found.all_differences() if each.change is C.PARAMETER_ADDED] == [
        "qoeData.media.qoe.droppedFrames"
    ]


def test_a_cadence_is_named_to_a_hundredth_of_a_second() -> None:
    slow = [Act(20.25 + 10.25 * number, "ping") for number in range(4)]
    fast = [Act(20.25 + 4.25 * number, "ping") for number in range(9)]
    rest = [act for act in ACTS if act.type != "ping" or act.second < 10]

    def of(pings: list[Act]) -> list[Exchange]:
        return play(sorted([*rest, *pings], key=lambda act: act.second))

    (found,) = differences(of(slow), of(fast), C.PING_RHYTHM)
    assert "every 10.25 s (" in found.message
    assert "every 4.25 s (" in found.message


@pytest.mark.parametrize(("pings", "is_another"), [(4, True), (5, False)])
def test_a_single_ping_has_a_cadence_by_the_time_that_it_covers(pings: int, is_another: bool) -> None:
    """Four pings in a minute against one, or five in a minute against four in a minute of which no gap is known."""
    one = Cadence(1, 60.0, ()) if is_another else Cadence(4, 60.0, ())
    assert differ(one, Cadence(pings, 60.0, ())) is is_another
    assert differ(Cadence(pings, 60.0, ()), one) is is_another
    assert not differ(Cadence(8, 64.0, ()), Cadence(11, 64.0, ()))
    assert differ(Cadence(8, 64.0, ()), Cadence(12, 64.0, ()))


@pytest.mark.parametrize(("until", "differs"), [(70, True), (71, False)])
def test_how_far_the_playhead_came_counts_beyond_the_tolerance(until: float, differs: bool) -> None:
    def session(last: float) -> SessionResult:
        (result,) = run(Timeline().start().at(1, "play").at(last, "ping").exchanges)
        return result

    assert reach_differs(session(80), session(until), 9.0) is differs
    assert reach_differs(session(until), session(80), 9.0) is differs


def test_a_longer_content_is_another_reach() -> None:
    one, other = (run(Timeline().start(length=length).at(1, "play").exchanges)[0] for length in (100, 101))

    assert reach_differs(one, other, 60.0)


def test_of_equal_events_in_one_place_those_with_the_same_values_are_paired() -> None:
    """Two errors of one id and playhead; the first of them is gone."""
    errors = [
        Act(60.5 + number, "error", {"media.errorId": "e", "media.errorSource": source})
        for number, source in enumerate(("player", "external"))
    ]
    found = compare(play(with_act(*errors)), play(with_act(errors[1])))

    assert [(each.change, each.base_event and each.base_event.ts) for each in found.all_differences()][:1] == [
        (C.EVENT_MISSING, BEGIN_MS + 60_500)
    ]


# ---- What is no difference ----


CHANCES = {
    "ping-gap": [act for act in ACTS if (act.second, act.type) != (40, "ping")],
    "ping-flood": with_act(Act(40.4, "ping")),
    "clock-skew": altered("sessionComplete", arrives=400),
    "equal-timestamps": altered("play", ts=10.001, arrives=10.007),
}


def test_chance_has_a_case_for_each_rule() -> None:
    assert set(CHANCES) == CHANCE


@pytest.mark.parametrize("rule", CHANCES)
def test_what_only_chance_breaks_is_no_difference(rule: str) -> None:
    other = play(CHANCES[rule])
    before, after = ({finding.rule for result in run(side) for finding in result.findings} for side in (BASE, other))

    assert after - before == {rule}
    assert compare(BASE, other).same
    assert compare(other, BASE).same


@pytest.mark.parametrize(("value", "same"), [(0.30000000000000004, True), (0.30001, False), (0.3, True)])
def test_numbers_are_as_close_as_floats_can_tell(value: float, same: bool) -> None:
    base, new = (play(altered("chapterStart", customMetadata={"share": each})) for each in (0.3, value))

    assert compare(base, new).same is same


def test_texts_are_compared_as_they_are() -> None:
    base, new = (play(altered("chapterStart", customMetadata={"share": each})) for each in ("1.0", "1"))

    assert told(compare(base, new)) == [(C.PARAMETER_CHANGED, "customMetadata.share")]


# ---- Very many sessions ----


def test_very_many_sessions_are_paired_in_order_and_fewer_by_likeness() -> None:
    """Sessions of one content; the names of the new ones come in the opposite order."""
    known = [KnownSession(number, ("opened", "clip", str(number))) for number in range(400)]
    ones, few = range(400), range(MOST_COMPARED // 400)

    assert list(pair_most_alike(ones, ones, known, known[::-1])) == [(number, number) for number in ones]
    assert dict(pair_most_alike(ones, few, known, known[::-1])) == {399 - number: number for number in few}
