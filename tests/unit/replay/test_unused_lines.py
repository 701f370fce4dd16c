"""The summary of a replay lists the first runs of unused exchanges, and counts the others."""

from hypothesis import given
from hypothesis import strategies as st

from tapehead.replay.summary import MOST_SHOWN, ReplaySummary, Unused, summary_lines

PLACES = st.sets(st.tuples(st.integers(0, 1), st.integers(1, 90)))


@given(PLACES)
def test_runs_of_unused_exchanges_are_listed_and_counted(places: set[tuple[int, int]]) -> None:
    runs = [place for place in sorted(places) if (place[0], place[1] - 1) not in places]
    unused = [Unused(file, line, "ping") for file, line in sorted(places)]
    lines = list(summary_lines(ReplaySummary(0, 0, 0, [], unused), ["a", "b"]))[1:]

    listed = [line for line in lines if line.startswith("  unused: ")]
    assert [line.split()[1].partition("-")[0] for line in listed] == [
        f"{'ab'[file]}:{line}" for file, line in runs[:MOST_SHOWN]
    ]
    more = len(runs) - MOST_SHOWN
    assert lines[len(listed) :] == ([f"  ... and {more} more runs of unused exchanges"] if more > 0 else [])
