"""The cadence of pings: their interval in each phase of a playback, and the gaps in which they stay away.

Theory. How many pings a session has says little: one more or less is chance. What counts is how far apart they are in
content, in ads, in pauses and in buffers, and whether there is a stretch in which one side pings and the other is
silent. Times are the player's own, counted from landmarks that both sides have, so that clocks never matter.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from math import inf
from statistics import median_low
from typing import NamedTuple

from tapehead.comparison.event_alignment import is_ping
from tapehead.protocol.session_machine import State, Step
from tapehead.protocol.transitions import Playback

# How many times more often is another cadence, and how many pings make one.
OTHER_CADENCE = 1.5
FEWEST = 3
# How many intervals without a ping are a gap.
GAP = 2.5

USUAL_SECONDS = 10.0


class PlaybackPhase(StrEnum):
    """The phases of a playback in which pings have a cadence of their own."""

    START = "before the first play"
    CONTENT = "in content"
    ADS = "in ads"
    PAUSES = "in pauses"
    BUFFERS = "in buffers"


_PHASES = {
    Playback.STARTING: PlaybackPhase.START,
    Playback.PLAYING: PlaybackPhase.CONTENT,
    Playback.PAUSED: PlaybackPhase.PAUSES,
    Playback.BUFFERING: PlaybackPhase.BUFFERS,
}


class Cadence(NamedTuple):
    """The pings of one phase.

    Attributes:
        pings: how many.
        seconds: how long the phase lasted in all.
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
    """A phase in which pings come more often on one side."""

    phase: PlaybackPhase
    base: Cadence
    new: Cadence


class PingGap(NamedTuple):
    """A stretch in which one side has pings, and the other nothing at all.

    Attributes:
        after: the landmark, by its step on the silent side, after which the stretch begins.
        seconds: how long the gap lasts; None if nothing more comes.
        pings: how many pings the other side has there.
        phase: the phase on the other side.
    """

    after: int
    seconds: float | None
    pings: int
    phase: PlaybackPhase


class TimedSteps:
    """The steps of a session with their times.

    Attributes:
        steps: the steps.
        times: seconds since the first timestamp, never going back.
        cadences: by phase.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.times: list[float] = []
        first: int | None = None
        for step in steps:
            now = self.times[-1] if self.times else 0.0
            if step.event.ts is not None:
                first = step.event.ts if first is None else first
                now = max(now, (step.event.ts - first) / 1000)
            self.times.append(now)
        self.cadences: Mapping[PlaybackPhase, Cadence] = self._measure_cadences()

    def _measure_cadences(self) -> dict[PlaybackPhase, Cadence]:
        counts, seconds = dict.fromkeys(PlaybackPhase, 0), dict.fromkeys(PlaybackPhase, 0.0)
        gaps: dict[PlaybackPhase, list[float]] = {phase: [] for phase in PlaybackPhase}
        last: float | None = None
        before: PlaybackPhase | None = None
        for step, time, following in zip(self.steps, self.times, [*self.times[1:], None], strict=True):
            phase = phase_of(step.after)
            last = last if phase is before else None
            before = phase
            seconds[phase] += 0.0 if following is None else following - time
            if is_ping(step.event):
                counts[phase] += 1
                gaps[phase] += [] if last is None else [time - last]
                last = time
        return {phase: Cadence(counts[phase], seconds[phase], tuple(gaps[phase])) for phase in PlaybackPhase}

    def interval(self, phase: PlaybackPhase) -> float:
        """Return the usual seconds between pings in a phase; those of the reference, if there are none."""
        return self.cadences[phase].interval or USUAL_SECONDS


def phase_of(state: State) -> PlaybackPhase:
    """Return the phase of a session at `state`."""
    return PlaybackPhase.ADS if state.in_ad or state.in_break else _PHASES[state.playback]


def compare_cadences(base: TimedSteps, new: TimedSteps) -> Iterator[CadenceDifference]:
    """Yield the phases in which pings come clearly more often on one side."""
    for phase in PlaybackPhase:
        before, after = base.cadences[phase], new.cadences[phase]
        if before.seconds and after.seconds and differ(before, after):
            yield CadenceDifference(phase, before, after)


def differ(one: Cadence, other: Cadence) -> bool:
    """Return whether the cadences of a phase that both sides have are clearly different."""

    def ratio(one: float, other: float) -> float:
        low, high = sorted((one, other))
        return high / low if low else inf if high else 1.0

    less, more = sorted((one, other), key=lambda cadence: cadence.pings / cadence.seconds)
    if more.pings / more.seconds * less.seconds - less.pings < FEWEST:
        return False
    if one.gaps and other.gaps:
        return ratio(median_low(one.gaps), median_low(other.gaps)) >= OTHER_CADENCE
    return not less.pings or ratio(one.pings / one.seconds, other.pings / other.seconds) >= OTHER_CADENCE


def find_ping_gaps(silent: TimedSteps, other: TimedSteps, anchors: Sequence[tuple[int, int]]) -> Iterator[PingGap]:
    """Yield the stretches in which `silent` has nothing for a while and `other` has pings.

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
        for begin, end in pairwise([*own, inf] if is_last else own):
            inside = slice(bisect_right(offsets, begin), bisect_left(offsets, end))
            if len(offsets[inside]) >= FEWEST:
                phase = phase_of(other.steps[theirs[inside][0]].after)
                if end - begin > GAP * max(silent.interval(phase), other.interval(phase)):
                    yield PingGap(one, None if end == inf else end - begin, len(offsets[inside]), phase)
