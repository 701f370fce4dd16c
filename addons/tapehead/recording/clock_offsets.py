"""Offsets between the clocks of recorders, by the sessions that they share.

A player's clock is the same in all recordings of its session. So the difference between arrival and ts, which holds
the network's delay and how far the player's clock is off, changes from one recorder to another by as much as their
clocks are apart. Events next to each other are compared, since a player may set its clock in mid-session; what was
queued comes late on any clock, so the middle of all differences counts, and only where most agree.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import msgspec

from tapehead.protocol.clock_reading import ClockReading
from tapehead.protocol.events import parse_time
from tapehead.protocol.exchange import Entry, format_time
from tapehead.text import format_number

# A smaller difference may be the network's, and puts nothing out of order for long.
LEAST_MS = 1000
# A larger one is another fault, such as a ts in another unit.
MOST_MS = 24 * 3_600_000
# Differences that lie this close together agree; and as much of those of either side has to.
AGREE_MS = 1000
AGREE_SHARE = 0.6
# Events that lie further apart by ts are no neighbours.
NEAR_MS = 60_000
# The events on each side, of all shared sessions, that an estimate takes.
LEAST_EVENTS = 2
# Of each session and recorder, so many of the first and of the last events are kept; and so many sessions.
MOST_EVENTS = 8
MOST_SESSIONS = 20_000

# A recorder: the name of the recording, and the source of its lines.
Recorder = tuple[str, str]


class ClockOffset(NamedTuple):
    """The offset of a recorder's clock from its reference, in milliseconds; above 0 if it is ahead."""

    ms: float
    reference: Recorder

    def describe(self, recorder: Recorder) -> str:
        """Return a line about the offset."""
        seconds = format_number(round(abs(self.ms) / 1000, 1))
        side = "ahead of" if self.ms > 0 else "behind"
        own, other = recorder[0], self.reference[0]
        if own == other:
            own, other = (" from ".join(each) for each in (recorder, self.reference))
        return f"{own}: clock {seconds} s {side} {other}; corrected"


class _Sample(NamedTuple):
    ts: float
    delay_ms: float


class _Samples:
    """The first and the last events of one session in one recorder."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first: list[_Sample] = []
        self.last: list[_Sample] = []

    def add(self, sample: _Sample) -> None:
        if len(self.first) < MOST_EVENTS:
            self.first.append(sample)
        else:
            self.last.append(sample)
            del self.last[:-MOST_EVENTS]

    def all(self) -> list[_Sample]:
        return self.first + self.last


class ClockComparison:
    """The offsets of recorders' clocks; memory is bounded, since of many sessions a part is taken."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[Recorder, _Samples]] = {}
        self._part = 1

    def add(self, recording: str, reading: ClockReading) -> None:
        """Take the clocks in a line of a recording, in any order."""
        sample = _Sample(reading.ts, reading.arrived_ms - reading.ts)
        session = reading.session
        if abs(sample.delay_ms) > MOST_MS or (self._part > 1 and not self._is_taken(session)):
            return
        recorders = self._sessions.setdefault(session, {})
        recorders.setdefault((recording, reading.source), _Samples()).add(sample)
        self._limit()

    def samples(self) -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
        """Yield what is kept of each session and recorder, for another comparison: session, source, and events."""
        for session, recorders in self._sessions.items():
            for (_, source), samples in recorders.items():
                yield session, source, [(sample.ts, sample.delay_ms) for sample in samples.all()]

    def add_samples(self, recording: str, samples: Iterable[tuple[str, str, list[tuple[float, float]]]]) -> None:
        """Take what another comparison keeps of one recording, as if its lines were taken here."""
        for session, source, events in samples:
            if self._part > 1 and not self._is_taken(session):
                continue
            kept = self._sessions.setdefault(session, {}).setdefault((recording, source), _Samples())
            for event in events:
                kept.add(_Sample(*event))
            self._limit()

    def _limit(self) -> None:
        if len(self._sessions) > MOST_SESSIONS:
            # The same part in each recording, so that the sessions that are left are still complete.
            self._part *= 2
            self._sessions = {sid: kept for sid, kept in self._sessions.items() if self._is_taken(sid)}

    @property
    def sessions(self) -> int:
        """The number of sessions that are kept."""
        return len(self._sessions)

    def _is_taken(self, session: str) -> bool:
        return zlib.crc32(session.encode("utf-8", "surrogatepass")) % self._part == 0

    def offsets(self) -> dict[Recorder, ClockOffset]:
        """Return the offsets of the recorders whose clocks are off; their reference has the most likely clock."""
        differences = self._differences()
        delays = self._delays()
        offsets: dict[Recorder, ClockOffset] = {}
        left = sorted(delays, key=lambda recorder: (abs(delays[recorder]), recorder))
        while left:
            # Among those that share sessions, directly or by others, the one whose players agree best with it.
            reference = left.pop(0)
            known = {reference: 0.0}
            waiting = [reference]
            while waiting:
                one = waiting.pop(0)
                for other in [each for each in left if (one, each) in differences]:
                    known[other] = known[one] + differences[one, other]
                    waiting.append(other)
                    left.remove(other)
            offsets |= {recorder: ClockOffset(ms, reference) for recorder, ms in known.items() if abs(ms) >= LEAST_MS}
        return offsets

    def _delays(self) -> dict[Recorder, float]:
        """Return the middle of all delays of each recorder."""
        from statistics import median  # which takes long to load

        delays: dict[Recorder, list[float]] = defaultdict(list)
        for recorders in self._sessions.values():
            for recorder, samples in recorders.items():
                delays[recorder].append(median(sample.delay_ms for sample in samples.all()))
        return {recorder: median(each) for recorder, each in delays.items()}

    def _differences(self) -> dict[tuple[Recorder, Recorder], float]:
        """Return by how much the second clock of two is ahead, where that can be known, for both orders."""
        from statistics import median

        votes: dict[tuple[Recorder, Recorder], list[tuple[float, int]]] = defaultdict(list)
        for recorders in self._sessions.values():
            for one, other in combinations(sorted(recorders), 2):
                if one[1] and one[1] == other[1]:  # files of one run, which had one clock
                    continue
                votes[one, other] += _compare(recorders[one].all(), recorders[other].all())
        differences: dict[tuple[Recorder, Recorder], float] = {}
        for (one, other), found in votes.items():
            if not found:
                continue
            middle = median(difference for difference, _ in found)
            agreeing = [side for difference, side in found if abs(difference - middle) <= AGREE_MS]
            if all(_agree(agreeing.count(side), sum(each == side for _, each in found)) for side in (0, 1)):
                differences[one, other] = middle
                differences[other, one] = -middle
        return differences


def _agree(agreeing: int, events: int) -> bool:
    """Return whether enough of the events on one side agree.

    Of the other side, they may all have the same one event for a neighbour.
    """
    return agreeing >= max(LEAST_EVENTS, AGREE_SHARE * events)


def _compare(one: list[_Sample], other: list[_Sample]) -> Iterator[tuple[float, int]]:
    """Yield the differences of neighbours by ts in two recorders, each with the side that it was looked for from."""
    for side, (own, its) in enumerate(((one, other), (other, one))):
        for sample in own:
            nearest = min(its, key=lambda each: abs(each.ts - sample.ts))
            if abs(nearest.ts - sample.ts) <= NEAR_MS:
                difference = nearest.delay_ms - sample.delay_ms
                yield (difference if side == 0 else -difference), side


def correct_clock(entry: Entry, offsets: Mapping[Recorder, ClockOffset]) -> Entry:
    """Return an entry with the time that the reference's clock had."""
    offset = offsets.get((entry.recording, entry.exchange.source))
    arrived_ms = parse_time(entry.exchange.started) if offset else None
    if offset is None or arrived_ms is None:
        return entry
    started = format_time((arrived_ms - offset.ms) / 1000)
    return entry._replace(exchange=msgspec.structs.replace(entry.exchange, started=started))
