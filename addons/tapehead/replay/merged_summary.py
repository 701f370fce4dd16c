"""The summary of a replay by several replicas, from the summary of each: as that of one process for all of them."""

from collections.abc import Iterable, Sequence
from itertools import chain

from tapehead.protocol.session_id import fingerprint
from tapehead.replay.index import RecordingIndex
from tapehead.replay.summary import MOST_MISSES, ReplaySummary, Unused


def merge_summaries(summaries: Sequence[ReplaySummary]) -> ReplaySummary:
    """Return the summary of a replay of the same recordings by several replicas, of which there is one at least.

    A recorded exchange is unused if no replica used it. A ping beyond those recorded counts as one if the same replica
    had answered one before it: summaries do not tell which other exchanges a session had used elsewhere. A session
    lacks calls if one replica says so, although another one may have recorded it anew meanwhile.
    """
    return ReplaySummary(
        playbacks=sum(each.playbacks for each in summaries),
        hits=sum(each.hits for each in summaries),
        misses=sum(each.misses for each in summaries),
        missed=[miss for each in summaries for miss in each.missed][:MOST_MISSES],
        unused=_in_all([each.unused for each in summaries]),
        absorbed=sum(each.absorbed for each in summaries),
        rewritten=sorted(set(chain.from_iterable(each.rewritten for each in summaries))),
        outdated=_in_any([each.outdated for each in summaries]),
    )


def _in_all(lists: Sequence[Sequence[Unused]]) -> list[Unused]:
    """Return the exchanges that are in all of some lists, in the order of the first."""
    first, *others = lists
    places = [{(each.file, each.line) for each in other} for other in others]
    return [each for each in first if all((each.file, each.line) in other for other in places)]


def _in_any(lists: Sequence[Sequence[Unused]]) -> list[Unused]:
    """Return the exchanges that are in one of some lists or more, by recording and line."""
    found = {(each.file, each.line): each for each in chain.from_iterable(lists)}
    return [found[place] for place in sorted(found)]


def fingerprint_of(indexes: Iterable[RecordingIndex]) -> str:
    """Return what tells recordings from others: equal for the same sessions with as many calls."""
    sessions = (session for index in indexes for session in index.sessions)
    return fingerprint(" ".join(f"{session.mark.hex()}:{len(session.calls)}" for session in sessions)).hex()
