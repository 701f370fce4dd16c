"""The checks of one session as a whole, fed event by event."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from typing import Any

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step, close
from tapehead.rules import catalog
from tapehead.rules.support.event_order import EventOrder, Retries
from tapehead.rules.support.explanations import UnexplainedHits
from tapehead.rules.support.interpretation import Interpreter, in_milliseconds
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_check import Feed, Retry, SessionCheck
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.thresholds import Thresholds

Send = Callable[[Any], None]
# Event types whose checks are remembered; a player may send any number of types that are not documented.
MOST_TYPES = 100


class CheckPlan:
    """Checks with the places, in that order, of those that are sent a thing.

    Attributes:
        checks: the checks.
        feeds: for each feed, the places of its checks.
    """

    def __init__(self, checks: Iterable[SessionCheck]) -> None:
        self.checks = tuple(checks)
        self.feeds = {
            feed: tuple(place for place, check in enumerate(self.checks) if check.feed is feed) for feed in Feed
        }
        self._steps: dict[tuple[str | None, bool], tuple[int, ...]] = {}

    def for_step(self, step: Step) -> tuple[int, ...]:
        """Return the places of the checks that are sent a step."""
        violates = bool(step.violations)
        places = self._steps.get((step.event.type, violates))
        if places is None:
            event_type = step.event.type if step.event.type in EVENT_TYPES else None
            places = tuple(
                place
                for place in self.feeds[Feed.STEPS]
                if not (types := self.checks[place].types)
                or event_type in types
                or (violates and self.checks[place].violations)
            )
            if event_type or len(self._steps) < MOST_TYPES:
                self._steps[step.event.type, violates] = places
        return places


plan_of = lru_cache(maxsize=16)(CheckPlan)


class SessionChecks:
    """The running checks of one session, which are sent its events as soon as their place is settled.

    Args:
        first: the event that opened the session, or else the first to arrive; it is still to be added.
        thresholds: the limits in use.
        checks: the checks to run; those of the catalogue, if None.

    Attributes:
        view: the session as the checks see it: `arrived` with ts in milliseconds, `steps` as events were meant.
        first_ts: the first ts that arrived; None as long as there was none.
    """

    def __init__(self, first: Event, thresholds: Thresholds, checks: Iterable[SessionCheck] | None = None) -> None:
        self.view = SessionView(in_milliseconds(first), thresholds)
        self.first_ts: int | None = None
        self._unexplained = UnexplainedHits(catalog.EXPLANATIONS)
        self._interpreter = Interpreter(thresholds.clock_skew_seconds * 1000)
        self._retries = Retries()
        self._order = EventOrder()
        self._plan = plan_of(tuple(catalog.SESSION_CHECKS if checks is None else checks))
        self._sends: list[Send | None] = []
        for check in self._plan.checks:
            running = check.run(self.view, self._report)
            self._sends.append(running.send if running else None)
        self._send(range(len(self._sends)), None)

    def add(self, event: Event) -> None:
        """Take the next event in the order of arrival, indexed from 0."""
        arrived = in_milliseconds(event)
        if self.first_ts is None:
            self.first_ts = arrived.ts
        self.view.arrived.append(arrived)
        self._send(self._plan.feeds[Feed.ARRIVALS], arrived)
        event = self._interpreter.interpret(event)
        if original := self._retries.find_original(event):
            self._send(self._plan.feeds[Feed.RETRIES], Retry(event, original))
            self._order.add_retry(event, original)
        else:
            self._send(self._plan.feeds[Feed.EVENTS], event)
            self._order.add(self._interpreter.place(event))

    def settle(self, frontier_ms: float) -> None:
        """Check what is settled now that no event arrives any more before `frontier_ms`, milliseconds since 1970."""
        self._order.settle(frontier_ms)
        for taken in self._order.steps():
            # What is wrong with an event whose type is a guess, the finding about its type has said.
            step = taken._replace(violations=()) if taken.event.index in self._interpreter.guessed else taken
            self.view.steps.append(step)
            self.view.intervals.add(step)
            self.view.motion.add(step, self.view.intervals.gap_ms)
            self._send(self._plan.for_step(step), step)
            self._unexplained.release(len(self.view.steps))

    def close(self) -> None:
        """Check the rest; the session gets no more events."""
        self.settle(inf)
        last = self.view.steps[-1]
        if self.view.opened:
            self.view.end = Step(last.event, last.after, *close(last.after))
        self._send(range(len(self._sends)), None)
        self._unexplained.close()
        self.view.pending.clear()

    @property
    def hits(self) -> list[RuleHit]:
        """The places where rules failed, in the order in which that was proven; the reader may clear it."""
        return self._unexplained.hits

    @property
    def is_out_of_order(self) -> bool:
        """True if an event was added that belongs before one that is checked already."""
        return self._order.is_wrong

    @property
    def held(self) -> list[RuleHit]:
        """The hits that another rule may still explain."""
        return self._unexplained.held

    def pending(self) -> list[RuleHit]:
        """Return the hits that hold as it stands, and that what follows still changes."""
        return [hit for read in self.view.pending for hit in read() if self._unexplained.stands(hit)]

    def _report(self, hit: RuleHit) -> None:
        self._unexplained.add(hit, len(self.view.steps))

    def _send(self, places: Iterable[int], item: Event | Retry | Step | None) -> None:
        """Send something to the checks at these places that have more to say."""
        sends = self._sends
        for place in places:
            if send := sends[place]:
                try:
                    send(item)
                except StopIteration:
                    sends[place] = None
