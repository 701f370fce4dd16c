"""Capture of the calls that an engine answers, before each answer is sent."""

import time
from collections.abc import Awaitable, Callable

import msgspec

from tapehead.answers import Answer, Arrival
from tapehead.protocol.exchange import ClosedBy
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, Route, sid_of_location
from tapehead.recording.capture import CapturedCall, failure_of, origin_of, size_of_call

CUT_REQUEST = "the client closed the connection in the middle of its request"


class AnsweredCall(msgspec.Struct, frozen=True, gc=False):
    """A call and the answer that it is about to get: what takes no time, while the player waits.

    Attributes:
        route: the call of the API.
        arrival: its arrival.
        request: the request, without the key of a test.
        answer: the answer as it is going to be sent; None if the client left in the middle of the request.
        ended: when that was, by the monotonic clock.
        has_left: whether the client left before the answer.
        source: the name of the run, as `Exchange.source`.
    """

    route: Route
    arrival: Arrival
    request: Request
    answer: Answer | None
    ended: float
    has_left: bool
    source: str

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        return size_of_call(self.request, self._response)

    @property
    def sid(self) -> str | None:
        """The id of its session: that in its path, or the one that its answer issues; None if there is none."""
        if self.route.call is not Call.SESSION or (response := self._response) is None:
            return self.route.sid
        return sid_of_location(response.header("Location"))

    @property
    def _response(self) -> Response | None:
        # Without a response, or with a part of one, it has failed, as `failure_of` says.
        answer = self.answer
        return None if answer is None or answer.cut else answer.response

    def captured(self) -> CapturedCall:
        """Return it as a captured call."""
        answer, arrival, request, response = self.answer, self.arrival, self.request, self._response
        error = CUT_REQUEST if answer is None else failure_of(answer)
        closed_by: ClosedBy | None = "endpoint" if error else "client" if self.has_left else None
        if answer is None:
            closed_by = "client"
            request = Request(method=request.method, url=request.url, headers=request.headers, saved=False)
        return CapturedCall(
            self.route,
            request,
            with_length(response) if response else None,
            error,
            arrival.started,
            arrival.started + self.ended - arrival.began,
            arrival.number,
            self.source,
            closed_by,
            answered=origin_of(answer) if answer else None,
        )


# Called with a call; returns what its answer has to wait for, if anything.
Take = Callable[[AnsweredCall], Awaitable[None] | None]


class CallCapture:
    """The calls that an engine answers, taken at next to no cost for the thread that answers.

    Args:
        take: called with each, before its answer is sent.
        leaves_out: returns whether the calls of a session are left out, where it counts this one; if left out, none is.

    Attributes:
        source: the name of this run in the recording, which tells its numbers from those of other runs.
        on_hold: called with the arrival, the key and the session id of a call whose answer is held back.
        on_end: called when the answer to a call is not held back any more.
    """

    def __init__(self, take: Take, leaves_out: Callable[[str], bool] | None = None) -> None:
        self.source = ""
        self.on_hold: Callable[[Arrival, str, str | None], object] = lambda _arrival, _key, _sid: None
        self.on_end: Callable[[], object] = lambda: None
        self._take = take
        self._leaves_out = leaves_out
        self._count = 0
        # The keys and the session ids of the calls whose answers are held back, by the numbers of their arrivals.
        self._held: dict[int, tuple[str, str | None]] = {}

    def begin(self) -> Arrival:
        """Count a call that begins to arrive."""
        self._count += 1
        return Arrival(self._count, time.time(), time.monotonic())

    def hold(self, arrival: Arrival, request: Request, key: str) -> None:
        """Take note that the answer to a call of a key waits, until the call is added."""
        route = request.collection_call
        if route and route.call is not Call.PREFLIGHT:
            self._held[arrival.number] = key, route.sid
            self.on_hold(arrival, key, route.sid)

    def has_call(self, key: str | None, sid: str | None) -> bool:
        """Return whether the answer to a call of a key, and of a session, is held back; None for any."""
        return any(key in (None, own) and sid in (None, own_sid) for own, own_sid in list(self._held.values()))

    def add(
        self, arrival: Arrival, request: Request, answer: Answer | None, *, has_left: bool = False
    ) -> Awaitable[None] | None:
        """Take a call, as `answers.Capture` says; other requests are left alone."""
        route = request.collection_call
        if route is None:
            return None
        # Under load, most calls are of sessions that are left out, and need no more than to be counted.
        if self._leaves_out and route.sid and not self._held and self._leaves_out(route.sid):
            return None
        try:
            return self._take(AnsweredCall(route, arrival, request, answer, time.monotonic(), has_left, self.source))
        finally:
            if arrival.number in self._held:
                del self._held[arrival.number]
                self.on_end()


def with_length(response: Response) -> Response:
    """Return a response with the length that the server adds."""
    if response.status == 204 or response.header("Content-Length") is not None:
        return response
    return response.with_headers([*response.headers, ("Content-Length", str(len(response.content())))])
