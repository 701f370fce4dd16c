"""Answers and the engines that give them."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from tapehead.protocol.messages import Request, Response


class Outcome(StrEnum):
    """The origin of an answer."""

    HIT = "hit"
    MISS = "miss"
    SIMULATED = "simulated"
    FAULT = "fault"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for the player.

    Attributes:
        response: the response; None to close the connection without one.
        delay_ms: how long to wait before it, in milliseconds.
        cut: whether the connection breaks in the middle of the response.
        forward: whether the request goes on to the real endpoint instead.
        replaces: of a forwarded sessionStart, the id of the recorded session that it is recorded anew for, or None.
        recorded_ms: how long the recorded answer took, in milliseconds; 0 for any other.
        outcome: where the answer comes from.
        reason: the reason for this answer, one line for the log, or a function that returns it; empty if there is none.
        key: the key of the test that the call belongs to; empty if it has none.
    """

    response: Response | None = None
    delay_ms: float = 0
    cut: bool = False
    forward: bool = False
    replaces: str | None = None
    recorded_ms: float = 0
    outcome: Outcome = Outcome.SIMULATED
    reason: str | Callable[[], str] = ""
    key: str = ""

    @property
    def note(self) -> str:
        """The reason for this answer, one line for the log; empty if there is none."""
        return self.reason if isinstance(self.reason, str) else self.reason()


class Engine(Protocol):
    """Anything that answers collection calls."""

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to a request that arrived at `now`, in seconds since 1970."""
        ...


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """The arrival of a call: its number, and the time in seconds since 1970 and by the monotonic clock."""

    number: int
    started: float
    began: float


class Capture(Protocol):
    """The calls that an engine answers, taken before their answers are sent."""

    def begin(self) -> Arrival:
        """Count a call that begins to arrive."""
        ...

    def hold(self, arrival: Arrival, request: Request, key: str) -> None:
        """Take note that the answer to a call of a key waits, until the call is added."""
        ...

    def add(
        self, arrival: Arrival, request: Request, answer: Answer | None, *, has_left: bool = False
    ) -> Awaitable[None] | None:
        """Take a call; return what the answer has to wait for, if anything.

        Args:
            arrival: its arrival.
            request: the request, without the key of a test.
            answer: the answer as it is going to be sent; None if the client left in the middle of the request.
            has_left: whether the client left before the answer.
        """
        ...


# Called with each request, its answer, and its arrival in seconds since 1970.
Observer = Callable[[Request, Answer, float], None]
