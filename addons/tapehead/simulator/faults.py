"""Faults and latency on demand: what a tester breaks on purpose, in a recorded or a simulated endpoint.

A fault reads `WHERE=WHAT`. WHERE is a call, for events a type, and which of them, with colons between:

    session             every session call
    event:ping          every ping
    event:ping:3        the third ping of each session       event:ping:3+   it and all that follow
    event:*:/5          every fifth event of each session    event:20%       the events of a fifth of the sessions

WHAT is a status (`410`), `drop` (the connection closes without an answer), `cut` (it breaks in the middle of one) or
`delay:MS` (milliseconds, before the answer), or two of them with a + between: `500+delay:2000`.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from tapehead.answers import Answer, Engine, Outcome
from tapehead.errors import UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import read_event
from tapehead.protocol.messages import Request
from tapehead.protocol.responses import failure
from tapehead.protocol.routes import Call, Route, find_route
from tapehead.text import nearest

# Numbers of at most nine digits: eleven days in milliseconds.
_WHERE = re.compile(
    r"(?P<call>[a-z]+|\*)(?::(?P<event_type>[A-Za-z]+|\*))?"
    r"(?::?(?P<which>(?:\d{1,9}\+?|/\d{1,9}|\d{1,9}(?:\.\d{1,9})?%)))?"
)
_WHAT = re.compile(r"(?P<status>[1-5]\d\d)|(?P<drop>drop)|(?P<cut>cut)|delay:(?P<delay>\d{1,9})")
ANY = "*"
# Sessions whose calls are counted; beyond them counting begins anew.
MOST_COUNTED = 100_000


class Fault(NamedTuple):
    """One fault.

    Attributes:
        call: the call it strikes, or ANY.
        event_type: the event type it strikes, or ANY.
        first: the first one that it strikes, counted from 1.
        last: the last one; None for no end.
        step: it strikes every `step`-th.
        share: the share of sessions that it strikes, 0 to 1.
        status: the status answered instead; None to leave the answer.
        drop: whether the connection closes without an answer.
        cut: whether the answer breaks in its middle.
        delay_ms: how long the answer waits, in milliseconds.
    """

    call: str
    event_type: str
    first: int = 1
    last: int | None = None
    step: int = 1
    share: float = 1.0
    status: int | None = None
    drop: bool = False
    cut: bool = False
    delay_ms: int = 0


def parse_fault(text: str) -> Fault:
    """Return the fault that `text` names.

    Raises:
        UsageError: it names none; the message says which part.
    """
    where, equals, what = text.partition("=")
    match = _WHERE.fullmatch(where)
    if not equals or not match:
        raise UsageError(f"invalid --fault '{text}': expected WHERE=WHAT, such as event:ping:3=410")
    call, event_type = match["call"], match["event_type"] or ANY
    if call not in (*Call, ANY):
        raise UsageError(f"invalid --fault '{text}': unknown call '{call}'{nearest(call, tuple(Call))}")
    if event_type not in (*EVENT_TYPES, ANY):
        raise UsageError(
            f"invalid --fault '{text}': unknown event type '{event_type}'{nearest(event_type, EVENT_TYPES)}"
        )
    return Fault(call, event_type, **_which(text, match["which"]), **_what(text, what))


def _which(text: str, which: str | None) -> dict[str, Any]:
    if which is None:
        return {}
    if which.endswith("%"):
        share = float(which[:-1]) / 100
        if share > 1:
            raise UsageError(f"invalid --fault '{text}': {which} is more than 100%")
        return {"share": share}
    number = int(which.strip("+/"))
    if not number:
        raise UsageError(f"invalid --fault '{text}': expected 1 or more instead of {which}")
    if which.startswith("/"):
        return {"step": number}
    return {"first": number, "last": None if which.endswith("+") else number}


def _what(text: str, what: str) -> dict[str, Any]:
    effects: dict[str, Any] = {}
    for word in what.split("+"):
        match = _WHAT.fullmatch(word)
        if not match:
            raise UsageError(
                f"invalid --fault '{text}': unknown effect '{word}'; expected a status, drop, cut or delay:MS"
            )
        if match["status"]:
            effects["status"] = int(match["status"])
        elif match["delay"]:
            effects["delay_ms"] = int(match["delay"])
        else:
            effects[word] = True
    return effects


class Latency(NamedTuple):
    """The delay of answers in milliseconds: between two bounds, or as long as they took when recorded."""

    least: float
    most: float
    recorded: bool = False


def parse_latency(text: str) -> Latency:
    """Return the latency that `recorded`, `MS` or `MIN-MAX` names.

    Raises:
        UsageError: it names none.
    """
    if text == "recorded":
        return Latency(0, 0, recorded=True)
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise UsageError(f"invalid --latency '{text}': expected milliseconds, MIN-MAX or 'recorded'")
    return Latency(int(match[1]), int(match[2] or match[1]))


class FaultInjector:
    """An engine that another engine's answers come through, late or broken.

    Args:
        engine: what answers.
        faults: what is broken; of those that strike, the first counts.
        latency: how long every answer waits; None for not at all.
        chance: gives a number from 0 to 1 for each latency between two bounds; the middle if left out.

    Attributes:
        faults_injected: how many answers a fault changed.
    """

    def __init__(
        self,
        engine: Engine,
        faults: Sequence[Fault],
        latency: Latency | None = None,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self.faults_injected = 0
        self._engine = engine
        self._faults = faults
        self._latency = latency
        self._chance = chance
        self._seen: Counter[tuple[int, str | None]] = Counter()

    def answer(self, request: Request, now: float) -> Answer:
        """Return the engine's answer to `request`, or what a fault makes of it."""
        fault = self._match_fault(request) if self._faults else None
        if fault is None:
            return self._late(self._engine.answer(request, now))
        self.faults_injected += 1
        return self._late(_break(fault, self._undisturbed(fault, request, now), now))

    def _undisturbed(self, fault: Fault, request: Request, now: float) -> Answer:
        """Return what the engine says; nothing where a session start is refused, for then no session was opened."""
        route = find_route(request.path)
        if fault.status is not None and route and route.call is Call.SESSION:
            return Answer()
        return self._engine.answer(request, now)

    def _match_fault(self, request: Request) -> Fault | None:
        route = find_route(request.path)
        if route is None:
            return None
        call = Call.PREFLIGHT if request.method == "OPTIONS" else route.call
        event_type = read_event(request.json()).type
        faults_injected = [
            fault
            for number, fault in enumerate(self._faults)
            if fault.call in (call, ANY)
            and fault.event_type in (event_type, ANY)
            and self._counts(number, fault, route)
        ]
        return faults_injected[0] if faults_injected else None

    def _counts(self, number: int, fault: Fault, route: Route) -> bool:
        """Return whether this one, by its number within its session, is one that the fault strikes."""
        if len(self._seen) > MOST_COUNTED:
            self._seen.clear()
        self._seen[number, route.sid] += 1
        nth = self._seen[number, route.sid]
        if fault.share < 1 and not self._is_in_share(fault.share, route.sid, nth):
            return False
        return nth >= fault.first and (fault.last is None or nth <= fault.last) and nth % fault.step == 0

    def _is_in_share(self, share: float, sid: str | None, nth: int) -> bool:
        """Whether a session is among the share: by chance that its id decides, or evenly where none is open yet."""
        if sid is None:
            return int(nth * share) > int((nth - 1) * share)
        return zlib.crc32(sid.encode("utf-8", "surrogatepass")) / 2**32 < share

    def _late(self, answer: Answer) -> Answer:
        if self._latency is None:
            return answer
        least, most, recorded = self._latency
        wait = answer.recorded_ms if recorded else least + (most - least) * self._chance()
        return msgspec.structs.replace(answer, delay_ms=answer.delay_ms + wait)


def _break(fault: Fault, answer: Answer, now: float) -> Answer:
    note = f"fault: {fault_name(fault)}"
    if fault.drop:
        return Answer(delay_ms=fault.delay_ms, outcome=Outcome.FAULT, note=note)
    if fault.status is not None:
        refused = failure(fault.status, f"a fault that tapehead was told to make: {fault_name(fault)}", now)
        return Answer(response=refused, cut=fault.cut, delay_ms=fault.delay_ms, outcome=Outcome.FAULT, note=note)
    late = answer.delay_ms + fault.delay_ms
    return msgspec.structs.replace(answer, cut=fault.cut, delay_ms=late, outcome=Outcome.FAULT, note=note)


def fault_name(fault: Fault) -> str:
    """Return what a fault does, in the words in which it was given."""
    said: Iterable[str] = (
        str(fault.status) if fault.status is not None else "",
        "drop" if fault.drop else "",
        "cut" if fault.cut else "",
        f"delay:{fault.delay_ms}" if fault.delay_ms else "",
    )
    return "+".join(filter(None, said))
