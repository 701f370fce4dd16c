"""A channel on which worker processes hand captured calls, and their counts, to the process that records them.

One process records for all of them, since what identifies a person in a session is known from its start alone, and
since one file has the calls in one order. An answer waits for its exchange as in one process: the recording process
confirms each call, and a worker waits for that, for a bounded time.

Each message is a pickled value behind its length. Both ends are processes of one command. The other end is in
`call_receiver`.
"""

import asyncio
import pickle
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, cast

from tapehead.recording.capture import CapturedCall
from tapehead.recording.waits import BoundedWaits
from tapehead.recording.writer import LARGE_BYTES, LARGE_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.simulator.keyed_engine import MOST_SESSIONS

LENGTH = struct.Struct("!I")
NUMBER = struct.Struct("!Q")
# What a worker waits longer than the recording process, which notices that its disk is slow.
MARGIN_SECONDS = 0.5
# The time that the end of a worker, and of the run, waits for calls that are on their way while none arrives, and that
# a worker waits at most, which is given a time to end.
CLOSE_SECONDS, MOST_CLOSE_SECONDS = 5.0, 9.0


class BegunCall(NamedTuple):
    """A call that has begun to arrive: its number within its worker, the key of its test, and its session's id."""

    number: int
    key: str
    sid: str | None


class SentCall(NamedTuple):
    """A call: its number, which is confirmed once it is stored, or 0; and what its answer changed in counts, if any."""

    number: int
    call: CapturedCall
    counts: object


class SentCounts(NamedTuple):
    """Counts of a worker, as the process that records takes them."""

    counts: object


class LostCall(NamedTuple):
    """Calls that were not handed over.

    Attributes:
        number: the number of a call that has begun, within its worker; None for others.
        sid: the id of their session; None where it is unknown.
        calls: how many they are.
    """

    number: int | None
    sid: str | None
    calls: int = 1


# What workers send; a text is a line to be shown.
SentMessage = SentCall | SentCounts | LostCall | BegunCall | str


class CallSender(asyncio.Protocol):
    """The worker's end of a channel: a store of captured calls.

    Args:
        backlog: the number of bytes that may wait in memory until the recording process takes them.
        warn: called with one line about each problem.
        on_end: called if the recording process has died.
        waits: whether answers wait until the recording process has taken their calls, and stored them if it does.
        is_recorded: whether it stores them; otherwise it audits them alone, so that a call for which there is no room
            is left out with the rest of its session.
        take_counts: returns what the latest answers changed in counts, or None.

    Attributes:
        lost: the number of calls that could not be handed over.
    """

    def __init__(
        self,
        backlog: int,
        warn: Callable[[str], None],
        on_end: Callable[[], object],
        *,
        waits: bool,
        is_recorded: bool = True,
        take_counts: Callable[[], object] = lambda: None,
    ) -> None:
        self.lost = 0
        self._take_counts = take_counts
        self._left_out, self._left_out_limit = dict[str, None](), EntryLimit(MOST_SESSIONS)
        self._backlog = backlog
        self._warn = warn
        self._on_end = on_end
        self._has_waits = waits
        self._is_recorded = is_recorded
        self._transport: asyncio.Transport | None = None
        self._number = 0
        # By number, the calls that are not confirmed: what waits for each, and when it was sent.
        self._sent: dict[int, tuple[asyncio.Future[None], float]] = {}
        # Where each call ends in what was written, unless it has gone to the channel.
        self._ends: deque[int] = deque()
        self._written = 0
        # The calls in flight of which the recording process knows, and how many were lost of which it does not know
        # yet, by their number and their session's id.
        self._begun: set[int] = set()
        self._untold = dict[tuple[int | None, str | None], int]()
        self._confirmed = bytearray()
        self._is_late = self._has_lost = self._is_closing = False
        self._waits = BoundedWaits(TIMEOUT_SECONDS + MARGIN_SECONDS, self._note_delay)
        self._long_waits = BoundedWaits(LARGE_TIMEOUT_SECONDS + MARGIN_SECONDS, self._note_delay)
        self._ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(self._backlog)  # where there is no room, it tells of the end of that

    def resume_writing(self) -> None:
        """Tell of the calls that were lost while there was no room."""
        self._tell_lost()

    def data_received(self, data: bytes) -> None:
        """Let go the answers of calls that are stored."""
        self._confirmed += data
        whole = len(self._confirmed) // NUMBER.size * NUMBER.size
        for (number,) in NUMBER.iter_unpack(self._confirmed[:whole]):
            took = asyncio.get_running_loop().time() - self._release(number)
            self._is_late = self._is_late and took > TIMEOUT_SECONDS / 2
        del self._confirmed[:whole]

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go all answers."""
        transport, self._transport = self._transport, None
        if transport and not self._is_closing:
            self._on_end()
        for number in list(self._sent):
            self._release(number)
        if not self._ended.done():
            self._ended.set_result(None)

    def store(self, item: CapturedCall, size: int) -> Awaitable[None] | None:
        """Hand a call over; return what ends once it is stored, or has taken too long; None if nothing waits."""
        if self._is_late or not self._has_waits:
            self.put(item, size)
            return None
        stored = self._send_call(item, size)
        if stored is None:
            return None
        return (self._waits if size < LARGE_BYTES else self._long_waits).end_in_time(stored)

    def put(self, item: CapturedCall, size: int) -> None:
        """Hand a call over; nothing waits for it."""
        self._send_call(item, size)

    def begin(self, call: BegunCall) -> None:
        """Say that a call is in flight, until the one with its number as `order` is handed over."""
        if self.has_room:
            self._begun.add(call.number)
            self._send(call)

    def show(self, line: str) -> None:
        """Have the recording process show a line, unless another worker has had it shown."""
        if self.has_room:
            self._send(line)

    @property
    def has_room(self) -> bool:
        """True if a small message may be sent."""
        return self._has_room(0)

    def send_counts(self, counts: object) -> None:
        """Hand over counts."""
        self._send(SentCounts(counts))

    def leaves_out(self, sid: str) -> bool:
        """Return whether a session is left out, which counts this call of it."""
        is_left_out = sid in self._left_out
        self.lost += is_left_out
        return is_left_out

    async def close(self) -> None:
        """Hand over what waits, and end; what cannot be handed over is lost."""
        self._is_closing = True
        if self._transport:
            self._tell_lost(is_end=True)
            self._transport.close()
            await self._wait_for_end()
        if self._transport:
            self._forget_sent()
            self.lost += len(self._ends)
            self._transport.abort()  # else some of them might go after all

    async def _wait_for_end(self) -> None:
        """Wait until all is handed over, as long as the recording process takes any of it."""
        loop, waited = asyncio.get_running_loop(), -1
        deadline = loop.time() + MOST_CLOSE_SECONDS
        while (
            self._transport and loop.time() < deadline and (waits := self._transport.get_write_buffer_size()) != waited
        ):
            waited = waits
            await asyncio.wait([self._ended], timeout=min(CLOSE_SECONDS, deadline - loop.time()))

    def _send_call(self, item: CapturedCall, size: int) -> "asyncio.Future[None] | None":
        """Hand a call over; return what is done once it is confirmed, or None if it will not be."""
        self._number += 1
        if self._left_out and self.leaves_out(item.sid or ""):
            if self._has_waits:  # the recording process may know that it has begun
                self._note_lost(item)
            return None
        if not self._has_room(size):
            self._lose(item)
            return None
        self._tell_lost()  # before a later call of the same session
        self._begun.discard(item.order or 0)
        self._send(SentCall(self._number if self._has_waits else 0, item, self._take_counts()))
        self._ends.append(self._written)
        self._forget_sent()
        if not self._has_waits:
            return None
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        self._sent[self._number] = stored, loop.time()
        return stored

    def _lose(self, item: CapturedCall) -> None:
        self.lost += 1
        self._note_lost(item)
        if not self._is_recorded:
            if sid := item.sid:
                self._left_out_limit.make_room(self._left_out, sid)
                self._left_out[sid] = None
        elif not self._has_lost:
            self._has_lost = True
            self._warn("the recording process takes no more calls; traffic continues, and calls are LOST")

    def _note_lost(self, item: CapturedCall) -> None:
        """Have the recording process know of a lost call; memory for that is bounded while it takes nothing."""
        number = item.order if item.order in self._begun else None
        self._begun.discard(item.order or 0)
        # What is stored is not left out with the rest of its session.
        lost = number, None if self._is_recorded else item.sid
        if lost not in self._untold and len(self._untold) >= MOST_SESSIONS:
            lost = number, None
        self._untold[lost] = self._untold.get(lost, 0) + 1
        self._tell_lost()

    def _tell_lost(self, *, is_end: bool = False) -> None:
        """Tell of lost calls, as far as there is room, or at the end."""
        while self._untold and (is_end or self.has_room):
            (number, sid), calls = self._untold.popitem()
            self._send(LostCall(number, sid, calls))

    def _has_room(self, size: int) -> bool:
        """Return whether a message may be sent; a call that is larger than the backlog may go alone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        waiting = transport.get_write_buffer_size()
        return not waiting or waiting + size <= self._backlog

    def _send(self, message: SentMessage) -> None:
        transport = self._transport
        if transport and not transport.is_closing():
            packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            transport.write(LENGTH.pack(len(packed)) + packed)
            self._written += LENGTH.size + len(packed)

    def _forget_sent(self) -> None:
        """Forget the ends of calls that have gone to the channel, where they survive this process."""
        waiting = self._transport.get_write_buffer_size() if self._transport else 0
        while self._ends and self._ends[0] <= self._written - waiting:
            self._ends.popleft()

    def _release(self, number: int) -> float:
        """Let go the answer of a call; return when it was sent."""
        stored, sent = self._sent.pop(number)
        if not stored.done():
            stored.set_result(None)
        return sent

    def _note_delay(self) -> None:
        if not self._is_late:
            self._is_late = True
            if self._is_recorded:
                self._warn("the recording process does not keep up; responses no longer wait for it until it does")
