"""Rows of the journal, as the HTTP API, the live page, tests and the terminal get them."""

from typing import Any

import msgspec

from tapehead.auditor.results import EventRef
from tapehead.protocol.exchange import Exchange, Severity
from tapehead.protocol.messages import Request, Response
from tapehead.recording.capture import size_of_message

# A larger body is left out of a row, and its size is told.
MOST_BODY = 1_000_000


class FindingCounts(msgspec.Struct, kw_only=True):
    """The number of findings of each severity, without those that were withdrawn."""

    error: int = 0
    warning: int = 0
    info: int = 0

    def add(self, severity: Severity, count: int = 1) -> None:
        """Add to the number of one severity."""
        setattr(self, severity, getattr(self, severity) + count)

    @property
    def sum(self) -> int:
        """The number of all findings."""
        return self.error + self.warning + self.info


class SessionRow(msgspec.Struct, kw_only=True, frozen=True):
    """A session.

    Attributes:
        session: the session id; None if the sessionStart was refused or not answered.
        key: the key of the test that it belongs to; empty if there is none.
        number: its number in this run, from 1; names it where there is no id.
        content, content_id, player, channel: from the sessionStart; empty where that has none.
        started, last: the times of its first and of its latest call, UTC, ISO 8601.
        last_event: the type of its latest event; empty if none came.
        state: in plain words, one of `SessionState`.
        playhead: the latest, in seconds; None if unknown.
        events, refused: how many events came, and how many calls got no answer or a status of 400 or more.
        findings: the number of findings.
        audited: whether the audit follows it; if not, findings are those of single calls.
        outcome: its outcome in the words of the audit; None while it may go on.
    """

    session: str | None
    key: str
    number: int
    content: str
    content_id: str
    player: str
    channel: str
    started: str
    last: str
    last_event: str
    state: str
    playhead: float | None
    events: int
    refused: int
    findings: FindingCounts
    audited: bool
    outcome: str | None


class AnsweredRow(msgspec.Struct, frozen=True, gc=False):
    """The origin of an answer that tapehead gave, as `Answered`."""

    outcome: str
    reason: str


class CallFinding(msgspec.Struct, frozen=True, gc=False):
    """A finding on a call."""

    rule: str
    severity: Severity
    path: str
    message: str


class MessageRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request or a response.

    Attributes:
        left_out: the size of a body that is too large to be shown, in bytes; of one that is shown as a text, what it
            lacks, in characters.
    """

    method: str = ""
    url: str = ""
    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]]
    body: Any = None
    left_out: int = 0


class CallRow(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=False, gc=False):
    """A call with its answer.

    Attributes:
        number: its number in this run, from 1.
        session: the session id; None if there is none.
        key: the key of the test that it belongs to; empty if there is none.
        index: the number of its event in the session, from 0; None if it is no event of a session.
        type: the event's type, or else the call in brackets.
        playhead: in seconds; None if unknown.
        ts: the player's clock, milliseconds since 1970; None if unknown.
        started: when it came, UTC, ISO 8601.
        elapsed_ms: from then to the end of the answer, in milliseconds.
        status: the status of the answer; None if there was none.
        error: why there was no answer; None if there was one.
        answered: where the answer came from; None if a real endpoint gave it.
        findings: the findings on it.
        request, response: the messages; left out unless bodies were asked for.
    """

    number: int
    session: str | None
    key: str
    index: int | None
    type: str
    playhead: float | None
    ts: int | None
    started: str
    elapsed_ms: float
    status: int | None
    error: str | None
    answered: AnsweredRow | None
    findings: list[CallFinding]
    request: MessageRow | msgspec.UnsetType | None = msgspec.UNSET
    response: MessageRow | msgspec.UnsetType | None = msgspec.UNSET


class FindingRow(msgspec.Struct, kw_only=True, frozen=True):
    """A finding.

    Attributes:
        number: its number in this run, from 1; it stays when the state changes.
        state: "provisional" while the back end may still reorder the events, then "confirmed" or "withdrawn".
        session: the session id; None if there is none.
        key: the key of the test that it belongs to; empty if there is none.
        rule, severity, message, path: as the audit reports it.
        event: the event; None for a call without one.
        call: the number of its call; None if that is not known.
        recording, line: the file that holds the call, and the line there; empty and None while no file holds it.
    """

    number: int
    state: str
    session: str | None
    key: str
    rule: str
    severity: Severity
    message: str
    path: str
    event: EventRef | None
    call: int | None
    recording: str = ""
    line: int | None = None


class Totals(msgspec.Struct, kw_only=True, frozen=True):
    """Counts since the start or the last reset.

    Attributes:
        calls, refused, sessions, misses: the number of each.
        findings: the number of findings.
        left_out_calls, left_out_sessions: what the audit could not keep up with.
        left_out: the ids of some of those sessions.
        gone: calls that were removed from memory, since there was no room.
        resets: how often the journal was reset: rows from before are gone.
    """

    calls: int
    refused: int
    sessions: int
    misses: int
    findings: FindingCounts
    left_out_calls: int
    left_out_sessions: int
    left_out: list[str]
    gone: int
    resets: int


class Changes(msgspec.Struct, kw_only=True, frozen=True):
    """Rows that are new or have changed.

    Attributes:
        change: the number of the latest change among them; what follows it comes next.
        is_last: whether that is all there is so far.
    """

    sessions: list[SessionRow]
    calls: list[CallRow]
    findings: list[FindingRow]
    totals: Totals
    change: int
    is_last: bool


def request_row(exchange: Exchange) -> MessageRow:
    """Return the request of an exchange."""
    request = exchange.request
    body, left_out = body_of(request)
    return MessageRow(
        method=request.method, url=request.url, headers=list(request.headers), body=body, left_out=left_out
    )


def response_row(exchange: Exchange) -> MessageRow | None:
    """Return the response of an exchange, if there is one."""
    response = exchange.response
    if response is None:
        return None
    body, left_out = body_of(response)
    return MessageRow(
        status=response.status, reason=response.reason, headers=list(response.headers), body=body, left_out=left_out
    )


def body_of(message: Request | Response) -> tuple[Any, int]:
    """Return a body, JSON as it was sent and anything else as text, and the size of one that is left out."""
    size = size_of_message(message)
    if size > MOST_BODY:
        return None, size
    if message.body:
        return message.body, 0
    return message.content().decode("utf-8", "replace") or None, 0
