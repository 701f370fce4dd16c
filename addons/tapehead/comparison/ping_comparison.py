"""The pings of two sessions, compared: their keys, their answers, their cadence, and where they stay away."""

from collections.abc import Iterator, Sequence

from tapehead.comparison.difference_messages import describe_cadences, describe_gap, describe_key, describe_statuses
from tapehead.comparison.differences import Change, Difference, Scope
from tapehead.comparison.event_alignment import is_ping
from tapehead.comparison.payload_comparison import compare_ping_payloads
from tapehead.comparison.ping_cadence import Cadence, PlaybackPhase, TimedSteps, compare_cadences, find_ping_gaps
from tapehead.protocol.events import Event

PING = "ping"
REDIRECT = 300


def compare_pings(
    base: TimedSteps, new: TimedSteps, anchors: Sequence[tuple[int, int]], scope: Scope
) -> Iterator[Difference]:
    """Yield the differences between the pings of two sessions.

    Args:
        base: the steps of one session with times.
        new: those of the other one.
        anchors: the steps of other events that both have in the same order, as indices on either side.
        scope: what counts as a difference.
    """
    if scope.ignores(PING):
        return
    before, after = ([step.event for step in timed.steps if is_ping(step.event)] for timed in (base, new))
    yield from compare_keys(before, after, scope)
    yield from compare_statuses(before, after)

    def interval(cadence: Cadence) -> float | None:
        return None if cadence.interval is None else round(cadence.interval, 3)

    cadences = list(compare_cadences(base, new))
    for found in cadences:
        yield Difference(
            change=Change.PING_RHYTHM,
            message=describe_cadences(found),
            name=str(found.phase),
            base=interval(found.base),
            new=interval(found.new),
        )
    silent = {found.phase for found in cadences if not (found.base.pings and found.new.pings)}
    yield from compare_gaps(base, new, anchors, silent)


def compare_keys(base: Sequence[Event], new: Sequence[Event], scope: Scope) -> Iterator[Difference]:
    """Yield the keys that the pings of one side have and those of the other do not, or with another type."""
    for key in compare_ping_payloads(base, new, scope):
        if not key.is_note:
            yield Difference(
                change=key.change,
                message=f"on all pings: {describe_key(key)}",
                name=key.path,
                base=key.base,
                new=key.new,
                base_event=base[0],
                new_event=new[0],
            )


def compare_statuses(base: Sequence[Event], new: Sequence[Event]) -> Iterator[Difference]:
    """Yield the difference between the answers, if pings are refused or not answered on one side only."""
    before, after = ({event.status for event in pings} for pings in (base, new))
    odd = [status for status in before ^ after if status is None or status >= REDIRECT]
    if base and new and odd:
        yield Difference(
            change=Change.STATUS_CHANGED,
            message=describe_statuses(before, after),
            name=PING,
            base=sorted(before, key=str),
            new=sorted(after, key=str),
            base_event=next((event for event in base if event.status in odd), base[0]),
            new_event=next((event for event in new if event.status in odd), new[0]),
        )


def compare_gaps(
    base: TimedSteps, new: TimedSteps, anchors: Sequence[tuple[int, int]], silent: set[PlaybackPhase]
) -> Iterator[Difference]:
    """Yield the stretches in which only one side has pings, except in phases in which one is `silent` throughout."""
    directions = (
        (Change.PINGS_MISSING, new, base, [(other, one) for one, other in anchors], ("the new recording", "the base")),
        (Change.PINGS_ADDED, base, new, anchors, ("the base", "the new recording")),
    )
    for change, quiet, other, places, names in directions:
        is_missing = change is Change.PINGS_MISSING
        for gap in find_ping_gaps(quiet, other, places):
            if gap.phase not in silent:
                event = quiet.steps[gap.after].event
                yield Difference(
                    change=change,
                    message=describe_gap(gap, event, *names),
                    name=str(gap.phase),
                    base=gap.pings if is_missing else 0,
                    new=0 if is_missing else gap.pings,
                    base_event=None if is_missing else event,
                    new_event=event if is_missing else None,
                )
