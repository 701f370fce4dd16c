"""Turns of equal sessions: the least played one is next, in recorded order, also where others come later."""

from heapq import heappush, heapreplace

from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import index_of, session
from tapehead.replay.turns import ANY_HOST, Equals, Turns

SESSIONS = index_of([call for number in range(12) for call in session(f"s{number}", [])]).sessions
IDENTITY, OTHER = ("a", "b"), ("a", "c")


@given(st.lists(st.sampled_from(["turn", "turn", "turn", "another"]), max_size=60))
def test_the_least_played_session_is_next(steps: list[str]) -> None:
    numbers, heap = [0], [(0, 0)]
    turns = Turns({("a", ANY_HOST): {IDENTITY: numbers}})
    for step in steps:
        if step == "another" and len(numbers) < len(SESSIONS):
            heappush(heap, (0, len(numbers)))
            numbers.append(len(numbers))
            continue
        played, number = heap[0]
        heapreplace(heap, (played + 1, number))
        turn = turns.next(SESSIONS, IDENTITY, "h")
        assert turn
        assert (turn.played, turn.session.number, turn.equals) == (played, number, len(numbers))


def test_of_sessions_that_fit_equally_the_least_played_is_next() -> None:
    equals: Equals = {("a", ANY_HOST): {IDENTITY: [0], OTHER: [1, 2]}}
    turns = Turns(equals)
    chosen = [turns.next(SESSIONS, ("a", "d"), "h") for _ in range(5)]
    assert [turn and turn.session.number for turn in chosen] == [0, 1, 2, 0, 1]
    assert Turns(equals).next(SESSIONS, ("b", "b"), "h") is None
