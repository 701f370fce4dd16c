"""Differences in words: one clause each, the values cut to a length that fits a line."""

from collections.abc import Iterable
from typing import Any

from tapehead.diff.differences import Change
from tapehead.diff.metric_comparison import MetricDifference
from tapehead.diff.payload_comparison import KeyDifference
from tapehead.diff.ping_cadence import Cadence, CadenceDifference, PingGap
from tapehead.metrics.catalog import Unit
from tapehead.protocol.events import Event
from tapehead.text import format_number, json_type, quote, shorten_value

_UNITS: dict[Unit, str] = {"seconds": " s", "kilobits per second": " kbit/s"}


def name_event(event: Event) -> str:
    """What an event is called: its type, and what names the thing it is about."""
    names = [shorten_value(name) for name in event.key.names if name not in (None, ())]
    return " ".join([event.type or "event", *names])


def playhead(event: Event | None) -> str:
    """An event's playhead in seconds; a dash, if there is none."""
    return "-" if event is None or event.playhead is None else format_number(event.playhead)


def measured(held: Any, unit: Unit) -> str:
    """A metric's value with its unit."""
    if held is None or held == []:
        return "none"
    if isinstance(held, int | float):
        return f"{format_number(held)}{_UNITS.get(unit, '')}"
    return ", ".join(map(str, held)) if isinstance(held, list) else str(held)


def phrase_move(base: Event, new: Event) -> str:
    """That an event stands at another playhead."""
    return f"playhead {playhead(base)} -> {playhead(new)}"


def phrase_order(base: Event | None, new: Event | None) -> str:
    """That an event comes in another order; the arguments are the events before it."""
    before, after = (name_event(event) if event else "nothing" for event in (base, new))
    return f"in another order: was after {before}, is after {after}"


def phrase_status(base: int | None, new: int | None) -> str:
    """That the answer to an event is another."""
    return f"answered {status(base)} -> {status(new)}"


def status(answered: int | None) -> str:
    """An answer's status."""
    return "by nobody" if answered is None else str(answered)


def phrase_delta(delta: KeyDifference) -> str:
    """What became of a key."""
    match delta.change:
        case Change.PARAMETER_ADDED:
            return f"added, {quote(delta.new)}"
        case Change.PARAMETER_REMOVED:
            return f"removed, was {quote(delta.base)}"
        case Change.PARAMETER_RETYPED:
            types = f"{json_type(delta.base)} -> {json_type(delta.new)}"
            return f"{types}: {quote(delta.base)} -> {quote(delta.new)}"
        case _:
            return f"{quote(delta.base)} -> {quote(delta.new)}"


def phrase_drift(drift: MetricDifference) -> str:
    """How a metric differs."""
    return f"{measured(drift.base, drift.unit)} -> {measured(drift.new, drift.unit)}"


def phrase_rhythm(found: CadenceDifference) -> str:
    """How the rhythm of pings differs."""
    return f"{_rhythm(found.base)} -> {_rhythm(found.new)}"


def _rhythm(rhythm: Cadence) -> str:
    if rhythm.interval is None:
        return f"none in {rhythm.seconds:.0f} s"
    return f"every {rhythm.interval:.3g} s ({rhythm.pings} in {rhythm.seconds:.0f} s)"


def phrase_silence(silence: PingGap, after: Event, silent: str, other: str) -> str:
    """That there are no pings in a stretch; `silent` and `other` are what the two sides are called."""
    lasts = "nothing more comes" if silence.seconds is None else f"nothing for {silence.seconds:.0f} s"
    place = f"after {name_event(after)} at {playhead(after)}"
    return f"{lasts} {place} in {silent}; {other} has {silence.pings} pings there"


def phrase_statuses(base: Iterable[int | None], new: Iterable[int | None]) -> str:
    """That pings are answered by other statuses."""
    before, after = (", ".join(sorted(map(status, statuses))) for statuses in (base, new))
    return f"pings answered {before} -> {after}"
