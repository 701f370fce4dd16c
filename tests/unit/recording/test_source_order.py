"""Entries come in order of arrival: exactly within a source, whatever the clocks say, and in bounded memory."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exchanges import event, opened, sent
from support.sessions import run
from tapehead.interop.reader import read_recordings
from tapehead.protocol.arrival import CLOCK_STEP_MS, LONGEST_ANSWER_MS, ArrivalClock, in_order_of_arrival
from tapehead.protocol.events import arrival_of
from tapehead.protocol.exchange import Entry, Exchange, encode
from tapehead.recording import source_order
from tapehead.recording.source_order import MOST_BYTES, MOST_HELD, sort_by_number
from tapehead.replay.index import build_index


def call(order: int | None, at: float = 0, source: str = "one", elapsed_ms: float = 10) -> Exchange:
    """A ping that names its number; `at` is its time of arrival in seconds."""
    made = sent("s1", event("ping", playhead=order or 0), at)
    return msgspec.structs.replace(made, order=order, source=source, elapsed_ms=elapsed_ms)


def entries(exchanges: Sequence[Exchange]) -> Iterator[Entry]:
    return (Entry(line, exchange) for line, exchange in enumerate(exchanges, start=1))


def sorted_orders(exchanges: Sequence[Exchange]) -> list[int | None]:
    return [entry.exchange.order for entry in sort_by_number(entries(exchanges))]


@given(st.permutations(range(1, 30)), st.lists(st.integers(0, 28)))
def test_calls_of_one_millisecond_come_by_their_numbers(stored: list[int], lost: list[int]) -> None:
    calls = [call(order) for place, order in enumerate(stored) if place not in lost]

    assert sorted_orders(calls) == sorted(each.order or 0 for each in calls)
    assert [each.order for each in in_order_of_arrival(calls)] == sorted_orders(calls)


@settings(deadline=None)
@given(st.permutations(range(1, 20)), st.permutations(range(1, 20)), st.randoms())
def test_each_source_has_its_own_numbers(ones: list[int], others: list[int], chance: random.Random) -> None:
    calls = [*(call(order) for order in ones), *(call(order, source="two") for order in others)]
    chance.shuffle(calls)
    out = [entry.exchange for entry in sort_by_number(entries(calls))]

    assert len(out) == len(calls)
    for source in ("one", "two"):
        assert [each.order for each in out if each.source == source] == list(range(1, 20))


def plainly_sorted(stream: Iterable[Entry]) -> Iterator[Entry]:
    """The entries as `sort_by_number` yields them, looked for among all that wait."""
    due, latest = defaultdict[str, int](lambda: 1), defaultdict[str, float](float)
    waiting: list[tuple[int, int, float, Entry]] = []
    ready: list[tuple[int, int, int, Entry]] = []

    def release(source: str, *, whole: bool = False) -> None:
        own = sorted(each for each in waiting if each[-1].exchange.source == source)
        places = [each[1] for each in own]
        for order, place, answered, entry in own:
            if not whole and order > due[source] and latest[source] - answered <= LONGEST_ANSWER_MS:
                return
            due[source] = max(due[source], order + 1)
            ready.append((min(places), order, place, entry))
            places.remove(place)
            waiting.remove((order, place, answered, entry))

    def passed() -> Iterator[Entry]:
        while ready and (not waiting or min(ready)[0] <= min(each[1] for each in waiting)):
            yield min(ready)[-1]
            ready.remove(min(ready))

    for place, entry in enumerate(stream):
        order, source = entry.exchange.order, entry.exchange.source
        if order is None:
            ready.append((place, 0, place, entry))
        else:
            answered = (arrival_of(entry.exchange) or 0.0) + entry.exchange.elapsed_ms
            # An answer counts where something waits.
            latest[source] = max(latest[source], answered if waiting or order > due[source] else 0.0)
            waiting.append((order, place, answered, entry))
            release(source)
        while order is not None and waiting and len(waiting) + len(ready) > source_order.MOST_HELD:
            first = min(waiting, key=lambda each: (list(due).index(each[-1].exchange.source), each))
            due[first[-1].exchange.source] = first[0]
            release(first[-1].exchange.source)
        yield from passed()
    for source in due:
        release(source, whole=True)
    yield from passed()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(1, 12),
            st.floats(0, 400),
            st.sampled_from(["one", "two"]),
            st.sampled_from([10, 5000, 2 * LONGEST_ANSWER_MS]),
        ),
        max_size=25,
    ),
    st.integers(2, 30),
)
def test_entries_come_as_a_plain_search_finds_them(
    calls: list[tuple[int | None, float, str, float]], most: int
) -> None:
    made = [call(*each) for each in calls]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source_order, "MOST_HELD", most)
        assert list(sort_by_number(entries(made))) == list(plainly_sorted(entries(made)))


@given(st.lists(st.floats(-5000, 5000), min_size=2, max_size=20))
def test_numbers_outlive_a_clock_that_is_set(steps: list[float]) -> None:
    at, calls = 40_000.0, []
    for order, step in enumerate(steps, start=1):
        at = min(max(at + step, 0), 80_000)
        calls.append(call(order, at))
    clock = ArrivalClock()
    times = [clock.arrived_ms(each) or 0.0 for each in calls]

    assert times == sorted(times)
    assert [each.order for each in in_order_of_arrival(calls[::-1])] == list(range(1, len(calls) + 1))


def test_times_go_on_where_a_clock_was_set_back() -> None:
    clock = ArrivalClock()
    times = [clock.arrived_ms(call(order, at)) or 0 for order, at in [(1, 7200), (2, 7210), (3, 3600), (4, 3605)]]

    assert [round(time - times[0]) for time in times] == [0, 10_000, 10_000, 15_000]


def test_times_a_little_back_do_not_shift_what_follows() -> None:
    back = CLOCK_STEP_MS / 1000
    clock = ArrivalClock()
    times = [clock.arrived_ms(call(order, at)) or 0 for order, at in [(1, 100), (2, 100 - back), (3, 105)]]

    assert [round(time - times[0]) for time in times] == [0, 0, 5000]


def test_a_call_that_comes_too_late_is_not_later_than_what_it_preceded() -> None:
    clock = ArrivalClock()
    last = clock.arrived_ms(call(5, 100))

    assert clock.arrived_ms(call(3, 200)) == last
    assert clock.arrived_ms(call(4, 99)) == (last or 0) - 1000


def test_calls_without_numbers_keep_their_order() -> None:
    calls = [call(None, at) for at in (3, 1, 2)]

    assert [entry.line for entry in sort_by_number(entries(calls))] == [1, 2, 3]
    assert in_order_of_arrival(calls) == [calls[1], calls[2], calls[0]]


def test_other_sources_do_not_run_ahead_of_one_that_waits() -> None:
    calls = [call(2, 10), call(None, 11, "old"), call(1, 12, "two"), call(1, 9)]

    assert [entry.line for entry in sort_by_number(entries(calls))] == [4, 1, 2, 3]


def test_a_call_in_flight_for_minutes_is_passed_on_when_it_comes() -> None:
    seconds = LONGEST_ANSWER_MS / 1000
    calls = [
        call(1),
        call(3, 2),
        call(4, 3),
        call(5, 3 + seconds),
        call(2, 1, elapsed_ms=2 * LONGEST_ANSWER_MS),
        call(6, 300),
    ]
    stream = sort_by_number(entries(calls))

    assert sorted_orders(calls) == [1, 3, 4, 5, 2, 6]
    assert [next(stream).exchange.order for _ in range(3)] == [1, 3, 4]


def test_a_late_call_is_put_in_its_place_by_the_audit() -> None:
    start = msgspec.structs.replace(opened("s1", {"eventType": "sessionStart"}), order=1, source="one")
    late = call(3, 20, elapsed_ms=3 * LONGEST_ANSWER_MS)
    calls = [start, call(2, 10), call(4, 30), call(5, 40 + LONGEST_ANSWER_MS / 1000), call(6, 300), late, call(7, 310)]
    (result,) = run([entry.exchange for entry in sort_by_number(entries(calls))])

    assert [step.event.order for step in result.steps] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("bound", ["number", "bytes"])
def test_memory_is_bounded(bound: str) -> None:
    size = MOST_BYTES // 10 if bound == "bytes" else 0
    most = 10 if bound == "bytes" else MOST_HELD
    taken = 0

    def stream() -> Iterator[Entry]:
        nonlocal taken
        for order in range(2, 3 * most):
            taken += 1
            made = call(order)
            body = b'{"a":"%s"}' % (b"x" * size)
            yield Entry(order, msgspec.structs.replace(made, request=made.request.with_content(body)))

    for given_out, entry in enumerate(sort_by_number(stream())):
        assert taken - given_out <= most + 1
        assert entry.exchange.order == given_out + 2
    assert given_out == 3 * most - 3


def test_a_source_goes_on_in_the_next_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a-1.jsonl", tmp_path / "a.jsonl"
    first.write_bytes(b"".join(map(encode, [call(1, 1), call(3, 3), call(4, 4)])))
    second.write_bytes(b"".join(map(encode, [call(2, 2, elapsed_ms=5000), call(5, 9)])))

    assert [entry.exchange.order for entry in read_recordings([tmp_path])] == [1, 2, 3, 4, 5]


def test_replay_takes_calls_by_their_numbers() -> None:
    start = msgspec.structs.replace(opened("s1", {"eventType": "sessionStart"}), order=1, source="one")
    index = build_index([list(entries([call(3, 0), call(2, 0), start]))])

    assert [each.line for each in index.sessions[0].calls] == [2, 1]


def test_events_of_one_millisecond_are_audited_by_their_numbers() -> None:
    start = msgspec.structs.replace(opened("s1", {"eventType": "sessionStart"}), order=1, source="one")
    (result,) = run([start, call(4, 5), call(2, 5), call(3, 5)])

    assert [step.event.order for step in result.steps if step.event.order] == [1, 2, 3, 4]
    assert [event.order for event in sorted((step.event for step in result.steps), key=lambda each: each.index)] == [
        1,
        2,
        3,
        4,
    ]
