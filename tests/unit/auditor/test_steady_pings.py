"""Checks that are sent the first and the last ping of a steady row find what they would find if they were sent all."""

from collections.abc import Generator
from itertools import product
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.pinged_sessions import ACTS, CONTENTS, NOTHING, ORIGINS, PACES, Act, events_of
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.rules.catalog import SESSION_CHECKS
from tapehead.rules.pings import PING_GAP
from tapehead.rules.session_checks import SessionChecks, plan_of
from tapehead.rules.support.session_check import Report, RowPings, SessionCheck, step_check
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.steady_pings import SteadyPings
from tapehead.rules.support.thresholds import Thresholds

LIMITS = [
    Thresholds(),
    Thresholds(),
    Thresholds(ping_gap_seconds=5, main_ping_seconds=1, ping_flood_seconds=0.1),
    Thresholds(ping_gap_seconds=60, jump_seconds=100, fast_rate=9, slow_rate=0.1, frozen_seconds=1),
    Thresholds(playhead_slack_seconds=-5, stalled_minutes=0.1, session_hours=0.02),
    Thresholds(idle_minutes=0.17, jump_seconds=-3),
    Thresholds(session_hours=0.02),
    Thresholds(stalled_minutes=0.1),
    Thresholds(idle_minutes=0.17),
]


def told(events: list[Event], limits: Thresholds, *, live: bool) -> list[object]:
    """All that the checks say: at the end, and if `live` after each event, too."""
    checks, said = SessionChecks(events[0], limits), list[object]()
    for event in events:
        checks.add(event)
        if live:
            checks.settle(event.arrived_ms)
            said.append((list(checks.hits), checks.held, checks.pending(), checks.view.intervals.rest_ms))
    checks.close()
    return [*said, checks.hits, checks.view.steps]


def never(_row: SteadyPings, _step: Step) -> bool:
    return False


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CONTENTS), ORIGINS, ACTS, st.sampled_from(LIMITS), st.tuples(st.booleans(), st.booleans()))
def test_of_any_rows_the_hits_are_the_same(
    content: dict[str, Any], origin: float, acts: list[Act], limits: Thresholds, flags: tuple[bool, bool]
) -> None:
    begins, live = flags
    events = events_of(content, origin, acts, begins=begins)
    found = told(events, limits, live=live)
    with patch.object(SteadyPings, "add", never):
        assert found == told(events, limits, live=live)


@pytest.mark.parametrize("limits", LIMITS[1:])
def test_of_a_row_with_other_pings_in_it_the_hits_are_the_same(limits: Thresholds) -> None:
    """One ping, or a dozen, come sooner or later than the rest, or with a playhead that is ahead or behind."""
    steady, wrong = ((10.0, 0.0), NOTHING), []
    paces = [*dict.fromkeys(PACES), (10.0, 0.4), (10.0, -1.5), (10.0, -9.5), (20.0, 0.0), (1.5, 0.0)]
    for content, origin, pace, count, before in product(CONTENTS[1:4], (0.0, 86_330.0), paces, (1, 12), (1, 5)):
        row = [*[steady] * before, *[(pace, NOTHING)] * count, *[steady] * 4]
        events = events_of(content, origin, [("pauseStart", {}, "", row)], begins=True)
        found = told(events, limits, live=False)
        with patch.object(SteadyPings, "add", never):
            if found != told(events, limits, live=False):
                wrong.append((content, origin, pace, count, before))
    assert wrong == []


STEADY: list[Act] = [("pauseStart", {}, "", [((10.0, 0.0), {})] * 30)]


def sent_to(check: SessionCheck) -> int:
    """How many steps a check is sent of a session with 30 pings, next to those of the catalogue."""
    events = events_of(CONTENTS[0], 0.0, STEADY, begins=True)
    checks = SessionChecks(events[0], Thresholds(), [*SESSION_CHECKS, check])
    with patch.object(checks, "_send", wraps=checks._send) as send:
        for event in events:
            checks.add(event)
        checks.close()
    place = len(SESSION_CHECKS)
    return sum(isinstance(call.args[1], Step) and place in call.args[0] for call in send.call_args_list)


def run(_session: SessionView, _report: Report) -> Generator[None, Step | None, None]:
    while (yield):
        pass


def test_a_check_is_sent_all_pings_unless_it_says_that_it_need_not_be() -> None:
    assert plan_of(tuple(SESSION_CHECKS)).allows_rows
    every = step_check(PING_GAP)(run)
    assert sent_to(every) == 33
    assert sent_to(msgspec.structs.replace(every, row_pings=RowPings.LAST)) == 5
    assert sent_to(msgspec.structs.replace(every, row_pings=RowPings.NONE)) == 4
