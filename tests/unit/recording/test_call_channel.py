"""The channel between worker processes and the one that records: order, waits, bounds, and ends."""

import asyncio
import contextlib
import gc
import pickle
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from support.exchanges import request
from tapehead.internal_errors import InternalErrors
from tapehead.protocol.routes import Call, Route
from tapehead.recording import call_channel, call_receiver
from tapehead.recording.call_channel import BegunCall, CallSender, SentCall
from tapehead.recording.call_receiver import CallReceiver
from tapehead.recording.capture import CapturedCall

BACKLOG = 10_000_000


def call(number: int, size: int = 10) -> CapturedCall:
    return CapturedCall(Route(Call.EVENT, "abc"), request(b"x" * size), None, "no answer", number, number, number)


class Stored:
    """A store that stores nothing until it is told to.

    Attributes:
        orders: the numbers of the calls that came.
        waiting: what their answers wait for.
    """

    def __init__(self) -> None:
        self.orders: list[int | None] = []
        self.waiting: list[asyncio.Future[None]] = []

    def store(self, item: CapturedCall, _size: int) -> asyncio.Future[None]:
        self.orders.append(item.order)
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]

    def confirm(self) -> None:
        """Have all of them stored."""
        for future in self.waiting:
            future.get_loop().call_soon_threadsafe(future.set_result, None)
        self.waiting = []


@contextlib.asynccontextmanager
async def sending(
    channel: socket.socket, warn: Callable[[str], None] = pytest.fail, on_end: Callable[[], Any] = pytest.fail
) -> AsyncIterator[CallSender]:
    # The other end closes what it opened; a worker process has a socket of its own.
    own = channel.dup()
    _, sender = await asyncio.get_running_loop().create_connection(
        lambda: CallSender(BACKLOG, warn, on_end, waits=True), sock=own
    )
    try:
        yield sender
    finally:
        await sender.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def test_answers_wait_until_their_calls_are_stored() -> None:
    stored, shown = Stored(), list[str]()

    async def play(channel: socket.socket) -> None:
        async with sending(channel) as sender:
            waits = [sender.store(call(number, 100_000 * (number % 2)), 10) for number in range(20)]
            sender.show("a line")
            sender.show("a line")
            await until(lambda: len(stored.waiting) == 20 and shown)
            assert not any(wait.done() for wait in waits if isinstance(wait, asyncio.Future))
            stored.confirm()
            async with asyncio.timeout(30):
                await asyncio.gather(*filter(None, waits))
            sender.put(call(20), 10)

    with CallReceiver(stored.store, shown.append, InternalErrors()) as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    assert (stored.orders, shown) == (list(range(21)), ["a line"])


def test_a_call_is_in_flight_until_it_is_stored_or_its_worker_dies() -> None:
    stored, ends = Stored(), list[bool]()

    async def play(receiver: CallReceiver, channel: socket.socket) -> None:
        async with sending(channel) as sender:
            sender.begin(BegunCall(1, "a test", "abc"))
            sender.begin(BegunCall(2, "", "other"))
            await until(lambda: receiver.has_call(None, "other"))
            assert receiver.has_call("a test", "abc")
            assert not receiver.has_call("a test", "other")
            sender.store(call(1), 10)
            await until(lambda: stored.waiting)
            assert receiver.has_call(None, "abc")
            stored.confirm()
            await until(lambda: not receiver.has_call(None, "abc"))
            assert ends == [True]
            assert receiver.has_call(None, None)

    with CallReceiver(stored.store, pytest.fail, InternalErrors()) as receiver:
        receiver.on_end = lambda: ends.append(True)
        with receiver.open() as channel:
            asyncio.run(play(receiver, channel))
        asyncio.run(until(lambda: not receiver.has_call(None, None)))
    assert ends == [True, True]


def test_answers_do_not_wait_for_a_recorder_that_does_not_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_channel, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(call_channel, "MARGIN_SECONDS", -0.5)
    stored, warned = Stored(), list[str]()

    async def play(channel: socket.socket) -> None:
        async with sending(channel, warned.append) as sender:
            first = sender.store(call(0), 10)
            assert first
            await first
            assert sender.store(call(1), 10) is None
            await until(lambda: len(stored.waiting) == 2)

            def is_waited_for() -> bool:
                stored.confirm()
                return sender.store(call(2), 10) is not None

            await until(is_waited_for)

    with CallReceiver(stored.store, pytest.fail, InternalErrors()) as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    (line,) = warned
    assert line.startswith("the recording process does not keep up")
    assert stored.orders[:2] == [0, 1]


def test_what_finds_no_room_is_lost_and_counted() -> None:
    warned: list[str] = []

    async def play() -> int:
        ours, theirs = socket.socketpair()
        with ours:
            async with sending(theirs, warned.append, lambda: None) as sender:
                for number in range(100):
                    sender.put(call(number, 1_000_000), 1_000_000)
                lost = sender.lost
                ours.close()
            theirs.close()
            return lost

    lost = asyncio.run(play())
    assert 80 <= lost < 100
    assert warned == ["the recording process takes no more calls; traffic continues, and calls are LOST"]


def test_a_session_of_which_a_call_finds_no_room_is_left_out_where_nothing_is_stored() -> None:
    stored, left_out = Stored(), list[tuple[str | None, int]]()

    def leave_out(sid: str | None, calls: int) -> None:
        left_out.append((sid, calls))

    async def play(channel: socket.socket) -> int:
        connecting = asyncio.get_running_loop().create_connection(
            lambda: CallSender(0, pytest.fail, pytest.fail, waits=False, is_recorded=False), sock=channel.dup()
        )
        _, sender = await connecting
        sender.begin(BegunCall(1, "", "abc"))
        sender.put(call(0, 10_000_000), 10_000_000)  # it goes alone, and takes a while
        sender.put(call(1), 10)
        sender.put(call(2), 10)
        assert sender.leaves_out("abc")
        assert not sender.leaves_out("other")
        await sender.close()
        return sender.lost

    receiving = CallReceiver(stored.store, pytest.fail, InternalErrors(), leave_out=leave_out)
    with receiving as receiver, receiver.open() as channel:
        lost = asyncio.run(play(channel))
    assert (stored.orders, left_out, lost) == ([0], [("abc", 1)], 3)


@pytest.mark.parametrize(("is_recorded", "sids"), [(True, {None}), (False, {"abc", "s2", None})])
def test_lost_calls_are_told_in_bounded_memory(
    is_recorded: bool, sids: set[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording process may be stopped for hours; what it takes then comes in order."""
    monkeypatch.setattr(call_channel, "MOST_SESSIONS", 2)
    stored, left_out = Stored(), dict[str | None, int]()

    def leave_out(sid: str | None, calls: int) -> None:
        assert stored.orders == [0]
        left_out[sid] = left_out.get(sid, 0) + calls

    def flood(sender: CallSender) -> None:
        sender.begin(BegunCall(1, "", "abc"))
        sender.put(call(0, 10_000_000), 10_000_000)  # it goes alone, and takes a while
        sender.put(call(1), 10)
        assert not sender.has_room
        transport: Any = sender._transport
        waiting = transport.get_write_buffer_size()
        for number in range(2, 1002):
            sender.put(call(number)._replace(route=Route(Call.EVENT, f"s{number % 4}")), 1000)
        assert transport.get_write_buffer_size() == waiting

    async def play(receiver: CallReceiver, channel: socket.socket) -> None:
        _, sender = await asyncio.get_running_loop().create_connection(
            lambda: CallSender(100, lambda _line: None, pytest.fail, waits=True, is_recorded=is_recorded),
            sock=channel.dup(),
        )
        flood(sender)
        await until(lambda: sum(left_out.values()) == 1001)
        assert not receiver.has_call(None, None)
        stored.confirm()
        await sender.close()

    receiving = CallReceiver(stored.store, pytest.fail, InternalErrors(), leave_out=leave_out)
    with receiving as receiver, receiver.open() as channel:
        asyncio.run(play(receiver, channel))
    assert set(left_out) == sids


def test_a_call_of_a_session_that_is_left_out_is_in_flight_no_longer() -> None:
    stored = Stored()

    async def play(receiver: CallReceiver, channel: socket.socket) -> None:
        _, sender = await asyncio.get_running_loop().create_connection(
            lambda: CallSender(1000, pytest.fail, pytest.fail, waits=True, is_recorded=False), sock=channel.dup()
        )
        sender.put(call(0, 10_000_000), 10_000_000)  # it goes alone, and takes a while
        sender.put(call(1), 1000)
        await until(lambda: stored.waiting and sender.has_room)
        sender.begin(BegunCall(2, "", "abc"))
        await until(lambda: receiver.has_call(None, "abc"))
        sender.put(call(2), 10)
        await until(lambda: not receiver.has_call(None, "abc"))
        assert sender.lost == 2
        stored.confirm()
        await sender.close()

    with CallReceiver(stored.store, pytest.fail, InternalErrors()) as receiver, receiver.open() as channel:
        asyncio.run(play(receiver, channel))
    assert stored.orders == [0]


def test_a_worker_learns_of_the_end_of_the_recorder() -> None:
    ends: list[bool] = []

    async def play() -> None:
        ours, theirs = socket.socketpair()
        async with sending(theirs, pytest.fail, lambda: ends.append(True)) as sender:
            theirs.close()
            waits = sender.store(call(0), 10)
            assert waits
            ours.close()
            async with asyncio.timeout(30):
                await waits
        assert ends == [True]

    asyncio.run(play())


def test_half_a_message_of_a_worker_that_died_is_left_out() -> None:
    stored = Stored()
    errors = InternalErrors(report=pytest.fail)

    async def play(channel: socket.socket) -> bytes:
        async with sending(channel) as sender:
            sender.put(call(0), 10)
        return b"\x00\x00\x10\x00half"

    with CallReceiver(stored.store, pytest.fail, errors) as receiver:
        with receiver.open() as channel:
            half = asyncio.run(play(channel))
            channel.sendall(half)
        with receiver.open() as channel:
            asyncio.run(play(channel))
    assert (stored.orders, errors.count) == ([0, 0], 0)


def test_a_call_that_cannot_be_stored_costs_no_other_one() -> None:
    stored, errors = Stored(), InternalErrors(report=lambda _line: None)

    def store(item: CapturedCall, size: int) -> asyncio.Future[None]:
        if item.order == 0:
            raise RuntimeError
        return stored.store(item, size)

    async def play(channel: socket.socket) -> None:
        async with sending(channel) as sender:
            for number in range(3):
                sender.put(call(number), 10)

    with CallReceiver(store, pytest.fail, errors) as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    assert (stored.orders, errors.count) == ([1, 2], 1)


def test_what_has_gone_to_the_recorder_is_not_lost_though_it_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_channel, "CLOSE_SECONDS", 0.1)

    async def play() -> int:
        ours, theirs = socket.socketpair()
        with ours:
            async with sending(theirs, pytest.fail) as sender:
                for number in range(3):
                    sender.put(call(number), 10)
                # It is larger than what may wait, but nothing waits.
                sender.put(call(3, 5_000_000), BACKLOG + 1)
            theirs.close()
            return sender.lost

    assert asyncio.run(play()) == 1


@pytest.mark.parametrize(
    ("is_ending", "most_seconds", "count", "size"), [(False, 60.0, 100, 50_000), (True, 3.0, 300, 10_000)]
)
def test_the_end_takes_calls_as_long_as_any_come(
    is_ending: bool, most_seconds: float, count: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording process is slow while many workers hand over what waited for it, in a given time.

    To store a call takes 20 milliseconds, and to hand all over less than a tenth of that if it is read at once.
    """
    for module in (call_channel, call_receiver):
        monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(call_channel, "MOST_CLOSE_SECONDS", most_seconds)
    monkeypatch.setattr(call_receiver, "MOST_AT_END", 1)
    orders: list[int | None] = []

    def store(item: CapturedCall, _size: int) -> None:
        time.sleep(0.02)
        orders.append(item.order)

    async def play(channel: socket.socket) -> int:
        async with sending(channel) as sender:
            for number in range(count):
                sender.put(call(number, size), size)
        return sender.lost

    with CallReceiver(store, pytest.fail, InternalErrors(report=pytest.fail)) as receiver, receiver.open() as channel:
        receiver.is_ending = is_ending
        lost = asyncio.run(play(channel))
        packed = pickle.dumps(SentCall(0, call(count), None))
        assert lost == 0  # else one is cut in the middle
        channel.setblocking(True)
        channel.sendall(20 * (struct.pack("!I", len(packed)) + packed))  # of a worker that has ended
    assert orders == [*range(count), *[count] * 20]


def test_the_end_leaves_no_task_behind_and_no_open_channel(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(call_receiver, "CLOSE_SECONDS", 0.1)
    taken: list[int | None] = []

    async def wait() -> None:
        await asyncio.Event().wait()

    def store(item: CapturedCall, _size: int) -> Coroutine[Any, Any, None]:
        taken.append(item.order)
        return wait()

    errors = InternalErrors(report=pytest.fail)
    with contextlib.ExitStack() as stack:
        with CallReceiver(store, pytest.fail, errors) as receiver, receiver.open() as channel:
            hanging = stack.enter_context(channel.dup())  # of a worker that hangs
            packed = pickle.dumps(SentCall(1, call(0), None))
            hanging.sendall(struct.pack("!I", len(packed)) + packed)
            asyncio.run(until(lambda: taken))
        gc.collect()
        assert hanging.recv(1) == b""
    assert (taken, caplog.text) == ([0], "")


def test_lines_that_are_shown_once_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_receiver, "MOST_SHOWN", 2)
    shown: list[str] = []

    async def play(channel: socket.socket) -> None:
        async with sending(channel) as sender:
            for line in "aabbcca":
                sender.show(line)

    with CallReceiver(Stored().store, shown.append, InternalErrors()) as receiver, receiver.open() as channel:
        asyncio.run(play(channel))
    assert shown == ["a", "b", "c", "a"]
