"""The rhythm of pings: how often they come while something goes on, and where they stay away.

Theory. How many pings a session has says little: one more or less is chance. What counts is how far apart they are in
content, in ads, in pauses and in buffers, and whether there is a stretch in which one side pings and the other is
silent. Times are the player's own, counted from landmarks that both sides have, so that clocks never matter.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from tapehead.diff.event_alignment import is_ping
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Playback

# How many times more often is another rhythm, and how many pings make one.
OTHER_CADENCE = 1.5
FEWEST = 3
# How many intervals without a ping are a silence.
GAP = 2.5

_USUAL_S = 10.0


class PlaybackPhase(StrEnum):
    """What goes on while pings go out."""

    START = "before the first play"
    CONTENT = "in content"
    ADS = "in ads"
    PAUSES = "in pauses"
    BUFFERS = "in buffers"


_SITUATIONS = {
    Playback.STARTING: PlaybackPhase.START,
    Playback.PLAYING: PlaybackPhase.CONTENT,
    Playback.PAUSED: PlaybackPhase.PAUSES,
    Playback.BUFFERING: PlaybackPhase.BUFFERS,
}


class Cadence(NamedTuple):
    """The pings of one situation.

    Attributes:
        pings: how many.
        seconds: how long the situation lasted in all.
        gaps: the seconds between neighbours.
    """

    pings: int
    seconds: float
    gaps: tuple[float, ...]

    @property
    def interval(self) -> float | None:
        """The usual seconds from one to the next; None without pings."""
        if self.gaps:
            return median_low(self.gaps)
        return self.seconds / self.pings if self.pings and self.seconds else None


class CadenceDifference(NamedTuple):
    """A situation in which pings come more often on one side."""

    situation: PlaybackPhase
    base: Cadence
    new: Cadence


class PingGap(NamedTuple):
    """A stretch in which one side has pings, and the other nothing at all.

    Attributes:
        after: the landmark, by its step on the silent side, after which the stretch begins.
        seconds: how long the silence lasts; None if nothing more comes.
        pings: how many pings the other side has there.
        situation: what goes on there.
    """

    after: int
    seconds: float | None
    pings: int
    situation: PlaybackPhase


NO_CADENCE = Cadence(0, 0.0, ())


class TimedSteps:
    """The steps of a session with their times.

    Attributes:
        steps: the steps.
        times: seconds since the first timestamp, never going back.
        rhythms: by situation.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.times = list(_times(steps))
        self.rhythms: Mapping[PlaybackPhase, Cadence] = self._rhythms()

    def _rhythms(self) -> dict[PlaybackPhase, Cadence]:
        counts, seconds = dict.fromkeys(PlaybackPhase, 0), dict.fromkeys(PlaybackPhase, 0.0)
        gaps: dict[PlaybackPhase, list[float]] = {situation: [] for situation in PlaybackPhase}
        last: float | None = None
        before: PlaybackPhase | None = None
        for step, time, following in zip(self.steps, self.times, [*self.times[1:], None], strict=True):
            situation = situation_of(step.after)
            last = last if situation is before else None
            before = situation
            seconds[situation] += 0.0 if following is None else following - time
            if is_ping(step.event):
                counts[situation] += 1
                gaps[situation] += [] if last is None else [time - last]
                last = time
        return {each: Cadence(counts[each], seconds[each], tuple(gaps[each])) for each in PlaybackPhase}

    def interval(self, situation: PlaybackPhase) -> float:
        """The usual seconds between pings in a situation; those of the reference, if there are none."""
        return self.rhythms[situation].interval or _USUAL_S


def _times(steps: Sequence[Step]) -> Iterator[float]:
    first: int | None = None
    now = 0.0
    for step in steps:
        if step.event.ts is not None:
            first = step.event.ts if first is None else first
            now = max(now, (step.event.ts - first) / 1000)
        yield now


def situation_of(state: State) -> PlaybackPhase:
    """What goes on in a session at `state`."""
    return PlaybackPhase.ADS if state.in_ad or state.in_break else _SITUATIONS[state.playback]


def compare_cadences(base: TimedSteps, new: TimedSteps) -> Iterator[CadenceDifference]:
    """The situations in which pings come clearly more often on one side."""
    for situation in PlaybackPhase:
        before, after = base.rhythms[situation], new.rhythms[situation]
        if before.seconds and after.seconds and _differ(before, after):
            yield CadenceDifference(situation, before, after)


def _differ(one: Cadence, other: Cadence) -> bool:
    less, more = sorted((one, other), key=lambda rhythm: rhythm.pings / rhythm.seconds)
    if more.pings / more.seconds * less.seconds - less.pings < FEWEST:
        return False
    if one.gaps and other.gaps:
        return _ratio(median_low(one.gaps), median_low(other.gaps)) >= OTHER_CADENCE
    return not less.pings or _ratio(one.pings / one.seconds, other.pings / other.seconds) >= OTHER_CADENCE


def _ratio(one: float, other: float) -> float:
    low, high = sorted((one, other))
    return high / low if low else float("inf") if high else 1.0


def silences(silent: TimedSteps, other: TimedSteps, anchors: Sequence[tuple[int, int]]) -> Iterator[PingGap]:
    """Where `silent` has nothing for a while in which `other` has pings.

    Args:
        silent: the side to look at.
        other: the side to compare it with.
        anchors: the steps of landmarks that are the same, on either side, in order.
    """
    ends = len(silent.steps), len(other.steps)
    for (one, two), (next_one, next_two) in pairwise([*anchors, ends]):
        is_last = (next_one, next_two) == ends
        own = [silent.times[index] - silent.times[one] for index in range(one, min(next_one + 1, ends[0]))]
        theirs = [index for index in range(two + 1, next_two) if is_ping(other.steps[index].event)]
        offsets = [other.times[index] - other.times[two] for index in theirs]
        for begin, end in pairwise([*own, float("inf")] if is_last else own):
            inside = slice(bisect_right(offsets, begin), bisect_left(offsets, end))
            if len(offsets[inside]) >= FEWEST:
                situation = situation_of(other.steps[theirs[inside][0]].after)
                interval = max(silent.interval(situation), other.interval(situation))
                if end - begin > GAP * interval:
                    yield PingGap(one, None if end == float("inf") else end - begin, len(offsets[inside]), situation)
