"""The ends of the channels of `call_channel` in the process that records."""

import asyncio
import pickle
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import cast

from tapehead.internal_errors import InternalErrors
from tapehead.protocol.routes import Call
from tapehead.recording.call_channel import (
    CLOSE_SECONDS,
    LENGTH,
    NUMBER,
    BegunCall,
    LostCall,
    SentCall,
    SentCounts,
    SentMessage,
)
from tapehead.recording.capture import CapturedCall
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.simulator.keyed_engine import MOST_SESSIONS

# The lines that are remembered, so that each is shown once.
MOST_SHOWN = 10_000

# The messages that are taken from a channel between two looks at what else has come, once the run ends.
MOST_AT_END = 16

# Stores a call, given its size; returns what its answer has to wait for.
Store = Callable[[CapturedCall, int], Awaitable[None] | None]


class CallReceiver:
    """The ends of all channels in the process that records, in a thread of its own; use it as a context manager.

    Args:
        store: takes each call, in that thread.
        show: shows a line, each one once.
        internal_errors: records what fails.
        count: takes counts of workers, in that thread.
        leave_out: called in that thread with a session of which calls are missing, or with None, and with their number.

    Attributes:
        on_end: called when a call is not in flight any more.
        is_ending: whether what comes is read at once, and taken later, since workers have little time to hand it over.
    """

    def __init__(
        self,
        store: Store,
        show: Callable[[str], None],
        internal_errors: InternalErrors,
        count: Callable[[object], None] = lambda _counts: None,
        leave_out: Callable[[str | None, int], None] = lambda _sid, _calls: None,
    ) -> None:
        self._count, self._leave_out = count, leave_out
        self._store = store
        self._show = show
        self._internal_errors = internal_errors
        self.on_end: Callable[[], object] = lambda: None
        self.is_ending = False
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
            connecting = self._loop.create_connection(lambda: _Connection(self, ours), sock=ours)
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

    def take(self, packed: bytearray, connection: "_Connection") -> None:
        """Take a message; what fails costs that one alone."""
        try:
            self._take(pickle.loads(packed), connection)  # noqa: S301 - of a process of this command
        except Exception as error:  # noqa: BLE001
            self._internal_errors.record("taking what a worker has sent", error)

    def _take(self, message: SentMessage, connection: "_Connection") -> None:
        match message:
            case SentCall():
                if message.counts is not None:
                    self._count(message.counts)
                self._take_call(message, connection)
            case SentCounts():
                self._count(message.counts)
            case BegunCall():
                connection.begun[message.number] = message
            case LostCall():
                self._leave_out(message.sid, message.calls)
                self._end(message.number, connection)
            case str() if message not in self._shown:
                self._shown_limit.make_room(self._shown, message)
                self._shown[message] = None
                self._show(message)

    def _take_call(self, sent: SentCall, connection: "_Connection") -> None:
        number, call = sent.number, sent.call
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
        self._end(call.order, connection)
        connection.confirm(number)

    def _end(self, number: int | None, connection: "_Connection") -> None:
        if connection.begun.pop(number or 0, None):
            self.on_end()

    async def _wait_for_end(self) -> None:
        while self._open:
            self._has_ended.clear()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._has_ended.wait()
            except TimeoutError:
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
        own: the socket, which the transport closes.

    Attributes:
        begun: the calls that are in flight, by their numbers.
    """

    def __init__(self, receiver: CallReceiver, own: socket.socket) -> None:
        self._socket = own
        self.begun: dict[int, BegunCall] = {}
        self._receiver = receiver
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._confirmed: list[int] = []
        self._is_scheduled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to take messages."""
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.attach(self)

    def data_received(self, data: bytes) -> None:
        """Take the messages that are whole."""
        self._received += data
        self._take()

    def _take(self) -> None:
        """Take the messages that are whole; once the run ends, a few of them, and the others soon."""
        received, at, count = self._received, 0, 0
        while len(received) >= at + LENGTH.size:
            if self._receiver.is_ending and count == MOST_AT_END:
                self._take_more()
                break
            (length,) = LENGTH.unpack_from(received, at)
            end = at + LENGTH.size + length
            if len(received) < end:
                break
            self._receiver.take(received[at + LENGTH.size : end], self)
            at, count = end, count + 1
        del received[:at]
        if self._transport is None and not self._is_scheduled:
            self._receiver.detach(self)

    def _take_more(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._take_scheduled)

    def _take_scheduled(self) -> None:
        self._is_scheduled = False
        self._take()

    def connection_lost(self, _error: Exception | None) -> None:
        """End once all is taken; a message that is not whole is of a call whose worker died."""
        self._transport = None
        self._take_more()

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
        left, self._confirmed = b"".join(map(NUMBER.pack, self._confirmed)), []
        if self._transport is None:
            return
        # Where a worker has ended, a transport that cannot write would not read what came before.
        if not self._transport.get_write_buffer_size():
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                pass
            except OSError:
                return
        self._transport.write(left)
