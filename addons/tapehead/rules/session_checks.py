"""The checks of one session as a whole, fed event by event."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from typing import Any

import msgspec

from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import Event
from tapehead.protocol.routes import SESSION_GONE
from tapehead.protocol.session_machine import Step, close
from tapehead.rules import catalog
from tapehead.rules.support.event_order import EventOrder, Retries
from tapehead.rules.support.explanations import UnexplainedHits
from tapehead.rules.support.interpretation import Interpreter, in_milliseconds
from tapehead.rules.support.rule import RuleHit
from tapehead.rules.support.session_check import Feed, Retry, RowPings, SessionCheck
from tapehead.rules.support.session_view import SessionView
from tapehead.rules.support.steady_pings import SteadyPings
from tapehead.rules.support.thresholds import Thresholds

Send = Callable[[Any], None]
# Kinds of steps whose checks are remembered; a player may send any number of types that are not documented.
MOST_KEYS = 200
# An event's type, whether it violates, whether it has values, and whether it is a ping that changes nothing.
_StepKey = tuple[str | None, bool, bool, bool]


class CheckPlan:
    """Checks with the places, in that order, of those that are sent a thing.

    Attributes:
        checks: the checks.
        feeds: for each feed, the places of its checks.
        arrivals, events, retries: those of three feeds.
        arrivals_before_gone: those that are sent arrivals before an event was answered that the session is unknown.
        allows_rows: whether no check needs all pings of a steady row.
        row_end, row_values: of a steady row, the places of the checks that are sent its end, and of those that are
            sent each ping that has values.
    """

    def __init__(self, checks: Iterable[SessionCheck]) -> None:
        self.checks = tuple(checks)
        self.feeds = {
            feed: tuple(place for place, check in enumerate(self.checks) if check.feed is feed) for feed in Feed
        }
        self.events, self.retries, self.arrivals = (
            self.feeds[feed] for feed in (Feed.EVENTS, Feed.RETRIES, Feed.ARRIVALS)
        )
        self.arrivals_before_gone = tuple(place for place in self.arrivals if not self.checks[place].once_gone)
        self._steps: dict[_StepKey, tuple[int, ...]] = {}
        sent = [self.checks[place] for place in self._places_for("ping", False, False, True)]
        # A check that needs all pings needs all that the session knows of them.
        self.allows_rows = all(check.row_pings is not RowPings.ALL for check in sent)
        self.row_end = tuple(
            place
            for place in self._places_for("ping", False, True, True)
            if self.checks[place].row_pings is RowPings.LAST
        )
        self.row_values = tuple(
            place for place in self._places_for("ping", False, True, True) if self.checks[place].values
        )

    def for_step(self, step: Step, *, played: bool) -> tuple[int, ...]:
        """Return the places of the checks that are sent a step, up to which main content played or did not."""
        event = step.event
        key = (
            event.type,
            bool(step.violations),
            bool(event.quality or event.params),
            played and event.type == "ping" and step.after is step.before,
        )
        places = self._steps.get(key)
        if places is None:
            places = self._places_for(*key)
            if event.type in EVENT_TYPES or len(self._steps) < MOST_KEYS:
                self._steps[key] = places
        return places

    def _places_for(
        self,
        event_type: str | None,
        violates: bool,
        has_values: bool,
        is_quiet_ping: bool,
    ) -> tuple[int, ...]:
        def is_sent(check: SessionCheck) -> bool:
            if is_quiet_ping and check.skips_pings and not violates:
                return False
            return (
                not (check.types or check.values)
                or event_type in check.types
                or (violates and check.violations)
                or (has_values and check.values)
            )

        return tuple(place for place in self.feeds[Feed.STEPS] if is_sent(self.checks[place]))


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
        self._is_gone = False
        self._unexplained = UnexplainedHits(catalog.EXPLANATIONS)
        self._interpreter = Interpreter(thresholds.clock_skew_seconds * 1000)
        self._retries = Retries()
        self._order = EventOrder()
        self._plan = plan_of(tuple(catalog.SESSION_CHECKS if checks is None else checks))
        self._steady = SteadyPings(self.view) if self._plan.allows_rows else None
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
        self._is_gone = self._is_gone or event.status in SESSION_GONE
        self._send(self._plan.arrivals if self._is_gone else self._plan.arrivals_before_gone, arrived)
        event = self._interpreter.interpret(event, arrived)
        if original := self._retries.find_original(event):
            self._send(self._plan.retries, Retry(event, original))
            self._order.add_retry(event, original)
        else:
            self._send(self._plan.events, event)
            self._order.add(self._interpreter.place(event))

    def settle(self, frontier_ms: float) -> None:
        """Check what is settled now that no event arrives any more before `frontier_ms`, milliseconds since 1970."""
        self._order.settle(frontier_ms)
        steady, unexplained, guessed, steps = (
            self._steady,
            self._unexplained,
            self._interpreter.guessed,
            self.view.steps,
        )
        for taken in self._order.steps():
            # What is wrong with an event whose type is a guess, the finding about its type has said.
            step = msgspec.structs.replace(taken, violations=()) if guessed and taken.event.index in guessed else taken
            if steady and steady.add(step):
                steps.append(step)
                if step.event.quality or step.event.params:
                    self._send(self._plan.row_values, step)
            else:
                self._end_row()
                steps.append(step)
                self.view.intervals.add(step)
                self.view.motion.add(step, self.view.intervals.gap_ms)
                self._send(self._plan.for_step(step, played=self.view.motion.played), step)
                if steady:
                    steady.begin(step)
            if unexplained.waiting:
                unexplained.release(len(steps))

    def _end_row(self) -> None:
        """Send the end of the row of steady pings in hand, if there is one."""
        if self._steady and (last := self._steady.end()):
            self._send(self._plan.row_end, last)

    def close(self) -> None:
        """Check the rest; the session gets no more events."""
        self.settle(inf)
        self._end_row()
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
