"""The HTTP API over the journal, by version: `/tapehead/v1/...`. Each row of the table is one path."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from tapehead.journal.journal import DEFAULT_LIMIT, Journal, RowFilter
from tapehead.journal.rows import CallRow, MessageRow
from tapehead.live.session_detail import session_detail, session_timeline
from tapehead.protocol.exchange import encode
from tapehead.recording.har_export import har_of

PREFIX = "/tapehead/v1"
# Characters of a body that is asked for as text.
MOST_TEXT = 64_000
MOST_ROWS = 10_000

Handler = Callable[[Journal, Request], Response]


class Endpoint(NamedTuple):
    """A path of the API, with its method and what answers it, in a thread of its own."""

    method: str
    path: str
    answer: Handler


def build_router(journal: Journal) -> Router:
    """Return the application that answers the paths of the table."""
    routes = [
        Route(PREFIX + path, partial(answer_settled, journal, answer), methods=[method])
        for method, path, answer in ENDPOINTS
    ]
    return Router(routes, redirect_slashes=False)


def answer_settled(journal: Journal, answer: Handler, request: Request) -> Response:
    """Answer a request once what came before it is in the journal and audited, unless it says `settle=no`."""
    if request.query_params.get("settle") != "no":
        journal.settle()
    return answer(journal, request)


def rows_of(request: Request) -> RowFilter:
    """Return the filter that the query of a request asks for; numbers that are none are ignored."""
    query = request.query_params
    names = ("key", "session", "type", "severity", "rule", "state")
    limit = min(number_of(query.get("limit"), DEFAULT_LIMIT), MOST_ROWS)
    return RowFilter(**{name: query.get(name) for name in names}, after=number_of(query.get("after"), 0), limit=limit)


def number_of(text: str | None, default: int) -> int:
    """Return a number of a query, or a default where there is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else default


def as_json(value: object) -> Response:
    """Return a value as JSON; 404 for None."""
    if value is None:
        return Response(b'{"error":"not found"}', 404, media_type="application/json")
    return Response(msgspec.json.encode(value), media_type="application/json")


# ---- Answers ----


def list_sessions(journal: Journal, request: Request) -> Response:
    """Answer with sessions, the totals, and the number of the latest change, after which a stream goes on."""
    change = journal.change
    sessions = journal.sessions(rows_of(request))
    return as_json({"sessions": sessions, "totals": journal.totals(request.query_params.get("key")), "change": change})


def show_session(journal: Journal, request: Request) -> Response:
    """Answer with a session, its findings and its metrics so far."""
    return as_json(session_detail(journal, request.path_params["sid"]))


def show_timeline(journal: Journal, request: Request) -> Response:
    """Answer with a session's timeline, its findings and its metrics so far."""
    return as_json(session_timeline(journal, request.path_params["sid"]))


def save_recording(journal: Journal, request: Request) -> Response:
    """Answer with the calls of a session as a recording."""
    exchanges = [exchange for _, exchange in journal.exchanges(request.path_params["sid"])]
    if not exchanges:
        return as_json(None)
    return Response(b"".join(map(encode, exchanges)), media_type="application/x-ndjson")


def save_har(journal: Journal, request: Request) -> Response:
    """Answer with the calls of a session as an HTTP archive."""
    exchanges = [exchange for _, exchange in journal.exchanges(request.path_params["sid"])]
    return as_json(har_of(exchanges) if exchanges else None)


def list_events(journal: Journal, request: Request) -> Response:
    """Answer with calls from the oldest on; with `latest=1`, with the latest ones of all, or of a session."""
    rows, query = rows_of(request), request.query_params
    if query.get("latest") == "1":
        return as_json({"events": journal.latest_calls(rows.limit, rows.session)})
    return as_json({"events": journal.calls(rows, with_bodies=query.get("bodies") == "1")})


def show_event(journal: Journal, request: Request) -> Response:
    """Answer with a call and its messages, their bodies as they were sent or, with `bodies=text`, as text."""
    row = journal.call(request.path_params["number"])
    return as_json(with_texts(row) if row and request.query_params.get("bodies") == "text" else row)


def with_texts(row: CallRow) -> CallRow:
    """Return a call with its bodies as texts, shortened to what a page can show."""
    messages = {"request": row.request, "response": row.response}
    texts = {name: text_of(each) for name, each in messages.items() if isinstance(each, MessageRow)}
    return msgspec.structs.replace(row, **texts)


def text_of(message: MessageRow) -> MessageRow:
    """Return a message with its body as a text; `left_out` is what it lacks, in characters."""
    body = message.body
    text = bytes(body).decode("utf-8", "replace") if isinstance(body, msgspec.Raw) else str(body or "")
    left_out = max(len(text) - MOST_TEXT, 0)
    return msgspec.structs.replace(message, body=text[:MOST_TEXT], left_out=left_out or message.left_out)


ENDPOINTS = (
    Endpoint("GET", "/sessions", list_sessions),
    Endpoint("GET", "/sessions/{sid}", show_session),
    Endpoint("GET", "/sessions/{sid}/timeline", show_timeline),
    Endpoint("GET", "/sessions/{sid}/recording", save_recording),
    Endpoint("GET", "/sessions/{sid}/har", save_har),
    Endpoint("GET", "/events", list_events),
    Endpoint("GET", "/events/{number:int}", show_event),
)
