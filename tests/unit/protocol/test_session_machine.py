"""The session machine: its tables, and what is drawn from them."""

from collections.abc import Iterator

import pytest

from docs.session_diagram import render_markdown, render_mermaid
from support.sessions import Timeline, body_of
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, arrival_of, events_of
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.session_machine import MOST_STATES, UNOPENED, UNSURE, State, Step, close
from tapehead.protocol.transitions import (
    ACTIVE_MACHINES,
    ANY,
    TABLE,
    TIMEOUT,
    Life,
    Playback,
    Transition,
    ViolationKind,
    find_transition,
)
from tapehead.rules.catalog import RULES, VIOLATION_RULES

RULE_IDS = {kind: rule.id for kind, rule in VIOLATION_RULES.items()}


def events(timeline: Timeline) -> list[Event]:
    return [event for exchange in timeline.exchanges for event in events_of(exchange, arrival_of(exchange) or 0)]


def steps(timeline: Timeline) -> tuple[Step, ...]:
    """Return the steps of a session as the audit makes them."""
    (result,) = timeline.audit()
    return result.steps


def after(*event_types: str) -> State:
    return steps(Timeline().row(*event_types))[-1].after


def test_a_session_begins_unopened_with_its_start_and_unsure_without() -> None:
    assert steps(Timeline().row("play"))[0].before == UNOPENED
    assert steps(Timeline().at(1, "play"))[0].before == UNSURE
    assert [step.event.type for step in steps(Timeline().row("play", "ping"))] == ["sessionStart", "play", "ping"]
    assert [step.after.life for step in steps(Timeline().row("play", "sessionEnd"))] == [Life.OPEN] * 2 + [Life.ENDED]


def moves() -> Iterator[tuple[str, str, Transition]]:
    for machine, states in TABLE.items():
        for row in states.values():
            yield from ((machine, event, move) for event, move in row.items())


def test_the_table_speaks_of_real_events_states_and_rules() -> None:
    for machine, event, move in moves():
        assert event in (*EVENT_TYPES, ANY, TIMEOUT)
        assert move.to in TABLE[machine]
        assert not move.violation or RULE_IDS[move.violation] in RULES


def test_every_state_has_a_row() -> None:
    for states in TABLE.values():
        assert set(states) == set(type(next(iter(states))))


def test_every_state_of_life_has_active_machines() -> None:
    assert set(ACTIVE_MACHINES) == set(Life)
    assert all(machines <= set(TABLE) for machines in ACTIVE_MACHINES.values())


def test_an_event_without_an_entry_moves_nothing() -> None:
    assert find_transition("ad", State().ad, "ping") == Transition(State().ad)


@pytest.mark.parametrize(
    ("event_types", "playback"),
    [
        ((), Playback.STARTING),
        (("adBreakStart", "adStart"), Playback.STARTING),
        (("play",), Playback.PLAYING),
        (("play", "bufferStart"), Playback.BUFFERING),
        (("play", "bufferStart", "play"), Playback.PLAYING),
        (("play", "pauseStart", "ping"), Playback.PAUSED),
    ],
)
def test_playback(event_types: tuple[str, ...], playback: Playback) -> None:
    assert after(*event_types).playback is playback


def test_session_complete_does_not_close_and_session_end_does() -> None:
    assert after("sessionComplete", "play").playback is Playback.PLAYING
    assert after("sessionEnd", "play").playback is Playback.STARTING


def test_silence_closes_what_is_open() -> None:
    state, violations = close(after("adBreakStart", "adStart", "chapterStart"))
    assert state.life is Life.ENDED
    assert {violation.kind for violation in violations} == {
        ViolationKind.SESSION_NOT_CLOSED,
        ViolationKind.AD_BREAK_LEFT_OPEN,
        ViolationKind.AD_LEFT_OPEN,
        ViolationKind.CHAPTER_LEFT_OPEN,
    }


def test_states_update_takes_the_order_that_makes_sense() -> None:
    mute = [{"media.state.name": "mute"}]
    both = {"statesStart": mute, "statesEnd": mute}
    timeline = Timeline().start().at(1, "statesUpdate", both).at(2, "stateStart").at(3, "statesUpdate", both)
    taken = steps(timeline)
    assert [step.violations for step in taken] == [()] * 4
    assert [sorted(step.after.states) for step in taken] == [[], [], ["mute"], ["mute"]]


def test_the_drawings_have_every_state_and_rule() -> None:
    text = render_markdown(RULE_IDS)
    for machine, states in TABLE.items():
        drawn = render_mermaid(machine, RULE_IDS)
        assert drawn.startswith("stateDiagram-v2\n    [*] --> ")
        assert all(state in drawn for state in states)
    assert all(f"`{RULE_IDS[move.violation]}`" in text for _, _, move in moves() if move.violation)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"eventType": 3, "playerTime": [], "params": "x", "qoeData": 1, "customMetadata": null}',
        b'{"eventType": "play", "playerTime": {"playhead": true, "ts": "1"}}',
        b'{"playerTime": {"playhead": 1e300, "ts": 1e300}}',
    ],
)
def test_any_body_makes_an_event(body: bytes) -> None:
    (event,) = events(Timeline().raw(body))
    assert event.params == event.quality == event.metadata == {}
    assert event.playhead in (None, 1e300)


def test_an_odd_time_of_arrival_is_none() -> None:
    exchange: Exchange = Timeline().start().exchanges[0]
    odd = Exchange(**{name: getattr(exchange, name) for name in Exchange.__struct_fields__} | {"started": "soon"})
    assert arrival_of(odd) is None


def test_a_session_follows_no_more_states_than_can_be_carried() -> None:
    timeline = Timeline()
    for number in range(MOST_STATES + 9):
        timeline.raw(body_of("stateStart", 0, number, {"media.state.name": f"s{number}"}))
    *_, last = steps(timeline)

    assert len(last.after.known_states) == len(last.after.states) == MOST_STATES
    assert last.after.states is last.before.states
    assert last.violations == ()
