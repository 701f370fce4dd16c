"""Differences in words: one clause each, the values cut to a length that fits a line."""

from collections.abc import Iterable
from typing import Any

from tapehead.comparison.differences import Change
from tapehead.comparison.metric_comparison import MetricDifference
from tapehead.comparison.payload_comparison import KeyDifference
from tapehead.comparison.ping_cadence import Cadence, CadenceDifference, PingGap
from tapehead.metrics.catalog import Unit
from tapehead.protocol.events import Event
from tapehead.text import format_number, json_type, quote, shorten_value

_UNITS: dict[Unit, str] = {"seconds": " s", "kilobits per second": " kbit/s"}


def name_event(event: Event) -> str:
    """Return an event's type and the values that name its content, ad, chapter or state."""
    names = [shorten_value(name) for name in event.key.names if name not in (None, ())]
    return " ".join([event.type or "event", *names])


def playhead(event: Event | None) -> str:
    """Return an event's playhead in seconds; a dash, if there is none."""
    return "-" if event is None or event.playhead is None else format_number(event.playhead)


def measured(value: Any, unit: Unit) -> str:
    """Return a metric's value with its unit."""
    if value is None or value == []:
        return "none"
    if isinstance(value, int | float):
        return f"{format_number(value)}{_UNITS.get(unit, '')}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def describe_order(base: Event | None, new: Event | None) -> str:
    """Describe an event in another order; the arguments are the events before it."""
    before, after = (name_event(event) if event else "nothing" for event in (base, new))
    return f"in another order: was after {before}, is after {after}"


def status(answered: object) -> str:
    """Return the status of an answer."""
    return "no answer" if answered is None else str(answered)


def describe_key(key: KeyDifference) -> str:
    """Describe a key that was added, removed or changed."""
    base, new = quote(key.base), quote(key.new)
    match key.change:
        case Change.PARAMETER_ADDED:
            return f"added, {new}"
        case Change.PARAMETER_REMOVED:
            return f"removed, was {base}"
        case Change.PARAMETER_RETYPED:
            return f"{json_type(key.base)} -> {json_type(key.new)}: {base} -> {new}"
        case _:
            return f"{base} -> {new}"


def describe_effect(key: KeyDifference, metrics: Iterable[str]) -> str:
    """Describe a parameter that differs within the tolerance, or is ignored, and changes metrics."""
    return f"{describe_key(key)} ({'ignored' if key.is_note else 'within the tolerance'}), changes {', '.join(metrics)}"


def describe_metric(metric: MetricDifference) -> str:
    """Describe a metric that differs."""
    return f"{measured(metric.base, metric.unit)} -> {measured(metric.new, metric.unit)}"


def describe_cadences(found: CadenceDifference) -> str:
    """Describe a phase in which pings have another cadence."""

    def describe(cadence: Cadence) -> str:
        if cadence.interval is None:
            return f"none in {cadence.seconds:.0f} s"
        return f"every {format_number(round(cadence.interval, 2))} s ({cadence.pings} in {cadence.seconds:.0f} s)"

    return f"{describe(found.base)} -> {describe(found.new)}"


def describe_gap(gap: PingGap, after: Event, silent: str, other: str) -> str:
    """Describe a stretch without pings; `silent` and `other` are the names of the two sides."""
    lasts = "nothing more comes" if gap.seconds is None else f"nothing for {gap.seconds:.0f} s"
    place = f"after {name_event(after)} at {playhead(after)}"
    return f"{lasts} {place} in {silent}; {other} has {gap.pings} pings there"


def describe_statuses(base: Iterable[int | None], new: Iterable[int | None]) -> str:
    """Describe pings that are answered with other statuses."""
    before, after = (", ".join(sorted(map(status, statuses))) for statuses in (base, new))
    return f"pings answered {before} -> {after}"
