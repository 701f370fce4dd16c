"""A session as its rules see it: its events in both orders, its steps through the machine, its thresholds."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import TEN_YEARS_MS, Event, is_live
from tapehead.protocol.exchange import Severity
from tapehead.protocol.routes import Call
from tapehead.protocol.session_machine import Step, close
from tapehead.rules.support.event_order import repeats, sort_events, steps_of
from tapehead.rules.support.thresholds import Thresholds


class RuleHit(NamedTuple):
    """A place where a rule of the session failed.

    Attributes:
        rule: its id.
        event: the event at that place.
        message: what is wrong, without the place.
        path: the place in the event's body.
        severity: the grade, where it is not the rule's own.
    """

    rule: str
    event: Event
    message: str
    path: str = ""
    severity: Severity | None = None


class SessionView:
    """A session, ready for its rules.

    Args:
        arrived: its events in the order in which they came, indexed from 0; at least one.
        thresholds: the limits in use.

    Attributes:
        arrived: the same, with timestamps of another unit put into milliseconds: that slip has a finding of its own.
        repeats: the events that are retries, each with its original; nothing else knows of them.
        steps: the others on their way through the machine, in the order in which the back end takes them.
    """

    def __init__(self, arrived: Sequence[Event], thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.arrived = [in_milliseconds(event) for event in arrived]
        self.repeats = list(repeats(self.arrived))
        retries = {event.index for event, _ in self.repeats}
        self.once = [event for event in self.arrived if event.index not in retries]
        self.steps: list[Step] = steps_of(sort_events(self.once))

    @cached_property
    def start(self) -> Event | None:
        """The event that opened the session, whatever its type; None if that was not recorded."""
        first = self.arrived[0]
        return first if first.call in (Call.SESSION, Call.DOWNLOADED) else None

    @property
    def downloaded(self) -> bool:
        """Whether the session came in one array, after the fact."""
        return self.arrived[0].in_array

    @property
    def opened(self) -> bool:
        """Whether there was a session to send events to, as far as the recording tells."""
        return self.downloaded or self.arrived[0].sid is not None

    @property
    def resumed(self) -> bool:
        """Whether the session goes on with another one, and may repeat what was open there."""
        return self.start is not None and self.start.params.get("media.resume") is True

    @cached_property
    def length(self) -> float | None:
        """The content's length in seconds, if it is known and above 0."""
        length = self.start.number("media.length") if self.start else None
        return length if length and length > 0 else None

    @cached_property
    def live(self) -> bool:
        """Whether the content is live, so that playheads are seconds of the day."""
        return is_live(self.start)

    @cached_property
    def end(self) -> Step:
        """What silence does to the session after its last event, as a step of that event."""
        last = self.steps[-1]
        after, violations = close(last.after)
        return Step(last.event, last.after, after, violations)


def in_milliseconds(event: Event) -> Event:
    """`event` with its ts in milliseconds, where it is plain that it counts in another unit."""
    if event.ts is None or abs(event.ts - event.arrived_ms) <= TEN_YEARS_MS:
        return event
    for factor in (1000, 1 / 1000, 1 / 1_000_000):
        if abs(event.ts * factor - event.arrived_ms) <= TEN_YEARS_MS:
            return msgspec.structs.replace(event, ts=int(event.ts * factor))
    return event


def name_of(event: Event) -> str:
    """What messages call an event."""
    return event.type if event.type in EVENT_TYPES else "event"
