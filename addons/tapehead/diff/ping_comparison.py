"""The pings of two sessions, compared: what they carry, their answers, how often they come, where they stay away."""

from collections.abc import Iterator, Sequence

from tapehead.diff.difference_messages import phrase_delta, phrase_rhythm, phrase_silence, phrase_statuses
from tapehead.diff.differences import Change, Difference, Scope
from tapehead.diff.event_alignment import is_ping
from tapehead.diff.payload_comparison import compare_pings
from tapehead.diff.ping_cadence import Cadence, CadenceDifference, PlaybackPhase, TimedSteps, compare_cadences, silences
from tapehead.protocol.events import Event

PING = "ping"
_FINE = 300


def ping_differences(
    base: TimedSteps, new: TimedSteps, anchors: Sequence[tuple[int, int]], scope: Scope
) -> Iterator[Difference]:
    """What differs between the pings of two sessions.

    Args:
        base: the steps of one session with times.
        new: those of the other one.
        anchors: the steps of other events that both have in the same order, as indices on either side.
        scope: what counts as a difference.
    """
    if scope.ignores(PING):
        return
    before, after = _pings(base), _pings(new)
    yield from _carried(before, after, scope)
    yield from _answers(before, after)
    rhythms = list(compare_cadences(base, new))
    yield from map(_rhythm, rhythms)
    silent = {found.situation for found in rhythms if not (found.base.pings and found.new.pings)}
    yield from _missing(base, new, anchors, silent)
    yield from _added(base, new, anchors, silent)


def _pings(track: TimedSteps) -> list[Event]:
    return [step.event for step in track.steps if is_ping(step.event)]


def _carried(base: Sequence[Event], new: Sequence[Event], scope: Scope) -> Iterator[Difference]:
    for delta in compare_pings(base, new, scope):
        if not delta.is_note:
            yield Difference(
                change=delta.change,
                message=f"on all pings: {phrase_delta(delta)}",
                name=delta.path,
                base=delta.base,
                new=delta.new,
                base_event=base[0],
                new_event=new[0],
            )


def _answers(base: Sequence[Event], new: Sequence[Event]) -> Iterator[Difference]:
    before, after = ({event.status for event in pings} for pings in (base, new))
    odd = [status for status in before ^ after if status is None or status >= _FINE]
    if base and new and odd:
        yield Difference(
            change=Change.STATUS_CHANGED,
            message=phrase_statuses(before, after),
            name=PING,
            base=sorted(before, key=str),
            new=sorted(after, key=str),
            base_event=next((event for event in base if event.status in odd), base[0]),
            new_event=next((event for event in new if event.status in odd), new[0]),
        )


def _rhythm(found: CadenceDifference) -> Difference:
    return Difference(
        change=Change.PING_RHYTHM,
        message=phrase_rhythm(found),
        name=str(found.situation),
        base=_interval(found.base),
        new=_interval(found.new),
    )


def _interval(rhythm: Cadence) -> float | None:
    return None if rhythm.interval is None else round(rhythm.interval, 3)


def _missing(
    base: TimedSteps, new: TimedSteps, anchors: Sequence[tuple[int, int]], silent: set[PlaybackPhase]
) -> Iterator[Difference]:
    for found in silences(new, base, [(other, one) for one, other in anchors]):
        if found.situation not in silent:
            event = new.steps[found.after].event
            yield Difference(
                change=Change.PINGS_MISSING,
                message=phrase_silence(found, event, "the new recording", "the base"),
                name=str(found.situation),
                base=found.pings,
                new=0,
                new_event=event,
            )


def _added(
    base: TimedSteps, new: TimedSteps, anchors: Sequence[tuple[int, int]], silent: set[PlaybackPhase]
) -> Iterator[Difference]:
    for found in silences(base, new, anchors):
        if found.situation not in silent:
            event = base.steps[found.after].event
            yield Difference(
                change=Change.PINGS_ADDED,
                message=phrase_silence(found, event, "the base", "the new recording"),
                name=str(found.situation),
                base=0,
                new=found.pings,
                base_event=event,
            )
