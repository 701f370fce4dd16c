"""Metrics that are calculated when sessions are compared: those of equal sessions never are."""

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from tapehead.auditor.results import SessionResult
from tapehead.metrics.calculator import calculate
from tapehead.protocol.backend_limits import TIMEOUTS, Timeouts
from tapehead.protocol.events import Event


class LateMetrics(dict[str, Any]):
    """The events to calculate metrics from, in place of the metrics; the `measure` of an audit to be compared.

    Args:
        events: the session's events in the order in which the back end takes them.
        timeouts: when the back end closes the session.
    """

    def __init__(self, events: Iterable[Event], *, timeouts: Timeouts) -> None:
        super().__init__()
        self.events = list(events)
        self.timeouts = timeouts


def settle_metrics(result: SessionResult) -> tuple[SessionResult, bool]:
    """Return a result with its metrics, or without them and True if they can be calculated from its steps later.

    They can if the steps hold the events as they were sent, all with a ts, so that the day plays no part.
    """
    late = result.metrics
    if not isinstance(late, LateMetrics):
        return result, False
    pairs = zip(late.events, result.steps, strict=True)
    if late.timeouts == TIMEOUTS and all(sent is step.event and sent.ts is not None for sent, step in pairs):
        return structs.replace(result, metrics={}), True
    return structs.replace(result, metrics=calculate(late.events, timeouts=late.timeouts)), False


def with_metrics(result: SessionResult) -> SessionResult:
    """Return a result with the metrics that `settle_metrics` left out."""
    return structs.replace(result, metrics=calculate(step.event for step in result.steps))
