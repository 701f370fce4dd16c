"""What the live page shows of a call: a line of JSON, with pseudonyms for what identifies, and its counts.

Everything of it has an end, whatever players send: texts are cut, and what was cut is said.
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

# What of a body is shown, of a name or a header, and of anything else; in characters.
MOST_BODY, MOST_TEXT = 64_000, 2_000
MOST_NAME = 200
MOST_HEADERS = 60
MOST_FINDINGS = 30
# Sessions whose sessionStart is kept in mind.
MOST_BEGUN = 10_000
# An answer that refuses.
REFUSED = 400


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """A request or a response in its details; `cut` is how long the body is where not all of it is shown."""

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
    """The view of an exchange that has its pseudonyms already.

    Args:
        exchange: the exchange.
        name: what it was if it is no collection call.
        note: what else is to be said of the answer.
        is_bad: whether that is bad news.
        discreet: whether an event type that may say who asks is not told.
    """
    request, response = exchange.request, exchange.response
    event_type, playhead = named_event(name or exchange.call, request, discreet=discreet)
    counts = {grade: sum(each.severity is grade for each in exchange.findings) for grade in Severity}
    is_refused = response.status >= REFUSED if response else exchange.error is not None
    sid = _short(exchange.session) if exchange.session else None
    shown = _Call(
        at=exchange.started,
        sid=sid,
        type=_short(event_type),
        playhead=playhead,
        status=response.status if response else None,
        error=None if exchange.error is None else _cut(escape_controls(exchange.error)),
        note=_cut(escape_controls(note)),
        ms=round(exchange.elapsed_ms, 1),
        bad=is_bad or is_refused or bool(counts[Severity.ERROR] or counts[Severity.WARNING]),
        findings=[_finding(each) for each in exchange.findings[:MOST_FINDINGS]],
        left_out=max(len(exchange.findings) - MOST_FINDINGS, 0),
        request=_message(request, f"{_short(request.method)} {_cut(request.url)}"),
        response=_message(response, f"{response.status} {_short(response.reason)}") if response else None,
    )
    media, player = _named(exchange)
    return LoggedCall(
        line=msgspec.json.encode(shown),
        sid=sid,
        media=media,
        player=player,
        is_event=exchange.call is not Call.PREFLIGHT and not name,
        is_refused=is_refused,
        findings=counts,
    )


class AnswerViews:
    """Views of what an engine answers, to requests with their identifiers in them.

    It keeps in mind whose sessionStart it has seen, the oldest forgotten first: of a session that began before, nobody
    knows what its identifiers are.

    Args:
        redactor: makes the pseudonyms.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._begun: dict[str, None] = {}

    def view(self, request: Request, answer: Answer, started: float, ended: float) -> LoggedCall:
        """The view of an answer.

        Args:
            request: what was asked.
            answer: what was answered.
            started: when it was asked, seconds since 1970.
            ended: when it was answered.
        """
        route = find_call(request.method, request.path)
        sid = (route.sid if route else None) or sid_of_location(
            answer.response.header("Location") if answer.response else None
        )
        # A note quotes what was asked: where an exchange has its error, it is searched for identifiers.
        note = "forwarded to the endpoint" if answer.forward else answer.note
        response = _shortened(answer.response) if answer.response else None
        hidden = self._hide(exchange_for_excerpt(_shortened(request), response, note, sid), known=route is not None)
        silent = None if answer.response or answer.forward else "the connection was closed without an answer"
        shown = msgspec.structs.replace(
            hidden, started=format_time(started), elapsed_ms=max(ended - started, 0) * 1000, error=silent
        )
        name = "" if route else request.method
        return view_of(shown, name, hidden.error or "", is_bad=answer.outcome is Outcome.MISS, discreet=True)

    def _hide(self, made: Exchange, *, known: bool) -> Exchange:
        """An exchange with nobody in it; one that is not `known` for a collection call, with no more than its path."""
        if not known or made.call is Call.SCHEMA:
            return _bare(made)
        # Of a body that was too long nobody is known.
        if made.call is Call.SESSION and made.session and made.request.json() is not None:
            self._begun[made.session] = None
            if len(self._begun) > MOST_BEGUN:
                del self._begun[next(iter(self._begun))]
        hidden = self._redactor.redact(made)
        if made.call is not Call.EVENT or made.session in self._begun:
            return hidden
        return mask_exchange(hidden, self._redactor.pseudonym)


def _bare(made: Exchange) -> Exchange:
    """An exchange without what may say who asks: headers, bodies, and steps of the path."""
    request = made.request.with_headers([]).with_content(b"")
    request = request.with_url(_discreet(request.url))
    response = made.response.with_headers([]).with_content(b"") if made.response else None
    return msgspec.structs.replace(made, request=request, response=response)


def _shortened[M: (Request, Response)](message: M) -> M:
    """A message without a body that is too long to be looked through while others wait."""
    content = message.content()
    too_long = f"(a body of {len(content):,} bytes)"
    return message if len(content) <= MOST_BODY else message.with_content(too_long.encode())


def _discreet(url: str) -> str:
    """The URL of what is no collection call, without what of its path and query may say who asks."""
    origin, slash, path = url.partition("://")[2].partition("/")
    return f"http://{origin}{slash}{discreet_path(path)}"


def _named(exchange: Exchange) -> tuple[str, str]:
    """What a sessionStart says is played, and by which player; empty where it says nothing."""
    params = first_event(exchange.request.json() if exchange.call is Call.SESSION else None).params
    media = params.get(MEDIA_NAME) or params.get(MEDIA_ID) or ""
    return _short(str(media)), _short(str(params.get(MEDIA_PLAYER_NAME) or ""))


def _message(message: Request | Response, head: str) -> _Message:
    body = message.content().decode("utf-8", "replace")
    return _Message(
        head=escape_controls(head),
        headers=[(_short(name), _cut(value)) for name, value in message.headers[:MOST_HEADERS]],
        left_out=max(len(message.headers) - MOST_HEADERS, 0),
        body=body[:MOST_BODY],
        cut=len(body) if len(body) > MOST_BODY else 0,
    )


def _finding(finding: Finding) -> Finding:
    return Finding(finding.rule, finding.severity, _cut(finding.path), _cut(escape_controls(finding.message)))


def _cut(text: str, most: int = MOST_TEXT) -> str:
    """A text, not longer than that, that JSON in UTF-8 can hold."""
    return shorten(text, most).encode("utf-8", "replace").decode()


def _short(text: str) -> str:
    return escape_controls(_cut(text, MOST_NAME))
