"""Conditions that a test waits for: an event, silence, a number of calls or of findings."""

import asyncio
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, Protocol, Self

import msgspec

from tapehead.answers import Outcome
from tapehead.errors import UsageError
from tapehead.journal.rows import CallRow, FindingCounts
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.exchange import Severity
from tapehead.protocol.responses import REFUSED
from tapehead.text import nearest, shorten

DEFAULT_QUIET_SECONDS = 2.0
# Types that are counted; a player may send any number.
MOST_TYPES = 100
_CONDITION = re.compile(r"(?P<kind>event|quiet|findings|calls)(?::(?P<value>.+))?", re.DOTALL)
# As a JSON Schema has it.
UNTIL_PATTERN = (
    rf"^({'|'.join(sorted(map(re.escape, EVENT_TYPES)))}|event:[\s\S]+|quiet(:[0-9]{{1,9}}(\.[0-9]{{1,3}})?)?"
    r"|(calls|findings):[0-9]{1,9}(\.0{1,3})?)$"
)
_EXPECTED = "expected event:TYPE or the TYPE alone, quiet:SECONDS, calls:COUNT or findings:COUNT"


class Counts(msgspec.Struct, kw_only=True):
    """Counts of a session, of the calls with a key, or of all calls.

    Attributes:
        calls, sessions, refused, misses: the number of each.
        types: the number of events by type.
        last: the number of the last call with an event of each type.
        findings: the number of findings.
        latest: when the latest call came, by the monotonic clock, or when counting began.
    """

    calls: int = 0
    sessions: int = 0
    refused: int = 0
    misses: int = 0
    types: Counter[str] = msgspec.field(default_factory=Counter)
    last: dict[str, int] = msgspec.field(default_factory=dict)
    findings: FindingCounts = msgspec.field(default_factory=FindingCounts)
    latest: float

    def add_call(self, row: CallRow, types: Iterable[str], now: float, *, is_new: bool) -> None:
        """Count a call with its events, of a session that is new or not."""
        self.calls += 1
        self.sessions += is_new
        self.refused += row.status is None or row.status >= REFUSED
        self.misses += row.answered is not None and row.answered.outcome == Outcome.MISS
        self.latest = now
        for event_type in types:
            if len(self.types) < MOST_TYPES or event_type in self.types:
                self.types[event_type] += 1
                self.last[event_type] = row.number

    def subtract(self, part: Self) -> None:
        """Take out the counts of a part; types that were not all counted end at 0."""
        self.calls -= part.calls
        self.sessions -= part.sessions
        self.refused -= part.refused
        self.misses -= part.misses
        for severity in Severity:
            self.findings.add(severity, -getattr(part.findings, severity))
        for event_type, count in part.types.items():
            left = self.types[event_type] - count
            if left > 0:
                self.types[event_type] = left
            else:
                self.types.pop(event_type, None)
                self.last.pop(event_type, None)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on the calls of a session, of a key, or on all.

    Attributes:
        kind: what it is about.
        event_type: the type of the event that has to come.
        count: the number of calls, or of findings, that has to be there; 0 findings for none, though calls came.
        severity: findings of this severity or a worse one count; None for all.
        seconds: how long no call may come.
        session: the session id; None for any.
        key: the key of a test; None for any.
        after: the number of the call after which events or calls count; None for all.
        before: how many of the calls that are counted came before that.
        resets: the number of resets when that was so.
    """

    kind: Literal["event", "quiet", "findings", "calls"]
    event_type: str = ""
    count: int = 0
    severity: Severity | None = None
    seconds: float = 0.0
    session: str | None = None
    key: str | None = None
    after: int | None = None
    before: int = 0
    resets: int = 0

    @property
    def is_of_absence(self) -> bool:
        """True if it is that there are no findings."""
        return self.kind == "findings" and not self.count

    @property
    def is_of_silence(self) -> bool:
        """True if it is that nothing more comes, which does not hold while a call is under way."""
        return self.kind == "quiet" or self.is_of_absence

    def takes_severity(self, severity: Severity) -> bool:
        """Return whether findings of a severity count."""
        return self.severity is None or severity.reaches(self.severity)

    def remaining(self, counts: Counts | None, now: float) -> float:
        """Return the seconds until the condition holds if nothing changes: 0 if it does, infinite if it never will.

        Args:
            counts: the counts of what it is about; None if no call of that came.
            now: the time, by the monotonic clock.
        """
        if counts is None:
            return math.inf
        match self.kind:
            case "event":
                came = counts.types[self.event_type] > 0
                holds = came and counts.last.get(self.event_type, 0) > (self.after or 0)
            case "calls":
                holds = counts.calls - self.before >= self.count
            case "findings":
                found = sum(getattr(counts.findings, each) for each in Severity if self.takes_severity(each))
                holds = found >= self.count if self.count else counts.calls > 0 and not found
            case "quiet":
                return max(0.0, counts.latest + self.seconds - now)
        return 0.0 if holds else math.inf


def parse_condition(text: str, session: str | None = None, key: str | None = None) -> Condition:
    """Return the condition that a text such as `sessionComplete`, `event:adStart`, `quiet:2` or `calls:3` names.

    Raises:
        UsageError: it names none.
    """
    if text in EVENT_TYPES:
        return Condition(kind="event", event_type=text, session=session, key=key)
    match = _CONDITION.fullmatch(text)
    kind, value = (match["kind"], match["value"]) if match else ("", None)
    if kind == "event" and value:
        return Condition(kind="event", event_type=shorten(value), session=session, key=key)
    if kind == "quiet":
        seconds = number_of(value, DEFAULT_QUIET_SECONDS)
        if seconds is not None:
            return Condition(kind="quiet", seconds=seconds, session=session, key=key)
    elif kind in ("calls", "findings"):
        count = number_of(value, None)
        if count is not None and count == int(count):
            return Condition(
                kind="calls" if kind == "calls" else "findings", count=int(count), session=session, key=key
            )
    raise UsageError(f"unknown condition '{text}'{nearest(text, EVENT_TYPES)}; {_EXPECTED}")


def number_of(text: str | None, default: float | None) -> float | None:
    """Return the number that a text is, or a default without a text; None if it is none from 0 to a billion."""
    if text is None:
        return default
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII) else None


class ChangeSignal:
    """A signal to a task that something has changed, from any thread; several before it looks are one.

    Make it on the task's event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._is_set = False

    def __call__(self) -> None:
        """Give the signal."""
        if not self._is_set:
            self._is_set = True
            try:
                self._loop.call_soon_threadsafe(self._event.set)
            except RuntimeError:  # the loop is closed: nobody waits
                return

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for a signal, and return whether it came in time."""
        try:
            async with asyncio.timeout(timeout_seconds if timeout_seconds < math.inf else None):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        self._is_set = False
        return True


# Called after each change, in the thread that made it; it must return at once.
Subscriber = Callable[[], object]


class Subscribers:
    """Listeners for changes; calling them waits for no lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: tuple[Subscriber, ...] = ()

    def add(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called after each change; return what ends that."""
        with self._lock:
            self._all = (*self._all, subscriber)

        def remove() -> None:
            with self._lock:
                self._all = tuple(each for each in self._all if each is not subscriber)

        return remove

    def tell(self) -> None:
        """Call all of them."""
        for subscriber in self._all:
            subscriber()


class CallsInFlight(Protocol):
    """The calls that are in flight.

    Attributes:
        on_end: called, in any thread, when one of them no longer is.
    """

    on_end: Subscriber

    def has_call(self, key: str | None, sid: str | None) -> bool:
        """Return whether a call of a key, and of a session, is in flight; None for any."""
        ...
