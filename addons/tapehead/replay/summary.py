"""The books of a replay: what was played, what was missed and what came nearest, what nobody asked for."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tapehead.protocol.events import EventKey, EventPosition
from tapehead.replay.index import RecordedCall, RecordedSession, RecordingIndex
from tapehead.replay.matching import Choice, NearMiss, Reason
from tapehead.text import count_of, shorten_value

# A summary stays readable, whatever the traffic: what goes beyond is counted.
MOST_MISSES = 200
MOST_SHOWN = 20

_WHY = {
    Reason.NO_SUCH_EVENT: "the recorded session has no such event",
    Reason.ALL_USED: "every such event of the recorded session was already used",
    Reason.OUT_OF_PLACE: "the recorded session has such an event, but far from here",
    Reason.NO_SUCH_SESSION: "no recorded session has this content",
    Reason.UNKNOWN_SID: "no session with this id was opened here or recorded",
    Reason.NOT_RECORDED: "the recording has no such call",
}


class Miss(msgspec.Struct, frozen=True):
    """A live call that the recording does not have.

    Attributes:
        call: what it was, such as `pauseStart at 12.0`.
        session: the live session id, or None.
        reason: why nothing matched.
        answered: what was done instead.
        nearest: the recorded exchanges that came nearest.
    """

    call: str
    session: str | None
    reason: Reason
    answered: str
    nearest: list[NearMiss]

    def explain(self) -> str:
        """Why there was no match, in words."""
        return _WHY.get(self.reason, str(self.reason))


class Unused(msgspec.Struct, frozen=True):
    """A recorded call that nobody asked for: its recording's number, its line, and what it is."""

    file: int
    line: int
    call: str


class ReplaySummary(msgspec.Struct, frozen=True):
    """What a replay came to.

    Attributes:
        playbacks: how many live sessions were answered from recorded ones.
        hits: how many calls were answered as recorded.
        misses: how many were not.
        missed: the first of them.
        unused: the recorded calls that nobody asked for, preflights left out.
        absorbed: how many hits were pings beyond those recorded, answered as the nearest of them.
    """

    playbacks: int
    hits: int
    misses: int
    missed: list[Miss]
    unused: list[Unused]
    absorbed: int = 0


class ReplayCounts(msgspec.Struct):
    """What a ledger has counted, so that those of several processes can be put together.

    Attributes:
        playbacks, hits, misses: as in `Summary`.
        missed: the first misses.
        asked: the recorded calls that were given as answers: recording's number and line.
        absorbed: as in `Summary`.
    """

    playbacks: int = 0
    hits: int = 0
    misses: int = 0
    missed: list[Miss] = msgspec.field(default_factory=list)
    asked: set[tuple[int, int]] = msgspec.field(default_factory=set)
    absorbed: int = 0

    def add(self, other: "ReplayCounts") -> None:
        """Take in the books of another process."""
        self.playbacks += other.playbacks
        self.hits += other.hits
        self.misses += other.misses
        self.missed = [*self.missed, *other.missed][:MOST_MISSES]
        self.asked |= other.asked
        self.absorbed += other.absorbed


class ReplayStats:
    """Keeps the books of a replay.

    Attributes:
        books: the books so far.
    """

    def __init__(self) -> None:
        self.counts = ReplayCounts()

    def hit(self, call: RecordedCall, *, opens: bool = False, again: bool = False) -> None:
        """Note that a recorded call was given as an answer; `again` where the same playback had it before."""
        self.counts.asked.add((call.file, call.line))
        self.counts.hits += 1
        self.counts.playbacks += opens
        self.counts.absorbed += again

    def free(self) -> None:
        """Note a call that needs no recorded answer, such as a preflight where none was recorded."""
        self.counts.hits += 1

    def miss(self, miss: Miss) -> None:
        """Note a call that the recording does not have."""
        self.counts.misses += 1
        if len(self.counts.missed) < MOST_MISSES:
            self.counts.missed.append(miss)


def summarise(index: RecordingIndex, counts: ReplayCounts) -> ReplaySummary:
    """What a replay of `tape` came to."""
    unused = [Unused(call.file, call.line, name_call(call)) for call in _unasked(index, counts)]
    return ReplaySummary(counts.playbacks, counts.hits, counts.misses, list(counts.missed), unused, counts.absorbed)


def _unasked(index: RecordingIndex, counts: ReplayCounts) -> Iterator[RecordedCall]:
    schemas = (call for calls in index.schemas.values() for call in calls)
    for call in (*_calls(index.sessions), *schemas, *index.downloaded):
        if (call.file, call.line) not in counts.asked:
            yield call


def _calls(sessions: Iterable[RecordedSession]) -> Iterator[RecordedCall]:
    for session in sessions:
        yield from ([session.start] if session.start else [])
        yield from session.calls


def name_call(call: RecordedCall) -> str:
    """What a recorded call is, in words: its event type, names and playhead."""
    return name_event(call.key, call.position) or str(call.exchange.call)


def name_event(key: EventKey, position: EventPosition) -> str:
    """What an event is, in words: its type, names and playhead; empty if it has no type."""
    names = ", ".join(map(shorten_value, key.names))
    playhead = "" if position.playhead is None else f" at {position.playhead:g}"
    return f"{shorten_value(key.event_type)}{f' {names}' if names else ''}{playhead}" if key.event_type else ""


def explain_choice(choice: Choice) -> str:
    """Why a recorded exchange was chosen, in one line."""
    if choice.call is None:
        return _WHY.get(choice.reason, str(choice.reason))
    return f"line {choice.call.line} ({name_call(choice.call)}), {choice.reason}"


def near_lines(nearest: Sequence[NearMiss], files: Sequence[str]) -> Iterator[str]:
    """The nearest recorded exchanges of a miss, a line each."""
    for near in nearest:
        fields = (f"{each.field} {each.recorded} there, {each.live} here" for each in near.differences)
        spent = "; already used" if near.used else ""
        yield f"{_place(files, near.file, near.line)}  {'; '.join(fields) or 'alike'}{spent}"


def _place(files: Sequence[str], file: int, line: int) -> str:
    return f"{files[file] if file < len(files) else f'recording {file}'}:{line}"


def summary_lines(summary: ReplaySummary, files: Sequence[str]) -> Iterator[str]:
    """The summary for people; `files` are the recordings' names."""
    played, spare = count_of(summary.playbacks, "session"), count_of(len(summary.unused), "recorded call")
    hits, misses = count_of(summary.hits, "hit"), count_of(summary.misses, "miss", "misses")
    yield f"played {played}: {hits}, {misses}, {spare} never asked for"
    if summary.absorbed:
        yield f"  {count_of(summary.absorbed, 'ping')} more than recorded, answered as the nearest"
    for miss in summary.missed[:MOST_SHOWN]:
        yield f"  missed {miss.call}: {miss.explain()}; {miss.answered}"
        yield from (f"    nearest {line}" for line in near_lines(miss.nearest, files))
    yield from _more(summary.misses, "misses")
    runs = list(_runs(summary.unused))
    for run in runs[:MOST_SHOWN]:
        yield f"  never asked for: {_run_name(run, files)}"
    yield from _more(len(runs), "runs of calls never asked for")


def _runs(unused: Iterable[Unused]) -> Iterator[list[Unused]]:
    """Calls on consecutive lines, together."""
    run: list[Unused] = []
    for each in unused:
        if run and (each.file, each.line) != (run[-1].file, run[-1].line + 1):
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _run_name(run: Sequence[Unused], files: Sequence[str]) -> str:
    first, last = run[0], run[-1]
    if first is last:
        return f"{_place(files, first.file, first.line)} {first.call}"
    place = f"{_place(files, first.file, first.line)}-{last.line}"
    return f"{place} {count_of(len(run), 'call')}, from {first.call} to {last.call}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > MOST_SHOWN:
        yield f"  ... and {count - MOST_SHOWN} more {what}"
