"""One mistake, one finding: what another rule explains is left out, on a live stream as in the whole recording."""

from itertools import permutations
from typing import Any

import pytest

from support.sessions import BEGIN_MS, Timeline
from tapehead.auditor.session_audit import SessionAudit
from tapehead.protocol.events import Event
from tapehead.rules.catalog import EXPLANATIONS
from tapehead.rules.pings import PING_GAP
from tapehead.rules.playhead import PLAYHEAD_RANGE
from tapehead.rules.playhead_motion import PLAYHEAD_DRIFT, PLAYHEAD_JUMP
from tapehead.rules.support.explanations import HOLD_STEPS, Explanation, UnexplainedHits
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.units import PLAYHEAD_UNIT

CAUSE, RESULT, OTHER = (rule.hit(Event(), "it happened") for rule in (PLAYHEAD_UNIT, PLAYHEAD_JUMP, PING_GAP))
CHANNEL: dict[str, Any] = {"contentType": "live", "length": 86400}


@pytest.mark.parametrize("order", list(permutations((CAUSE, RESULT, OTHER))))
def test_the_cause_stands_alone_in_any_order(order: tuple[RuleHit, ...]) -> None:
    hits = UnexplainedHits({PLAYHEAD_UNIT: Explanation((PLAYHEAD_JUMP,))})
    for steps, hit in enumerate(order):
        hits.add(hit, steps)
        hits.release(steps)
    hits.close()
    assert sorted(hit.rule.id for hit in hits.hits) == ["ping-gap", "playhead-unit"]


def test_a_hit_waits_for_its_cause_and_others_do_not() -> None:
    hits = UnexplainedHits({PLAYHEAD_UNIT: Explanation((PLAYHEAD_JUMP, PLAYHEAD_DRIFT))})
    hits.add(RESULT, 5)
    hits.add(OTHER, 5)
    hits.release(5 + HOLD_STEPS - 1)
    assert hits.hits == [OTHER]
    hits.release(5 + HOLD_STEPS)
    assert hits.hits == [OTHER, RESULT]


def test_a_hit_that_waits_stands_at_the_end() -> None:
    hits = UnexplainedHits({PLAYHEAD_UNIT: Explanation((PLAYHEAD_JUMP,))})
    hits.add(RESULT, 5)
    hits.close()
    hits.close()
    assert hits.hits == [RESULT]


def test_no_rule_explains_itself_or_one_that_explains_it() -> None:
    for cause, explained in EXPLANATIONS.items():
        assert cause not in explained.rules
        assert not [rule for rule in explained.rules if rule in EXPLANATIONS and cause in EXPLANATIONS[rule].rules]


@pytest.mark.parametrize(
    ("lasts", "events", "left"),
    [
        # Each is near the one before it; then comes one that is not.
        (False, (12, 24, 36), []),
        (False, (13,), [13]),
        (False, (12, 25, 26), [25, 26]),
        (True, (1000,), []),
    ],
)
def test_a_cause_explains_what_is_near(lasts: bool, events: tuple[int, ...], left: list[int]) -> None:
    hits = UnexplainedHits({PLAYHEAD_UNIT: Explanation((PLAYHEAD_JUMP,), lasts=lasts)})
    hits.add(CAUSE, 0)
    for index in events:
        hits.add(PLAYHEAD_JUMP.hit(Event(index=index), "it happened"), index)
    hits.close()
    assert [hit.event.index for hit in hits.hits if hit.rule is PLAYHEAD_JUMP] == left


def test_a_cause_explains_nothing_that_lies_far_before_it() -> None:
    hits = UnexplainedHits({PLAYHEAD_UNIT: Explanation((PLAYHEAD_JUMP,), lasts=True)})
    for index in (87, 88):
        hits.add(PLAYHEAD_JUMP.hit(Event(index=index), "it happened"), 98)
    hits.add(PLAYHEAD_UNIT.hit(Event(index=100), "it happened"), 100)
    hits.close()
    assert [(hit.rule, hit.event.index) for hit in hits.hits] == [(PLAYHEAD_UNIT, 100), (PLAYHEAD_JUMP, 87)]


def milliseconds() -> Timeline:
    played = Timeline().start(length=600).at(0, "play", playhead=0)
    for second in range(10, 200, 10):
        played.at(second, "ping", playhead=second * 1000)
    return played.at(200, "sessionEnd", playhead=200_000)


def epoch() -> Timeline:
    played = Timeline().start(**CHANNEL).at(0, "play", playhead=BEGIN_MS // 1000)
    for second in range(10, 200, 10):
        played.at(second, "ping", playhead=BEGIN_MS // 1000 + second)
    return played.at(200, "sessionEnd", playhead=BEGIN_MS // 1000 + 200)


def two_tabs() -> Timeline:
    played = Timeline().start().at(0, "play")
    for second in range(10, 130, 10):
        played.at(second, "ping", playhead=second).at(second + 0.05, "ping", playhead=300 + second)
    return played.at(130, "sessionEnd", playhead=130)


@pytest.mark.parametrize(
    ("session", "rule"),
    [(milliseconds(), "playhead-unit"), (epoch(), "playhead-unit"), (two_tabs(), "two-players")],
    ids=["milliseconds", "epoch", "two tabs"],
)
def test_a_live_stream_names_the_cause_alone(session: Timeline, rule: str) -> None:
    audit = SessionAudit(measure=None)
    returned = [found.rule for exchange in session.exchanges for found in audit.add(exchange)]
    result = audit.close()
    assert returned + [found.rule for found in audit.remaining] == [rule]
    assert [found.rule for found in result.findings] == [rule]


def test_a_playhead_that_is_out_of_range_in_seconds_is_named_after_a_while() -> None:
    played = Timeline().start(length=60).at(1, "play", playhead=55)
    for second in range(11, 180, 10):
        played.at(second, "ping", playhead=54 + second)
    audit = SessionAudit(measure=None)
    returned = [(found.rule, number) for number, each in enumerate(played.exchanges) for found in audit.add(each)]
    # The third event is out of range; an event is settled when the next one is there.
    assert returned == [(PLAYHEAD_RANGE.id, 3 + HOLD_STEPS)]


def test_a_later_mistake_of_another_cause_is_named() -> None:
    """A live playhead that counts from the session's start, and half an hour later one below 0."""
    played = Timeline().start(**CHANNEL).at(0, "play", playhead=0).pings(10, 1800).at(1810, "ping", playhead=-5)
    assert played.at(1811, "sessionEnd", playhead=1811).rules() == ["live-playhead", "playhead-range", "playhead-jump"]


def test_a_jump_long_after_two_players_is_named() -> None:
    played = two_tabs()
    played.exchanges.pop()
    played.at(130, "ping", playhead=130).pings(140, 400).at(410, "ping", playhead=2000)
    assert played.at(420, "sessionEnd", playhead=2010).rules() == ["two-players", "playhead-jump"]
