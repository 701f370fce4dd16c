"""The calls of a recording, each with its event's number and the findings that the audit has there."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.protocol.events import Event, read_event, seconds_in
from tapehead.protocol.exchange import Entry
from tapehead.protocol.routes import Call
from tapehead.reports.audit.body_store import split_array

# A recording and a line in it.
Place = tuple[str, int]


class ShownCall(NamedTuple):
    """A call, or one event of a call that has several.

    Attributes:
        entry: its exchange, and the line that has it.
        number: the event's number in its session, by which findings name it; None where there is no event.
        seconds: the event's ts since the session's first one, in seconds; None if unknown.
        type: the eventType; empty where there is none.
        playhead: in seconds; None if unknown.
        body: what was sent.
        findings: what the audit found there.
    """

    entry: Entry
    number: int | None
    seconds: float | None
    type: str
    playhead: float | None
    body: bytes
    findings: list[SessionFinding]

    @property
    def name(self) -> str:
        """The event's type, or else the call in brackets."""
        return self.type or f"({self.entry.exchange.call})"


def calls_by_session(entries: Iterable[Entry], results: Iterable[SessionResult]) -> dict[str | None, list[ShownCall]]:
    """Return the calls of a recording by session id; those of no session under None."""
    events, findings, free = _index(results)
    calls: dict[str | None, list[ShownCall]] = {}
    for entry in entries:
        place = entry.recording, entry.line
        session = calls.setdefault(entry.exchange.session, [])
        content = entry.exchange.request.content()
        if place not in events:
            named = read_event(entry.exchange.request.json())
            is_event = entry.exchange.call in (Call.SESSION, Call.EVENT)
            number = next(free.get(entry.exchange.session, iter(())), None) if is_event else None
            found = findings.get(place, [])
            event_type = named.key.event_type if is_event else ""
            session.append(ShownCall(entry, number, None, event_type, named.playhead, content, found))
            continue
        parts = split_array(content.decode("utf-8", "replace")) if len(events[place]) > 1 else []
        for count, (event, seconds) in enumerate(events[place]):
            body = bytes(parts[count]) if count < len(parts) else content
            found = [each for each in findings.get(place, []) if not each.event or each.event.index == event.index]
            number, event_type = event.index, event.key.event_type
            session.append(ShownCall(entry, number, seconds, event_type, event.playhead, body, found))
    return calls


def _index(
    results: Iterable[SessionResult],
) -> tuple[
    dict[Place, list[tuple[Event, float | None]]], dict[Place, list[SessionFinding]], dict[str | None, Iterator[int]]
]:
    """Return events with their seconds and findings by place, and by session the numbers of events that have no step.

    Those are events that the audit took for retries; they have their numbers by the order in which they arrived.
    """
    events: dict[Place, list[tuple[Event, float | None]]] = {}
    findings: dict[Place, list[SessionFinding]] = {}
    free: dict[str | None, Iterator[int]] = {}
    for result in results:
        taken = sorted((step.event for step in result.steps), key=lambda event: event.index)
        begun = next((event.ts for event in taken if event.ts is not None), None)
        for event in taken:
            events.setdefault((event.recording, event.line), []).append((event, seconds_in(event, begun)))
        for finding in result.findings:
            findings.setdefault((finding.recording, finding.line), []).append(finding)
        numbers = {event.index for event in taken}
        if len(numbers) < result.events:
            free[result.id] = iter([number for number in range(result.events) if number not in numbers])
    return events, findings, free


class CallFilter(NamedTuple):
    """The calls to show: of some types, if there are any, and only those with findings, if asked for."""

    types: Collection[str] = ()
    with_findings: bool = False

    def takes(self, call: ShownCall) -> bool:
        """Return whether a call is to be shown."""
        has_type = not self.types or call.type in self.types or str(call.entry.exchange.call) in self.types
        return has_type and (bool(call.findings) or not self.with_findings)

    def select(self, calls: Sequence[ShownCall]) -> list[ShownCall]:
        """Return the calls to show."""
        return [call for call in calls if self.takes(call)]
