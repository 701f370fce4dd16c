"""Views of calls for the live page: a line of JSON, with pseudonyms for identifiers, and the call's counts.

Every text is bounded, whatever players send, and the page is told where something was cut.
"""

import msgspec

from tapehead.answers import Answer, Outcome
from tapehead.live.call_log import LoggedCall
from tapehead.protocol.events import first_event
from tapehead.protocol.exchange import Exchange, Finding, Severity, format_time
from tapehead.protocol.keys import MEDIA_ID, MEDIA_NAME, MEDIA_PLAYER_NAME
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.routes import Call, find_call, sid_of_location
from tapehead.redaction.excerpts import discreet_path, exchange_for_excerpt, mask_exchange, named_event
from tapehead.redaction.redactor import Redactor
from tapehead.text import escape_controls, shorten

# Limits in characters: of a body, of a name or a short header, and of any other text.
MOST_BODY, MOST_TEXT = 64_000, 2_000
MOST_NAME = 200
MOST_HEADERS = 60
MOST_FINDINGS = 30
# Sessions whose sessionStart is remembered.
MOST_STARTED = 10_000
# Statuses from here on refuse a call.
REFUSED = 400


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """The details of a request or response; `cut` is the length of the body where not all of it is shown."""

    head: str
    headers: list[tuple[str, str]]
    left_out: int = 0
    body: str
    cut: int = 0


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    """The line of a call."""

    kind: str = "call"
    at: str
    sid: str | None
    type: str
    playhead: float | None
    status: int | None
    error: str | None
    note: str
    ms: float
    bad: bool
    findings: list[Finding]
    left_out: int
    request: _Message
    response: _Message | None


def view_of(
    exchange: Exchange, name: str = "", note: str = "", *, is_bad: bool = False, discreet: bool = False
) -> LoggedCall:
    """Return the view of an exchange whose identifiers are pseudonyms already.

    Args:
        exchange: the exchange.
        name: the name of a request that is no collection call.
        note: a remark about the answer.
        is_bad: whether the remark is about a problem.
        discreet: whether to hide an event type that may contain an identifier.
    """
    request, response = exchange.request, exchange.response
    event_type, playhead = named_event(name or exchange.call, request, discreet=discreet)
    counts = {severity: sum(finding.severity is severity for finding in exchange.findings) for severity in Severity}
    is_refused = response.status >= REFUSED if response else exchange.error is not None
    sid = short_text(exchange.session) if exchange.session else None
    line = _Call(
        at=exchange.started,
        sid=sid,
        type=short_text(event_type),
        playhead=playhead,
        status=response.status if response else None,
        error=None if exchange.error is None else cut_text(escape_controls(exchange.error)),
        note=cut_text(escape_controls(note)),
        ms=round(exchange.elapsed_ms, 1),
        bad=is_bad or is_refused or bool(counts[Severity.ERROR] or counts[Severity.WARNING]),
        findings=[
            Finding(item.rule, item.severity, cut_text(item.path), cut_text(escape_controls(item.message)))
            for item in exchange.findings[:MOST_FINDINGS]
        ],
        left_out=max(len(exchange.findings) - MOST_FINDINGS, 0),
        request=_message_view(request, f"{short_text(request.method)} {cut_text(request.url)}"),
        response=_message_view(response, f"{response.status} {short_text(response.reason)}") if response else None,
    )
    params = first_event(request.json() if exchange.call is Call.SESSION else None).params
    return LoggedCall(
        line=msgspec.json.encode(line),
        sid=sid,
        media=short_text(str(params.get(MEDIA_NAME) or params.get(MEDIA_ID) or "")),
        player=short_text(str(params.get(MEDIA_PLAYER_NAME) or "")),
        is_event=exchange.call is not Call.PREFLIGHT and not name,
        is_refused=is_refused,
        findings=counts,
    )


class AnswerViews:
    """Views of an engine's answers to requests that still contain identifiers.

    The last sessionStarts are remembered: the identifiers of a session that started earlier are not known, so all
    strings of its events are masked.

    Args:
        redactor: makes the pseudonyms.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._started: dict[str, None] = {}

    def view(self, request: Request, answer: Answer, started: float, ended: float) -> LoggedCall:
        """Return the view of an answer.

        Args:
            request: the request.
            answer: the answer to it.
            started: the request's arrival, in seconds since 1970.
            ended: the time of the answer, likewise.
        """
        route = find_call(request.method, request.path)
        response = answer.response
        sid = (route.sid if route else None) or sid_of_location(response.header("Location") if response else None)
        # A note quotes the request. As the exchange's error it is redacted together with it.
        note = "forwarded to the endpoint" if answer.forward else answer.note
        exchange = exchange_for_excerpt(
            without_long_body(request), without_long_body(response) if response else None, note, sid
        )
        redacted = without_strings(exchange) if route is None else self._redact(exchange)
        silent = None if response or answer.forward else "the connection was closed without an answer"
        elapsed_ms = max(ended - started, 0) * 1000
        answered = msgspec.structs.replace(redacted, started=format_time(started), elapsed_ms=elapsed_ms, error=silent)
        name = "" if route else request.method
        return view_of(answered, name, redacted.error or "", is_bad=answer.outcome is Outcome.MISS, discreet=True)

    def _redact(self, exchange: Exchange) -> Exchange:
        if exchange.call is Call.SCHEMA:
            return without_strings(exchange)
        # A body that is too long to be searched gives no identifiers.
        if exchange.call is Call.SESSION and exchange.session and exchange.request.json() is not None:
            self._started[exchange.session] = None
            if len(self._started) > MOST_STARTED:
                del self._started[next(iter(self._started))]
        redacted = self._redactor.redact(exchange)
        if exchange.call is not Call.EVENT or exchange.session in self._started:
            return redacted
        return mask_exchange(redacted, self._redactor.pseudonym)


def without_strings(exchange: Exchange) -> Exchange:
    """Return an exchange without parts that may identify a client: headers, bodies, and unknown steps of the path."""
    origin, slash, path = exchange.request.url.partition("://")[2].partition("/")
    request = exchange.request.with_headers([]).with_content(b"")
    request = request.with_url(f"http://{origin}{slash}{discreet_path(path)}")
    response = exchange.response.with_headers([]).with_content(b"") if exchange.response else None
    return msgspec.structs.replace(exchange, request=request, response=response)


def without_long_body[M: (Request, Response)](message: M) -> M:
    """Return a message; a body that takes too long to be searched is replaced by its length."""
    content = message.content()
    too_long = f"(a body of {len(content):,} bytes)"
    return message if len(content) <= MOST_BODY else message.with_content(too_long.encode())


def cut_text(text: str, most: int = MOST_TEXT) -> str:
    """Return a text of at most so many characters that JSON in UTF-8 can hold."""
    return shorten(text, most).encode("utf-8", "replace").decode()


def short_text(text: str) -> str:
    """Return a name, shortened, with its control characters escaped."""
    return escape_controls(cut_text(text, MOST_NAME))


def _message_view(message: Request | Response, head: str) -> _Message:
    body = message.content().decode("utf-8", "replace")
    return _Message(
        head=escape_controls(head),
        headers=[(short_text(name), cut_text(value)) for name, value in message.headers[:MOST_HEADERS]],
        left_out=max(len(message.headers) - MOST_HEADERS, 0),
        body=body[:MOST_BODY],
        cut=len(body) if len(body) > MOST_BODY else 0,
    )
