"""A session as its checks see it: facts of its first event, the intervals up to the step in hand, its thresholds."""

from collections.abc import Callable, Iterable

from tapehead.protocol import keys
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event, is_live
from tapehead.protocol.routes import Call
from tapehead.protocol.session_machine import Step
from tapehead.rules.support.intervals import Intervals
from tapehead.rules.support.motion import Minute, Motion
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.thresholds import Thresholds


class SessionView:
    """A session, ready for its checks.

    Args:
        first: the event that arrived first, or the one that opened the session.
        thresholds: the limits in use.

    Attributes:
        start: the event that opened the session, whatever its type; None if that was not recorded.
        downloaded: whether the session came in one array, after the fact.
        opened: whether there was a session to send events to, as far as the recording tells.
        resumed: whether the session goes on with another one, and may repeat what was open there; true, too, if that is
            not known.
        live: whether the content is live, so that playheads are seconds of the day.
        length: the content's length in seconds, if it is known and above 0.
        arrived: the events so far, in the order of arrival.
        steps: the steps so far through the session machine, in the order in which the back end takes events; without
            retries.
        intervals: the times up to the last step.
        motion: the motion of the playhead up to the last step.
        minute: the minute of play in hand.
        pending: functions that return hits as they are now: those that hold already, and are reported only when it is
            clear what belongs to them.
        end: once the session closed, what silence does to it after its last event; None if it never opened.
    """

    def __init__(self, first: Event, thresholds: Thresholds) -> None:
        self.first = first
        self.thresholds = thresholds
        self.start = first if first.call in (Call.SESSION, Call.DOWNLOADED) else None
        self.downloaded = first.in_array
        self.opened = first.in_array or first.sid is not None
        resumes = self.start is not None and self.start.params.get(keys.MEDIA_RESUME) is True
        self.resumed = resumes or (self.start is not None and not self.start.saved)
        self.live = is_live(self.start)
        length = self.start.number(keys.MEDIA_LENGTH) if self.start else None
        self.length = length if length and length > 0 else None
        self.arrived: list[Event] = []
        self.steps: list[Step] = []
        self.intervals = Intervals(thresholds)
        self.motion = Motion(may_be_live=self.live or self.start is None or not self.start.saved)
        self.minute = Minute(thresholds)
        self.pending: list[Callable[[], Iterable[RuleHit]]] = []
        self.end: Step | None = None


def name_of(event: Event) -> str:
    """Return the name of an event in messages: its type, if that is a documented one."""
    return event.type if event.type in EVENT_TYPES else "event"
