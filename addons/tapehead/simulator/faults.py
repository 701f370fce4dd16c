"""Fault and latency injection for a recorded or simulated endpoint.

A fault is written `WHERE=WHAT`. WHERE is a call, for events their type, and a selection, separated by colons:

    session             every session call
    event:ping          every ping
    event:ping:3        the third ping of each session       event:ping:3+   the third and all later
    event:*:/5          every fifth event of each session    event:20%       the events of a fifth of the sessions

WHAT is a status (`410`), `drop` (the connection closes without a response), `cut` (it breaks in the middle of the
response), `delay:MS` (milliseconds, before the response), or several of them joined by +: `500+delay:2000`.
"""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tapehead.answers import Answer, Engine, Outcome
from tapehead.errors import UsageError
from tapehead.protocol.event_types import EVENT_TYPES
from tapehead.protocol.events import event_of
from tapehead.protocol.messages import Request
from tapehead.protocol.responses import failure
from tapehead.protocol.routes import Call, Route
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.text import format_number, nearest

# Numbers of at most nine digits: eleven days in milliseconds.
_WHERE = re.compile(
    r"(?P<call>[a-z]+|\*)(?::(?P<event_type>[A-Za-z]+|\*))?"
    r"(?::?(?P<which>(?:\d{1,9}\+?|/\d{1,9}|\d{1,9}(?:\.\d{1,9})?%)))?"
)
_WHAT = re.compile(r"(?P<status>[1-5]\d\d)|(?P<drop>drop)|(?P<cut>cut)|delay:(?P<delay>\d{1,9})")
ANY = "*"

_NUMBER = r"(?!0+(?![0-9]))[0-9]{1,9}"
_EFFECT = r"([1-5][0-9]{2}|drop|cut|delay:[0-9]{1,9})"
FAULT_PATTERN = (
    rf"^({'|'.join(Call)}|\*)(:({'|'.join(EVENT_TYPES)}|\*))?"
    rf"(:?({_NUMBER}\+?|/{_NUMBER}|(0{{0,6}}100(\.0{{1,9}})?|0{{0,7}}[0-9]{{1,2}}(\.[0-9]{{1,9}})?)%))?={_EFFECT}(\+{_EFFECT})*$"
)
"""A regular expression in the dialect of JSON Schema that matches what `parse_fault` parses."""
# The number of counters, one for each fault and session; beyond it, the oldest starts again.
MOST_COUNTED = 100_000


class Fault(NamedTuple):
    """A selection of requests, and the effects on their answers.

    Attributes:
        call: the call that is affected, or ANY.
        event_type: the event type that is affected, or ANY.
        first: the first affected request of each session, counted from 1.
        last: the last one; None for no end.
        step: every `step`-th request is affected.
        share: the share of sessions that are affected, 0 to 1.
        status: the status of the response instead; None to keep the response.
        drop: whether the connection closes without a response.
        cut: whether the connection breaks in the middle of the response.
        delay_ms: the delay of the response, in milliseconds.
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


def parse_fault(text: str, name: str = "--fault") -> Fault:
    """Parse a fault, `WHERE=WHAT`.

    Args:
        text: the fault.
        name: the name of the option in messages.

    Raises:
        UsageError: it is invalid; the message names the part.
    """
    invalid = f"invalid {name} '{text}'"
    where, equals, what = text.partition("=")
    match = _WHERE.fullmatch(where)
    if not equals or not match:
        raise UsageError(f"{invalid}: expected WHERE=WHAT, such as event:ping:3=410")
    call, event_type = match["call"], match["event_type"] or ANY
    if call not in (*Call, ANY):
        raise UsageError(f"{invalid}: unknown call '{call}'{nearest(call, tuple(Call))}")
    if event_type not in (*EVENT_TYPES, ANY):
        raise UsageError(f"{invalid}: unknown event type '{event_type}'{nearest(event_type, EVENT_TYPES)}")
    return Fault(call, event_type, **parse_selection(match["which"], invalid), **parse_effects(what, invalid))


def parse_selection(which: str | None, invalid: str) -> dict[str, Any]:
    """Return the selecting fields of a `Fault` for `which`, such as `3+`; errors begin with `invalid`."""
    if which is None:
        return {}
    if which.endswith("%"):
        share = float(which[:-1]) / 100
        if share > 1:
            raise UsageError(f"{invalid}: {which} is more than 100%")
        return {"share": share}
    number = int(which.strip("+/"))
    if not number:
        raise UsageError(f"{invalid}: expected 1 or more instead of {which}")
    if which.startswith("/"):
        return {"step": number}
    return {"first": number, "last": None if which.endswith("+") else number}


def parse_effects(what: str, invalid: str) -> dict[str, Any]:
    """Return the effects of a `Fault` for `what`, such as `500+delay:2000`; errors begin with `invalid`."""
    effects: dict[str, Any] = {}
    for word in what.split("+"):
        match = _WHAT.fullmatch(word)
        if not match:
            raise UsageError(f"{invalid}: unknown effect '{word}'; expected a status, drop, cut or delay:MS")
        if match["status"]:
            effects["status"] = int(match["status"])
        elif match["delay"]:
            effects["delay_ms"] = int(match["delay"])
        else:
            effects[word] = True
    return effects


class Latency(NamedTuple):
    """The delay of answers in milliseconds: between two limits, or as long as they took when recorded."""

    least: float
    most: float
    recorded: bool = False


def parse_latency(text: str, name: str = "--latency") -> Latency:
    """Parse a latency: `recorded`, `MS` or `MIN-MAX`.

    Args:
        text: the latency.
        name: the name of the option in messages.

    Raises:
        UsageError: it is none of these.
    """
    if text == "recorded":
        return Latency(0, 0, recorded=True)
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise UsageError(f"invalid {name} '{text}': expected milliseconds, MIN-MAX or 'recorded'")
    return Latency(int(match[1]), int(match[2] or match[1]))


class FaultInjector:
    """An engine that delays or breaks another engine's answers.

    Args:
        engine: the other engine.
        faults: the faults to inject; of several that match a request, the first applies.
        latency: the delay of every answer; None for none.
        chance: returns a number from 0 to 1 for each latency between two limits; the middle if left out.
        limit: limits the counters, which several injectors may do together; MOST_COUNTED if left out.

    Attributes:
        faults_injected: the number of answers that a fault changed.
    """

    def __init__(
        self,
        engine: Engine,
        faults: Sequence[Fault],
        latency: Latency | None = None,
        chance: Callable[[], float] = lambda: 0.5,
        limit: EntryLimit | None = None,
    ) -> None:
        self.faults_injected = 0
        self._engine = engine
        self._faults = dict(enumerate(faults))
        self._latency = latency
        self._chance = chance
        self._limit = limit or EntryLimit(MOST_COUNTED)
        self._counters: dict[tuple[int, str | None], int] = {}

    def set_faults(self, faults: Mapping[int, Fault]) -> None:
        """Inject other faults from now on, by their numbers; a number that stays goes on counting."""
        self._faults = dict(faults)

    def answer(self, request: Request, now: float) -> Answer:
        """Return the engine's answer to `request`, changed by the first fault that matches it."""
        route = request.route if self._faults else None
        fault = self._match_fault(request, route) if route else None
        if fault is None:
            answer = self._engine.answer(request, now)
        else:
            self.faults_injected += 1
            # With an error for a sessionStart, the engine must not open a session.
            rejected_start = fault.status is not None and route is not None and route.call is Call.SESSION
            answer = apply_fault(fault, Answer() if rejected_start else self._engine.answer(request, now), now)
        if self._latency is None:
            return answer
        least, most, recorded = self._latency
        latency = answer.recorded_ms if recorded else least + (most - least) * self._chance()
        return msgspec.structs.replace(answer, delay_ms=answer.delay_ms + latency)

    def _match_fault(self, request: Request, route: Route) -> Fault | None:
        call = Call.PREFLIGHT if request.method == "OPTIONS" else route.call
        event_type = event_of(request).type
        # A list, since each fault has to count the request.
        matches = [
            fault
            for number, fault in self._faults.items()
            if fault.call in (call, ANY)
            and fault.event_type in (event_type, ANY)
            and self._is_selected(number, fault, route.sid)
        ]
        return matches[0] if matches else None

    def _is_selected(self, number: int, fault: Fault, sid: str | None) -> bool:
        """Count a request for fault `number`, and return whether it is among those that the fault selects."""
        if (number, sid) not in self._counters:
            self._limit.make_room(self._counters, (number, sid))
        nth = self._counters[number, sid] = self._counters.get((number, sid), 0) + 1
        if fault.share < 1:
            # The id decides for a whole session; requests without a session are selected at even intervals.
            if sid is None:
                selected = int(nth * fault.share) > int((nth - 1) * fault.share)
            else:
                selected = zlib.crc32(sid.encode("utf-8", "surrogatepass")) / 2**32 < fault.share
            if not selected:
                return False
        return nth >= fault.first and (fault.last is None or nth <= fault.last) and nth % fault.step == 0


def apply_fault(fault: Fault, answer: Answer, now: float) -> Answer:
    """Return `answer` with the effects of `fault`."""
    note = f"fault: {fault_name(fault)}"
    if fault.drop:
        return Answer(delay_ms=fault.delay_ms, outcome=Outcome.FAULT, reason=note)
    if fault.status is not None:
        response = failure(fault.status, f"a fault that tapehead was told to make: {fault_name(fault)}", now)
        return Answer(response=response, cut=fault.cut, delay_ms=fault.delay_ms, outcome=Outcome.FAULT, reason=note)
    delay_ms = answer.delay_ms + fault.delay_ms
    return msgspec.structs.replace(answer, cut=fault.cut, delay_ms=delay_ms, outcome=Outcome.FAULT, reason=note)


def fault_text(fault: Fault) -> str:
    """Return a fault as written on the command line, such as `event:ping:3=410`."""
    words = [fault.call]
    if fault.event_type != ANY:
        words.append(fault.event_type)
    if fault.share < 1:
        words.append(f"{format_number(fault.share * 100)}%")
    elif fault.step > 1:
        words.append(f"/{fault.step}")
    elif fault.last is not None:
        words.append(str(fault.first))
    elif fault.first > 1:
        words.append(f"{fault.first}+")
    return f"{':'.join(words)}={fault_name(fault)}"


def fault_name(fault: Fault) -> str:
    """Return the effects of a fault as written on the command line, such as `500+delay:2000`."""
    effects = (
        str(fault.status) if fault.status is not None else "",
        "drop" if fault.drop else "",
        "cut" if fault.cut else "",
        f"delay:{fault.delay_ms}" if fault.delay_ms else "",
    )
    return "+".join(filter(None, effects))
