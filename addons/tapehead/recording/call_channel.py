"""A channel on which worker processes hand captured calls to the process that records them.

One process records for all of them, since what identifies a person in a session is known from its start alone, and
since one file has the calls in one order. An answer waits for its exchange as in one process: the recording process
confirms each call, and a worker waits for that, for a bounded time.

Each message is a pickled value behind its length. Both ends are processes of one command.
"""

import asyncio
import pickle
import socket
import struct
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.routes import Call
from tapehead.recording.capture import CapturedCall
from tapehead.recording.waits import BoundedWaits
from tapehead.recording.writer import LARGE_BYTES, LARGE_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.simulator.keyed_engine import MOST_SESSIONS

_LENGTH = struct.Struct("!I")
_NUMBER = struct.Struct("!Q")
# What a worker waits longer than the recording process, which notices that its disk is slow.
MARGIN_SECONDS = 0.5
# The time that the end of a worker, and of the run, waits for calls that are on their way.
CLOSE_SECONDS = 5.0
# The lines that are remembered, so that each is shown once.
MOST_SHOWN = 10_000

# Stores a call, given its size; returns what its answer has to wait for.
Store = Callable[[CapturedCall, int], Awaitable[None] | None]


class BegunCall(NamedTuple):
    """A call that has begun to arrive: its number within its worker, the key of its test, and its session's id."""

    number: int
    key: str
    sid: str | None


class CallSender(asyncio.Protocol):
    """The worker's end of a channel: a store of captured calls.

    Args:
        backlog: the number of bytes that may wait in memory until the recording process takes them.
        warn: called with one line about each problem.
        on_end: called if the recording process has died.
        waits: whether answers wait until their calls are stored.

    Attributes:
        lost: the number of calls that could not be handed over.
    """

    def __init__(self, backlog: int, warn: Callable[[str], None], on_end: Callable[[], object], *, waits: bool) -> None:
        self.lost = 0
        self._backlog = backlog
        self._warn = warn
        self._on_end = on_end
        self._has_waits = waits
        self._transport: asyncio.Transport | None = None
        self._number = 0
        # By number, the calls that are not confirmed: what waits for each, and when it was sent.
        self._sent: dict[int, tuple[asyncio.Future[None], float]] = {}
        # Where each call ends in what was written, unless it has gone to the channel.
        self._ends: deque[int] = deque()
        self._written = 0
        self._confirmed = bytearray()
        self._is_late = self._has_lost = self._is_closing = False
        self._waits = BoundedWaits(TIMEOUT_SECONDS + MARGIN_SECONDS, self._note_delay)
        self._long_waits = BoundedWaits(LARGE_TIMEOUT_SECONDS + MARGIN_SECONDS, self._note_delay)
        self._ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to send."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Let go the answers of calls that are stored."""
        self._confirmed += data
        whole = len(self._confirmed) // _NUMBER.size * _NUMBER.size
        for (number,) in _NUMBER.iter_unpack(self._confirmed[:whole]):
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
        self._send(call)

    def show(self, line: str) -> None:
        """Have the recording process show a line, unless another worker has had it shown."""
        self._send(line)

    async def close(self) -> None:
        """Hand over what waits, and end; what cannot be handed over is lost."""
        self._is_closing = True
        if self._transport:
            self._transport.close()
            await asyncio.wait([self._ended], timeout=CLOSE_SECONDS)
        if self._transport:
            self._forget_sent()
            self.lost += len(self._ends)
            self._transport.abort()  # else some of them might go after all

    def _send_call(self, item: CapturedCall, size: int) -> "asyncio.Future[None] | None":
        """Hand a call over; return what is done once it is confirmed, or None if it will not be."""
        self._number += 1
        if self._send((self._number if self._has_waits else 0, item), size):
            self._ends.append(self._written)
            self._forget_sent()
            if not self._has_waits:
                return None
            loop = asyncio.get_running_loop()
            stored = loop.create_future()
            self._sent[self._number] = stored, loop.time()
            return stored
        self.lost += 1
        if not self._has_lost:
            self._has_lost = True
            self._warn("the recording process takes no more calls; traffic continues, and calls are LOST")
        return None

    def _send(self, message: object, size: int = 0) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        waiting = transport.get_write_buffer_size()
        if waiting and waiting + size > self._backlog:  # a call that is larger on its own may go alone
            return False
        packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        transport.write(_LENGTH.pack(len(packed)) + packed)
        self._written += _LENGTH.size + len(packed)
        return True

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
            self._warn("the recording process does not keep up; responses no longer wait for it until it does")


class CallReceiver:
    """The ends of all channels in the process that records, in a thread of its own; use it as a context manager.

    Args:
        store: takes each call, in that thread.
        show: shows a line, each one once.
        internal_errors: records what fails.

    Attributes:
        on_end: called when a call is not in flight any more.
    """

    def __init__(self, store: Store, show: Callable[[str], None], internal_errors: InternalErrors) -> None:
        self._store = store
        self._show = show
        self._internal_errors = internal_errors
        self.on_end: Callable[[], object] = lambda: None
        self._keys, self._limit = dict[str, str](), EntryLimit(MOST_SESSIONS)
        self._shown, self._shown_limit = dict[str, None](), EntryLimit(MOST_SHOWN)
        self._loop = asyncio.new_event_loop()
        self._open: set[_Connection] = set()
        self._has_ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tapehead-calls", daemon=True)

    def __enter__(self) -> "CallReceiver":
        """Begin to take calls."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take what has been sent, and end."""
        asyncio.run_coroutine_threadsafe(self._wait_for_end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def open(self) -> Iterator[socket.socket]:
        """Yield the worker's end of a new channel, which is closed in this process afterwards."""
        ours, theirs = socket.socketpair()
        with theirs:
            connecting = self._loop.create_connection(lambda: _Connection(self), sock=ours)
            asyncio.run_coroutine_threadsafe(connecting, self._loop).result()
            yield theirs

    def has_call(self, key: str | None, sid: str | None) -> bool:
        """Return whether a call of a key, and of a session, is in flight in a worker; None for any."""
        begun = [call for each in list(self._open) for call in list(each.begun.values())]
        return any(
            sid in (None, call.sid) and key in (None, call.key or self._keys.get(call.sid or "", "")) for call in begun
        )

    # ---- In the thread ----

    def attach(self, connection: "_Connection") -> None:
        """Note a channel that is open."""
        self._open.add(connection)

    def detach(self, connection: "_Connection") -> None:
        """Note that a channel has ended."""
        self._open.discard(connection)
        self._has_ended.set()
        self.on_end()

    def take(self, message: tuple[int, CapturedCall] | BegunCall | str, connection: "_Connection") -> None:
        """Take a message: a line, a call that begins, or one with its number, which is confirmed once it is stored."""
        if isinstance(message, BegunCall):
            connection.begun[message.number] = message
            return
        if isinstance(message, str):
            if message not in self._shown:
                self._shown_limit.make_room(self._shown, message)
                self._shown[message] = None
                self._show(message)
            return
        number, call = message
        call = call._replace(key=self._key_of(call))
        waiting = None
        try:
            waiting = self._store(call, call.size)
        except Exception as error:  # noqa: BLE001 - it costs this call alone
            self._internal_errors.record("storing a call", error)
        if waiting is None:
            self._confirm(call, number, connection)
        else:
            stored = asyncio.ensure_future(waiting)
            stored.add_done_callback(lambda _stored: self._confirm(call, number, connection))

    def _key_of(self, call: CapturedCall) -> str:
        """Return the key of a call, or of its session, whose start may have come to another worker."""
        sid = call.sid or ""
        if not call.key:
            return self._keys.get(sid, "") if self._keys else ""
        if sid and call.route.call is Call.SESSION:
            if sid not in self._keys:
                self._limit.make_room(self._keys, sid)
            self._keys[sid] = call.key
        return call.key

    def _confirm(self, call: CapturedCall, number: int, connection: "_Connection") -> None:
        if connection.begun.pop(call.order or 0, None):
            self.on_end()
        connection.confirm(number)

    async def _wait_for_end(self) -> None:
        deadline = self._loop.time() + CLOSE_SECONDS
        while self._open and self._loop.time() < deadline:
            self._has_ended.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._has_ended.wait()
            except TimeoutError:
                break
        for each in list(self._open):
            each.abort()
        # Confirmations that no worker waits for any more.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


class _Connection(asyncio.Protocol):
    """One channel, in the process that records.

    Args:
        receiver: takes the messages.

    Attributes:
        begun: the calls that are in flight, by their numbers.
    """

    def __init__(self, receiver: CallReceiver) -> None:
        self.begun: dict[int, BegunCall] = {}
        self._receiver = receiver
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._confirmed: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to take messages."""
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.attach(self)

    def data_received(self, data: bytes) -> None:
        """Take the messages that are whole."""
        received, at = self._received, 0
        received += data
        while len(received) >= at + _LENGTH.size:
            (length,) = _LENGTH.unpack_from(received, at)
            end = at + _LENGTH.size + length
            if len(received) < end:
                break
            with memoryview(received) as view:
                message = pickle.loads(view[at + _LENGTH.size : end])  # noqa: S301 - of a process of this command
            at = end
            self._receiver.take(message, self)
        del received[:at]

    def connection_lost(self, _error: Exception | None) -> None:
        """End; a message that is not whole is of a call whose worker died."""
        self._transport = None
        self._receiver.detach(self)

    def abort(self) -> None:
        """End; what comes later is not taken."""
        if self._transport:
            self._transport.abort()

    def confirm(self, number: int) -> None:
        """Tell the worker soon that a call is stored, unless it has no number, since nothing waits for it."""
        if not number:
            return
        if not self._confirmed:
            asyncio.get_running_loop().call_soon(self._send_confirmed)
        self._confirmed.append(number)

    def _send_confirmed(self) -> None:
        numbers, self._confirmed = self._confirmed, []
        if self._transport:
            self._transport.write(b"".join(map(_NUMBER.pack, numbers)))
