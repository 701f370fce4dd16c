"""The places that a replay has used: the same as a set of them, in few bytes."""

import tracemalloc

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from support.exchanges import index_of, session
from support.replay import STEPS
from tapehead.replay.places import Places
from tapehead.replay.summary import ReplayStats

CALLS = 20_000
Lists = list[tuple[int, int]]
PLACES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300) | st.integers(4090, 4100)))


@given(PLACES, PLACES)
def test_places_are_those_that_were_added(one: Lists, other: Lists) -> None:
    places, more = Places(), Places()
    for file, line in one:
        places.add(file, line)
    more.add_all(other)
    places.add_all(more)

    assert sorted(places) == sorted({*one, *other})
    assert sorted(more) == sorted({*other})
    copied = places.copy()
    copied.add(9, 9)
    assert sorted(copied) == sorted({*one, *other, (9, 9)})
    assert (places == more) == ({*one, *other} == {*other})
    asked = [(file, line) for file in range(5) for line in [*range(1, 302), *range(4088, 4102)]]
    assert [place for place in asked if places.has(*place)] == sorted({*one, *other})


def test_a_used_exchange_takes_few_bytes() -> None:
    call = index_of(session("abc", STEPS)).sessions[0].calls[0]
    stats = ReplayStats()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for line in range(1, CALLS + 1):
        stats.hit(msgspec.structs.replace(call, line=line))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert stats.totals.run.used.has(0, CALLS)
    assert taken < 8 * CALLS


def test_one_session_at_the_end_of_a_long_recording_takes_few_bytes() -> None:
    """Each key has places of its own, and there may be a thousand."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    places = Places()
    for line in range(900_000, 900_100):
        places.add(0, line)
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert len(list(places)) == 100
    assert taken < 4_000
