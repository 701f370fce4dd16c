"""Recorded answers as they are replayed: with a new Date, the ids of live sessions, and the called host.

Pings make up most calls, and many get the same recorded answer, so prepared answers are kept: only their Date changes,
once a second. Within a second the response is the same object, which nothing may change.
"""

from math import floor

import msgspec

from tapehead.protocol.cors import allow_private_network
from tapehead.protocol.hosts import before_path
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.responses import http_date
from tapehead.protocol.routes import CORS_HEADERS, with_sid
from tapehead.replay.host_rewriting import ANY_PAGE, ORIGINS, HostRewriter, Rewrite
from tapehead.replay.recorded_session import RecordedCall

# Prepared answers that are kept, and the largest body of one in bytes: 64 MB in all at most.
MOST_KEPT, LARGEST_KEPT = 4_096, 16_384


class RecordedAnswer(msgspec.Struct):
    """A recorded answer, prepared for replay.

    Attributes:
        response: the response; None if there was none.
        elapsed_ms: how long it took, in milliseconds.
        rewrites: what was rewritten in it.
        is_left: whether there is no response because the recorded client left.
        page: the Origin of the page that it is for, if the answer depends on that.
        depends_on_page: whether it does.
        second: the time in its Date, in seconds since 1970.
        dates: the indexes of Date among its headers.
    """

    response: Response | None
    elapsed_ms: float
    rewrites: list[Rewrite]
    is_left: bool = False
    page: str | None = None
    depends_on_page: bool = False
    second: int = 0
    dates: tuple[int, ...] = ()

    def renew(self, second: int) -> None:
        """Give the response another Date."""
        if self.response and self.dates:
            headers, date = list(self.response.headers), http_date(second)
            for at in self.dates:
                headers[at] = (headers[at][0], date)
            self.response = self.response.with_headers(headers)
        self.second = second


class RecordedAnswers:
    """A cache of recorded answers, prepared for replay.

    Args:
        rewriter: rewrites answers that name recorded hosts.
        most: the number of answers that are kept.
    """

    def __init__(self, rewriter: HostRewriter, most: int = MOST_KEPT) -> None:
        self._rewriter = rewriter
        self._most = most
        # By number of the recording, line, and the beginning of the called URL, up to the path.
        self._kept: dict[tuple[int, int, str], RecordedAnswer] = {}

    def of(self, call: RecordedCall, request: Request, now: float, sid: str | None = None) -> RecordedAnswer:
        """Return the recorded answer to a request.

        Args:
            call: the recorded call.
            request: the request.
            now: its arrival, in seconds since 1970.
            sid: the id of the live session that it opens, if any.
        """
        if sid or request.method == "OPTIONS":
            return self._prepare(call, request, now, sid)
        name, second = (call.file, call.line, before_path(request.url)), floor(now)
        known = self._kept.get(name)
        if known is None or (known.depends_on_page and known.page != request.header("Origin")):
            known = self._prepare(call, request, now, sid)
            response = known.response
            if response is None or len(response.body) + len(response.text or response.base64 or "") <= LARGEST_KEPT:
                self._keep(name, known)
        elif known.second != second:
            known.renew(second)
        return known

    def _keep(self, name: tuple[int, int, str], answer: RecordedAnswer) -> None:
        if self._most:
            if len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]
            self._kept[name] = answer

    def _prepare(self, call: RecordedCall, request: Request, now: float, sid: str | None) -> RecordedAnswer:
        exchange, page = call.exchange, request.header("Origin")
        if exchange.response is None:
            return RecordedAnswer(None, exchange.elapsed_ms, [], exchange.closed_by == "client")
        response = allow_private_network(request, renew(exchange.response, request, now, sid))
        depends = any(value.strip() not in ANY_PAGE for name, value in response.headers if name.lower() in ORIGINS)
        response, rewrites = self._rewriter.rewrite(response, request.url, page)
        dates = tuple(at for at, (name, _) in enumerate(response.headers) if name.lower() == "date")
        return RecordedAnswer(response, exchange.elapsed_ms, rewrites, False, page, depends, floor(now), dates)


def renew(response: Response, request: Request, now: float, sid: str | None = None) -> Response:
    """Return a recorded response for replay: with a new Date, and with `sid` in its Location.

    Headers that the recording lacks as a whole, as some exporters leave them, are those of every documented answer; a
    session that is opened always gets a Location.
    """
    headers = list(response.headers) or [("Date", ""), *CORS_HEADERS]
    if sid and response.header("Location") is None:
        headers.append(("Location", f"{request.path.rstrip('/')}/{sid}"))
    for at, (name, value) in enumerate(headers):
        lowered = name.lower()
        if lowered == "date":
            headers[at] = (name, http_date(now))
        elif sid and lowered == "location":
            headers[at] = (name, with_sid(value, sid))
    return response.with_headers(headers)
