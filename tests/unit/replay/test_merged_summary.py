"""The summary of several replicas, from that of each."""

from tapehead.replay.merged_summary import merge_summaries
from tapehead.replay.summary import ReplaySummary, Unused


def test_a_session_that_lacks_calls_is_told_if_one_replica_knows_it() -> None:
    first, second, third = (Unused(0, line, "sessionStart") for line in (1, 5, 9))
    parts = [ReplaySummary(0, 0, 1, [], [], outdated=each) for each in ([second], [], [first, second, third])]

    assert merge_summaries(parts).outdated == [first, second, third]
    assert merge_summaries(parts[1:2]).outdated == []
