"""Capture of the calls that an engine answers, before each answer is sent."""

import time
from collections.abc import Awaitable, Callable

from tapehead.answers import Answer, Arrival
from tapehead.protocol.exchange import ClosedBy
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import find_call
from tapehead.recording.capture import CapturedCall, failure_of, origin_of

CUT_REQUEST = "the client closed the connection in the middle of its request"

# Called with a call; returns what its answer has to wait for, if anything.
Take = Callable[[CapturedCall], Awaitable[None] | None]
# Called with a session id; returns whether a call of that session is to be left out, which counts it.
LeavesOut = Callable[[str], bool]


class CallCapture:
    """Makes captured calls of what an engine answers.

    Args:
        take: called with each, before its answer is sent.
        leaves_out: says which calls are left out, so that they need not be made.

    Attributes:
        source: the name of this run in the recording, which tells its numbers from those of other runs.
    """

    def __init__(self, take: Take, leaves_out: LeavesOut = lambda _sid: False) -> None:
        self.source = ""
        self._take = take
        self._leaves_out = leaves_out
        self._count = 0

    def begin(self) -> Arrival:
        """Count a call that begins to arrive."""
        self._count += 1
        return Arrival(self._count, time.time(), time.monotonic())

    def add(
        self, arrival: Arrival, request: Request, answer: Answer | None, *, has_left: bool = False
    ) -> Awaitable[None] | None:
        """Take a call, as `answers.Capture` says; other requests are left alone."""
        route = find_call(request.method, request.path)
        if route is None or (route.sid and self._leaves_out(route.sid)):
            return None
        error = CUT_REQUEST if answer is None else failure_of(answer)
        response = answer.response if answer and not error else None
        closed_by: ClosedBy | None = "endpoint" if error else "client" if has_left else None
        if answer is None:
            closed_by = "client"
            request = Request(method=request.method, url=request.url, headers=request.headers, saved=False)
        call = CapturedCall(
            route,
            request,
            with_length(response) if response else None,
            error,
            arrival.started,
            arrival.started + time.monotonic() - arrival.began,
            arrival.number,
            self.source,
            closed_by,
            answered=origin_of(answer) if answer else None,
        )
        return self._take(call)


def with_length(response: Response) -> Response:
    """Return a response with the length that the server adds."""
    if response.status == 204 or response.header("Content-Length") is not None:
        return response
    return response.with_headers([*response.headers, ("Content-Length", str(len(response.content())))])
