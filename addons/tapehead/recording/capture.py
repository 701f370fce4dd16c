"""Captured calls as plain values, and their conversion to exchanges."""

import string
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from tapehead.answers import Answer
from tapehead.protocol.exchange import FORMAT_VERSION, Answered, ClosedBy, Exchange, format_time
from tapehead.protocol.http_wire import unpack
from tapehead.protocol.messages import Headers, Request, Response
from tapehead.protocol.routes import Call, Route, sid_of_location
from tapehead.text import http_url

# The outcome of a miss that the real endpoint answered.
FORWARDED = "forwarded"

# What stands before the number of one of several processes in the name of a run.
WORKER_MARK = " worker "

RawHeaders = tuple[tuple[bytes, bytes], ...]


class RawRequest(NamedTuple):
    """A request as it came, in immutable values; its body with the content coding on, or without it if `bare`.

    A body that was not saved is empty, and `saved` is false.
    """

    method: str
    url: str
    headers: RawHeaders
    body: bytes
    bare: bool = False
    saved: bool = True


class RawResponse(NamedTuple):
    """A response as it came; as `RawRequest`."""

    status: int
    reason: str
    headers: RawHeaders
    body: bytes
    bare: bool = False
    saved: bool = True


class CapturedCall(NamedTuple):
    """A call as captured by the time its response goes to the player; everything else is derived later.

    Attributes:
        route: the call of the API.
        request: the request, as it came or unpacked already.
        response: the response, likewise; None with `error`.
        error: why there is no response.
        started, ended: when the request's first and the response's last byte came, seconds since 1970.
        order: the number of its arrival within `source`, or None.
        source: the file or proxy that it came from, as `Exchange.source`.
        closed_by: who closed the connection before the answer was complete, or None.
        replaces: the id of the recorded session that this one is recorded anew for, or None.
        answered: where the answer came from; None if a real endpoint gave it.
        key: the key of the test that it belongs to, if a real endpoint answered; empty if there is none.
    """

    route: Route
    request: RawRequest | Request
    response: RawResponse | Response | None
    error: str | None
    started: float
    ended: float
    order: int | None = None
    source: str = ""
    closed_by: ClosedBy | None = None
    replaces: str | None = None
    answered: Answered | None = None
    key: str = ""

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        return size_of_call(self.request, self.response)

    @property
    def sid(self) -> str | None:
        """The id of its session: that in its path, or the one that its answer issues; None if there is none."""
        if self.route.sid or self.route.call is not Call.SESSION or self.response is None:
            return self.route.sid
        if isinstance(self.response, Response):
            return sid_of_location(self.response.header("Location"))
        values = (value for name, value in self.response.headers if name.lower() == b"location")
        return sid_of_location(next(values, b"").decode("latin-1"))


_RAW = (RawRequest, RawResponse)
# The size of a call without its bodies, in bytes.
_OVERHEAD = 4_000


def build_exchange(call: CapturedCall) -> Exchange:
    """Return a captured call as an exchange without findings."""
    request = request_from(call.request)
    response = response_from(call.response) if call.response else None
    sid = call.route.sid and quote_beyond_ascii(call.route.sid)
    if not sid and response:
        sid = sid_of_location(response.header("Location"))
    return Exchange(
        tapehead=FORMAT_VERSION,
        started=format_time(call.started),
        order=call.order,
        elapsed_ms=round(max(0.0, call.ended - call.started) * 1000, 1),
        call=call.route.call,
        session=sid,
        source=call.source,
        request=request,
        response=response,
        error=None if call.error is None else call.error.encode("utf-8", "replace").decode(),
        closed_by=call.closed_by,
        replaces=call.replaces,
        answered=call.answered or (Answered("", key=call.key) if call.key else None),
        findings=[],
    )


def origin_of(answer: Answer) -> Answered:
    """Return the origin of an answer that tapehead gives in the endpoint's place."""
    return Answered(FORWARDED if answer.forward else answer.outcome, answer.note, answer.key)


def failure_of(answer: Answer) -> str | None:
    """Return why no whole response comes; None if one does."""
    if answer.response is None:
        return None if answer.forward else "the connection was closed without an answer"
    return "the connection was closed in the middle of the answer" if answer.cut else None


def quote_beyond_ascii(text: str) -> str:
    """Return text from a request's first line with its bytes beyond ASCII percent-encoded."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text
    return quote(text.encode("utf-8", "surrogateescape"), safe=string.punctuation)


def size_of_call(request: RawRequest | Request, response: RawResponse | Response | None) -> int:
    """Return the approximate size of a call in memory, in bytes."""
    return _OVERHEAD + size_of_message(request) + (size_of_message(response) if response else 0)


def size_of_message(message: RawRequest | RawResponse | Request | Response) -> int:
    """Return the size of a message's body as it is kept, in bytes."""
    if isinstance(message, _RAW):
        return len(message.body)
    return len(message.body) + len(message.text or "") + len(message.base64 or "")


def request_from(raw: RawRequest | Request) -> Request:
    """Return a request as the core represents it."""
    if isinstance(raw, Request):
        return raw
    url = quote_beyond_ascii(raw.url)
    method, headers = quote_beyond_ascii(raw.method), decode_headers(raw.headers)
    message = Request(method=method, url=url, headers=headers, saved=raw.saved)
    return message.with_content(raw.body) if raw.bare else unpack(message, raw.body)


def response_from(raw: RawResponse | Response) -> Response:
    """Return a response as the core represents it."""
    if isinstance(raw, Response):
        return raw
    headers = decode_headers(raw.headers)
    message = Response(status=raw.status, reason=raw.reason, headers=headers, saved=raw.saved)
    return message.with_content(raw.body) if raw.bare else unpack(message, raw.body)


def decode_headers(fields: RawHeaders) -> Headers:
    """Return header fields as text, one character a byte."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def source_of_run(tool: str, addresses: Sequence[tuple[str, int]], now: float, worker: int | None = None) -> str:
    """Return the name of one run of a proxy, such as `record http://127.0.0.1:8080 2026-11-29T18:40:00.123Z`.

    Args:
        tool: the command or the program.
        addresses: where it listens; some modes have no address.
        now: the time, in seconds since 1970.
        worker: the number of one of several processes, which count their calls on their own; None for one process.
    """
    began = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = " ".join((tool, *dict.fromkeys(http_url(*address) for address in addresses), began))
    return name if worker is None else f"{name}{WORKER_MARK}{worker}"
