"""Answers and the engines that give them."""

from collections.abc import Callable
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
        note: the reason for this answer, one line for the log; empty if there is none.
        key: the key of the test that the call belongs to; empty if it has none.
    """

    response: Response | None = None
    delay_ms: float = 0
    cut: bool = False
    forward: bool = False
    replaces: str | None = None
    recorded_ms: float = 0
    outcome: Outcome = Outcome.SIMULATED
    note: str = ""
    key: str = ""


class Engine(Protocol):
    """Anything that answers collection calls."""

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to a request that arrived at `now`, in seconds since 1970."""
        ...


# Called with each request, its answer, and its arrival in seconds since 1970.
Observer = Callable[[Request, Answer, float], None]
