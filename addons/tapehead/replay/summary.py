"""Replay statistics: hits, misses with the nearest matches, and unused exchanges."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Self, overload

import msgspec

from tapehead.counts import Count, Ordinal
from tapehead.protocol.events import IDENTITY_KEYS, EventKey, EventPosition
from tapehead.replay.host_rewriting import Rewrite
from tapehead.replay.index import RecordingIndex
from tapehead.replay.matching import Choice, NearMiss, Reason, Turn
from tapehead.replay.places import FewPlaces, Places
from tapehead.replay.recorded_session import RecordedCall
from tapehead.text import count_of, format_number, shorten_value

# The number of misses that are kept, and of lines that are shown; the rest is only counted.
MOST_MISSES = 200
# Kinds of places in which recorded answers named other hosts that are kept and shown; others are not.
MOST_REWRITES = 50
MOST_SHOWN = 20

_WHY = {
    Reason.NO_SUCH_EVENT: "the recorded session has no such event",
    Reason.ALL_USED: "every such event of the recorded session was already used",
    Reason.OUT_OF_PLACE: "the recorded session has such an event, but far from here",
    Reason.NO_SUCH_SESSION: "no recorded session has this content",
    Reason.UNKNOWN_SID: "no session with this id was opened here or recorded",
    Reason.OTHER_RECORDINGS: "the session was opened by a tapehead that plays other recordings",
    Reason.NOT_RECORDED: "the recording has no such call",
    Reason.CHANGED: "the recording was changed since it was loaded",
    Reason.OUTDATED: "the recorded session lacks calls of a player who followed it",
}


class Miss(msgspec.Struct, frozen=True):
    """A live call that the recording does not have.

    Attributes:
        call: its event type, names and playhead, such as `pauseStart at 12`.
        session: the live session id, or None.
        reason: why nothing matched.
        answered: how it was answered instead, in words.
        nearest: the nearest recorded exchanges.
    """

    call: str
    session: str | None
    reason: Reason
    answered: str
    nearest: list[NearMiss]

    def explain(self) -> str:
        """Return why there was no match, in words."""
        return _WHY.get(self.reason, str(self.reason))


class Unused(msgspec.Struct, frozen=True):
    """A recorded exchange that was not used: the number of its recording, its line, and its name."""

    file: Count
    line: Ordinal
    call: str


class UnusedCalls(Sequence[Unused]):
    """Recorded exchanges that were not used, which get their names as they are read: there may be a million.

    Attributes:
        calls: the same as recorded calls.
    """

    def __init__(self, calls: list[RecordedCall]) -> None:
        self.calls = calls

    @overload
    def __getitem__(self, place: int) -> Unused: ...

    @overload
    def __getitem__(self, place: slice) -> list[Unused]: ...

    def __getitem__(self, place: int | slice) -> Unused | list[Unused]:
        """Return one of them, or some."""
        return list(map(as_unused, self.calls[place])) if isinstance(place, slice) else as_unused(self.calls[place])

    def __len__(self) -> int:
        """Return their number."""
        return len(self.calls)

    def __eq__(self, other: object) -> bool:
        """Return whether they are those of a list."""
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


class ReplaySummary(msgspec.Struct, frozen=True):
    """The result of a replay.

    Attributes:
        playbacks: number of live sessions that were answered from recorded ones.
        hits: number of calls that were answered as recorded.
        misses: number of the other calls.
        missed: the first misses.
        unused: the recorded exchanges that were not used, without preflights.
        absorbed: number of hits that were pings beyond those recorded, answered as the nearest of them.
        rewritten: the places in which recorded answers named other hosts than the called one.
        outdated: the sessionStarts of sessions that lack calls, and were not recorded anew; only where misses are
            forwarded.
    """

    playbacks: Count
    hits: Count
    misses: Count
    missed: list[Miss]
    unused: Sequence[Unused]
    absorbed: Count = 0
    rewritten: list[Rewrite] = []
    outdated: list[Unused] = []


class ReplayCounts(msgspec.Struct):
    """The counts of a replay, which can be added up over processes.

    Attributes:
        playbacks, hits, misses, missed, absorbed, rewritten: as in `ReplaySummary`.
        used: the recorded exchanges that were used, or recorded anew.
        outdated: the sessionStarts of sessions that lack calls: number of the recording, and line.
    """

    playbacks: int = 0
    hits: int = 0
    misses: int = 0
    missed: list[Miss] = msgspec.field(default_factory=list)
    used: Places = msgspec.field(default_factory=Places)
    absorbed: int = 0
    rewritten: set[Rewrite] = msgspec.field(default_factory=set)
    outdated: set[tuple[int, int]] = msgspec.field(default_factory=set)

    def copy(self) -> "ReplayCounts":
        """Return the same counts, which do not change with these."""
        return msgspec.structs.replace(
            self,
            missed=list(self.missed),
            used=self.used.copy(),
            rewritten=set(self.rewritten),
            outdated=set(self.outdated),
        )

    def add(self, other: "ReplayCounts") -> None:
        """Add the counts of another process."""
        self.playbacks += other.playbacks
        self.hits += other.hits
        self.misses += other.misses
        self.missed += other.missed[: MOST_MISSES - len(self.missed)]
        self.used.add_all(other.used)
        self.absorbed += other.absorbed
        self.rewritten |= other.rewritten
        self.outdated |= other.outdated


class ReplayTotals(msgspec.Struct):
    """The counts of all keys of a replay together.

    Attributes:
        run: those of the whole run, whatever was reset.
        shown: those since the latest reset.
        changes: those since the latest `take_changes`; None where nobody takes them.
    """

    run: ReplayCounts = msgspec.field(default_factory=ReplayCounts)
    shown: ReplayCounts = msgspec.field(default_factory=ReplayCounts)
    changes: ReplayCounts | None = None

    def take_changes(self) -> ReplayCounts | None:
        """Return what has changed since the last time, if anything has; the first time is the beginning."""
        changes = self.changes
        if changes and not (changes.hits or changes.misses or changes.rewritten):
            return None
        self.changes = ReplayCounts(used=FewPlaces())
        return changes


class ReplayStats:
    """Counts of the hits and misses of a replay, those of one key.

    Args:
        warn: called with one line about each kind of place in which recorded answers name other hosts, if given.
        totals: the counts of all keys, which grow as well.

    Attributes:
        counts: the counts so far.
        totals: those of all keys.
    """

    def __init__(self, warn: Callable[[str], None] | None = None, totals: ReplayTotals | None = None) -> None:
        self.counts = ReplayCounts()
        self.totals = totals or ReplayTotals()
        self._warn = warn

    def of_another_key(self) -> Self:
        """Return new counts with the same totals."""
        return type(self)(self._warn, self.totals)

    def _all(self) -> tuple[ReplayCounts, ...]:
        totals = self.totals
        own = self.counts, totals.shown, totals.run
        return own if totals.changes is None else (*own, totals.changes)

    def hit(self, call: RecordedCall, *, opens: bool = False, again: bool = False) -> None:
        """Count a recorded exchange used as an answer; `again` if the same playback used it before."""
        file, line = call.file, call.line
        for counts in self._all():
            counts.used.add(file, line)
            counts.hits += 1
            if opens:
                counts.playbacks += 1
            if again:
                counts.absorbed += 1

    def note_recorded(self, places: Collection[tuple[int, int]]) -> None:
        """Note calls that this run recorded itself, or recorded anew, which are not unused."""
        for counts in (self.counts, self.totals.shown, self.totals.run):
            counts.used.add_all(places)
            counts.outdated.difference_update(places)

    def note_outdated(self, places: Collection[tuple[int, int]]) -> None:
        """Note sessions that lack calls of a player who followed them, by their starts."""
        for counts in (self.counts, self.totals.shown, self.totals.run):
            counts.outdated.update(places)

    def count_unrecorded(self) -> None:
        """Count a call that needs no recorded answer, such as a preflight where none was recorded."""
        for counts in self._all():
            counts.hits += 1

    def rewrite(self, rewrites: Iterable[Rewrite]) -> None:
        """Note what was rewritten in an answer, and warn of what was not before."""
        known = self.totals.run.rewritten
        for rewrite in rewrites:
            if rewrite not in known and len(known) < MOST_REWRITES:
                known.add(rewrite)
                if self.totals.changes:
                    self.totals.changes.rewritten.add(rewrite)
                self.warn(rewrite.explain())

    def warn(self, line: str) -> None:
        """Warn of what people should know, if anything is called with warnings."""
        if self._warn:
            self._warn(line)

    def miss(self, miss: Miss) -> None:
        """Count a call that is not in the recording."""
        for counts in self._all():
            counts.misses += 1
            if len(counts.missed) < MOST_MISSES:
                counts.missed.append(miss)


def recorded_calls(index: RecordingIndex) -> list[RecordedCall]:
    """Return the recorded exchanges that players may ask for: all but preflights."""
    calls: list[RecordedCall] = []
    for session in index.sessions:
        calls += [session.start, *session.calls] if session.start else session.calls
    return [*calls, *chain.from_iterable(index.schemas.values()), *index.downloaded]


def unused_calls(calls: Iterable[RecordedCall], used: Places) -> UnusedCalls:
    """Return the recorded exchanges that were not used."""
    return UnusedCalls([call for call in calls if not used.has(call.file, call.line)])


def as_unused(call: RecordedCall) -> Unused:
    """Return the place and the name of a recorded exchange."""
    return Unused(call.file, call.line, name_call(call))


def summarise(calls: Sequence[RecordedCall], counts: ReplayCounts) -> ReplaySummary:
    """Return the result of a replay of some recorded exchanges."""
    return ReplaySummary(
        counts.playbacks,
        counts.hits,
        counts.misses,
        list(counts.missed),
        unused_calls(calls, counts.used),
        counts.absorbed,
        sorted(counts.rewritten),
        [as_unused(call) for call in calls if (call.file, call.line) in counts.outdated] if counts.outdated else [],
    )


def name_call(call: RecordedCall) -> str:
    """Return the name of a recorded exchange: its event type, names and playhead, or else its call."""
    return name_event(call.key, call.position) or str(call.call)


def name_event(key: EventKey, position: EventPosition) -> str:
    """Return the name of an event: its type, names and playhead; empty if it has no type."""
    names = ", ".join(map(shorten_value, key.names))
    playhead = "" if position.playhead is None else f" at {format_number(position.playhead)}"
    return f"{shorten_value(key.event_type)}{f' {names}' if names else ''}{playhead}" if key.event_type else ""


def explain_choice(choice: Choice) -> str:
    """Return why a recorded exchange was chosen, in one line."""
    if choice.call is None:
        return _WHY.get(choice.reason, str(choice.reason))
    return f"line {choice.call.line} ({name_call(choice.call)}), {choice.reason}"


def explain_turn(turn: Turn, live: tuple[object, ...], shown: tuple[object, ...], host: str) -> str:
    """Return which values tied a live sessionStart to its recorded session, in one line.

    Args:
        turn: the recorded session.
        live: the live identity.
        shown: the same as it may be quoted.
        host: the called host.
    """
    equal, different, absent = [], [], []
    for key, recorded, called, quoted in zip(IDENTITY_KEYS, turn.session.identity, live, shown, strict=True):
        if recorded is None and called is None:
            absent.append(key)
        elif recorded == called:
            equal.append(f"{key} {shorten_value(quoted)}")
        else:
            different.append(f"{key} {shorten_value(quoted)} here, {shorten_value(recorded)} there")
    groups = (("equal", equal), ("different", different), ("ignored, since absent", absent))
    parts = [f"{name}: {', '.join(values)}" for name, values in groups if values]
    if host == turn.session.host:
        parts.append(f"host: {host}, which was recorded")
    else:
        parts.append(f"host: {host or '-'} was not recorded with this content; {turn.session.host} there")
    many = "the only session that fits so" if turn.equals == 1 else f"one of {turn.equals} sessions that fit so"
    parts.append(f"turn: {many}, followed {count_of(turn.played, 'time')} before")
    return "; ".join(parts)


def near_lines(nearest: Sequence[NearMiss], files: Sequence[str]) -> Iterator[str]:
    """Yield a line for each of the nearest recorded exchanges of a miss."""
    for near in nearest:
        fields = (f"{each.field} {each.recorded} there, {each.live} here" for each in near.differences)
        spent = "; already used" if near.used else ""
        yield f"{locate(files, near.file, near.line)}  {'; '.join(fields) or 'alike'}{spent}"


def locate(files: Sequence[str], file: int, line: int) -> str:
    """Return the place of a recorded exchange, `NAME:LINE`."""
    return f"{files[file] if file < len(files) else f'recording {file}'}:{line}"


def summary_lines(summary: ReplaySummary, files: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the printed summary; `files` are the recordings' names."""
    played, unused = count_of(summary.playbacks, "session"), count_of(len(summary.unused), "recorded exchange")
    hits, misses = count_of(summary.hits, "hit"), count_of(summary.misses, "miss", "misses")
    yield f"played {played}: {hits}, {misses}, {unused} unused"
    if summary.absorbed:
        yield f"  {count_of(summary.absorbed, 'ping')} more than recorded, answered as the nearest"
    for miss in summary.missed[:MOST_SHOWN]:
        yield f"  missed {miss.call}: {miss.explain()}; {miss.answered}"
        yield from (f"    nearest {line}" for line in near_lines(miss.nearest, files))
    if summary.misses > MOST_SHOWN:
        yield f"  ... and {summary.misses - MOST_SHOWN} more misses"
    for start in summary.outdated[:MOST_SHOWN]:
        place = locate(files, start.file, start.line)
        yield f"  outdated: {place} lacks calls; to record the session anew, play it twice in one run"
    if len(summary.outdated) > MOST_SHOWN:
        yield f"  ... and {len(summary.outdated) - MOST_SHOWN} more outdated sessions"
    unused_calls = summary.unused.calls if isinstance(summary.unused, UnusedCalls) else summary.unused
    for run in islice(_runs(unused_calls), MOST_SHOWN):
        first, last = (each if isinstance(each, Unused) else as_unused(each) for each in (run[0], run[-1]))
        place, calls = locate(files, first.file, first.line), first.call
        if len(run) > 1:
            place, calls = f"{place}-{last.line}", f"{count_of(len(run), 'exchange')}, from {first.call} to {last.call}"
        yield f"  unused: {place} {calls}"
    if (more := _count_runs(unused_calls) - MOST_SHOWN) > 0:
        yield f"  ... and {more} more runs of unused exchanges"


def _runs(unused: Sequence[Unused] | list[RecordedCall]) -> Iterator[list[Unused | RecordedCall]]:
    """Yield the exchanges in groups of consecutive lines."""
    run: list[Unused | RecordedCall] = []
    for each in unused:
        if run and (each.file, each.line) != (run[-1].file, run[-1].line + 1):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _count_runs(unused: Sequence[Unused | RecordedCall]) -> int:
    """Return the number of groups of consecutive lines, of which there may be a million."""
    begins = sum(1 for before, each in pairwise(unused) if each.line != before.line + 1 or each.file != before.file)
    return begins + bool(unused)
