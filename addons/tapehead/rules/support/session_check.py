"""Checks of a session as a whole, as functions and coroutines that are sent one event or one step at a time.

A check is started with the session's view and a function that takes its hits. A coroutine keeps what it needs to
remember in local variables, is sent what happens next, and None when the session closes; it may return before that,
when it has nothing more to say. So the same code serves a session that is still going on and one that was read from a
file.
"""

from collections.abc import Callable, Generator, Iterable
from enum import Enum, auto
from typing import Any, NamedTuple

import msgspec

from tapehead.protocol.events import Event
from tapehead.protocol.session_machine import Step
from tapehead.rules.support.rule import Rule, RuleHit
from tapehead.rules.support.session_view import SessionView


class Retry(NamedTuple):
    """An event whose body came before, and the first one with that body."""

    event: Event
    original: Event


Report = Callable[[RuleHit], None]
EventCheck = Generator[None, Event | None, None]
RetryCheck = Generator[None, Retry | None, None]
StepCheck = Generator[None, Step | None, None]


class Feed(Enum):
    """The things that a check is sent."""

    START = auto()  # nothing: it is called when the session begins
    ARRIVALS = auto()  # each event, in the order of arrival
    EVENTS = auto()  # the same without retries
    RETRIES = auto()  # each `Retry`
    STEPS = auto()  # each `Step` through the session machine, in the order in which the back end takes events


class RowPings(Enum):
    """The pings of a steady row that a check needs to be sent besides the first one; see `steady_pings`."""

    ALL = auto()
    LAST = auto()
    NONE = auto()


class SessionCheck(msgspec.Struct, frozen=True, eq=False):
    """A check.

    Attributes:
        rules: the rules whose hits it reports.
        feed: what it is sent.
        run: starts it.
        types: of steps, the event types that it is sent; all, if empty, unless it is sent those with values.
        violations: whether it is sent steps of other types, too, if they are violations.
        values: whether it is sent steps of other types, too, if they have params or quality values, since it does
            nothing with those that have none; of pings, it looks at nothing else.
        skips_pings: whether it need not be sent pings while main content plays on, since it does nothing with them.
        once_gone: of arrivals, whether it is sent them only once an event was answered that the session is unknown.
        row_pings: the pings of a steady row that it needs to be sent. As long as the row goes on, the session's
            intervals and motion do not.
    """

    rules: tuple[Rule, ...]
    feed: Feed
    run: Callable[[SessionView, Report], Generator[None, Any, None] | None]
    types: tuple[str, ...] = ()
    violations: bool = False
    values: bool = False
    skips_pings: bool = False
    row_pings: RowPings = RowPings.ALL
    once_gone: bool = False


def start_check(*rules: Rule) -> Callable[[Callable[[SessionView, Report], None]], SessionCheck]:
    """Make a check of a function that looks at the session's first event alone."""
    return lambda run: SessionCheck(rules, Feed.START, run)


def arrival_check(
    *rules: Rule, once_gone: bool = False
) -> Callable[[Callable[[SessionView, Report], EventCheck]], SessionCheck]:
    """Make a check of a coroutine that is sent events in the order of arrival: all, or as `SessionCheck` says."""
    return lambda run: SessionCheck(rules, Feed.ARRIVALS, run, once_gone=once_gone)


def event_check(*rules: Rule) -> Callable[[Callable[[SessionView, Report], EventCheck]], SessionCheck]:
    """Make a check of a coroutine that is sent every event in the order of arrival, without retries."""
    return lambda run: SessionCheck(rules, Feed.EVENTS, run)


def retry_check(*rules: Rule) -> Callable[[Callable[[SessionView, Report], RetryCheck]], SessionCheck]:
    """Make a check of a coroutine that is sent every retry."""
    return lambda run: SessionCheck(rules, Feed.RETRIES, run)


def step_check(
    *rules: Rule,
    types: tuple[str, ...] = (),
    violations: bool = False,
    values: bool = False,
    skips_pings: bool = False,
    row_pings: RowPings = RowPings.ALL,
) -> Callable[[Callable[[SessionView, Report], StepCheck]], SessionCheck]:
    """Make a check of a coroutine that is sent steps through the session machine: all, or as `SessionCheck` says."""
    return lambda run: SessionCheck(rules, Feed.STEPS, run, types, violations, values, skips_pings, row_pings)


def report_all(hits: Iterable[RuleHit], report: Report) -> None:
    """Report several hits."""
    for hit in hits:
        report(hit)
