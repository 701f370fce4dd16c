"""Metrics that count a row of pings by its last one are those of every event by itself."""

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.pinged_sessions import ACTS, CONTENTS, ORIGINS, Act, events_of
from support.played_sessions import played_events
from tapehead.metrics.assumptions import ASSUMPTIONS, parse_assumptions
from tapehead.metrics.calculator import MetricsCalculator, calculate
from tapehead.protocol.backend_limits import TIMEOUTS, Timeouts
from tapehead.protocol.events import Event

SETTINGS = st.just(()) | st.tuples(
    *(st.sampled_from([f"{row.key}={each}" for each in row.options]) for row in ASSUMPTIONS)
)
LIMITS = st.sampled_from([TIMEOUTS, TIMEOUTS, Timeouts(0.2, 0.3, 0.05)])


def by_each(events: list[Event], chosen: tuple[str, ...], limits: Timeouts) -> dict[str, Any]:
    with patch.object(MetricsCalculator, "_extend_row", lambda _session, _event: False):
        return calculate(events, parse_assumptions(chosen), limits)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CONTENTS), ORIGINS, ACTS, st.booleans(), SETTINGS, LIMITS)
def test_of_any_rows_the_metrics_are_the_same(
    content: dict[str, Any],
    origin: float,
    acts: list[Act],
    begins: bool,
    chosen: tuple[str, ...],
    limits: Timeouts,
) -> None:
    events = events_of(content, origin, acts, begins=begins)
    assert repr(calculate(events, parse_assumptions(chosen), limits)) == repr(by_each(events, chosen, limits))


@given(played_events(), SETTINGS, LIMITS)
def test_of_any_sessions_the_metrics_are_the_same(
    events: list[Event], chosen: tuple[str, ...], limits: Timeouts
) -> None:
    assert repr(calculate(events, parse_assumptions(chosen), limits)) == repr(by_each(events, chosen, limits))


def test_a_row_is_counted_once_and_as_of_now() -> None:
    events = events_of(CONTENTS[0], 0.0, [("pauseStart", {}, "", [((10.0, 0.0), {})] * 30)], begins=True)
    counted = MetricsCalculator()
    with patch.object(counted, "_count", wraps=counted._count) as count:
        for number, event in enumerate(events[:-1]):
            counted.add(event)
            if number == 10:
                assert counted.result() == by_each(events[:11], (), TIMEOUTS)
        assert counted.result()["content_time_spent"] == pytest.approx(300, abs=1)
    # The start, the play, and of two rows the first and the last ping.
    assert count.call_count == 6
