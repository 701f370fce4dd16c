"""Calls in flight together have no order of arrival."""

import pytest

from tapehead.protocol.events import Event, in_flight_together


def call(arrived_ms: float, answered_ms: float, *, in_array: bool = False) -> Event:
    return Event(arrived_ms=arrived_ms, answered_ms=answered_ms, in_array=in_array)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ((0, 10), (5, 15), True),
        ((0, 10), (2, 3), True),
        ((0, 10), (0, 10), True),
        ((0, 10), (10, 20), False),
        ((0, 10), (11, 20), False),
        ((0, 0), (0, 0), False),
    ],
)
def test_each_came_before_the_other_was_answered(
    one: tuple[float, float], other: tuple[float, float], together: bool
) -> None:
    assert in_flight_together(call(*one), call(*other)) is together
    assert in_flight_together(call(*other), call(*one)) is together


def test_events_of_an_array_have_its_order() -> None:
    assert not in_flight_together(call(0, 10, in_array=True), call(0, 10, in_array=True))
    assert in_flight_together(call(0, 10, in_array=True), call(0, 10))
