"""The documented endpoint, with no recording and no network: what Adobe's servers answer, by the reference.

Sources: sessions request, events request, JSON validation, timeouts, downloaded content. Two choices where the
reference is silent: a body is validated before its session is looked up (the collection layer has no session
context), and a sessionStart on the events path is a 400.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from tapehead.answers import Answer
from tapehead.protocol.event_types import EVENT_TYPES, event_type_of
from tapehead.protocol.events import Event, read_event
from tapehead.protocol.exchange import Severity
from tapehead.protocol.keys import EVENT_TYPE, MEDIA_DOWNLOADED
from tapehead.protocol.limits import IDLE_MINUTES, STALLED_MINUTES
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.responses import failure, respond
from tapehead.protocol.routes import (
    DOWNLOADED_PATH,
    PATHS,
    SESSIONS_PATH,
    Call,
    Route,
    allowed_method,
    find_route,
    location_of,
)
from tapehead.protocol.schemas import Schemas
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, mint, read
from tapehead.rules.body import NOT_AN_OBJECT, NOT_JSON, UNKNOWN_EVENT_TYPE
from tapehead.rules.exchange_checks import check_request
from tapehead.rules.schema_errors import (
    BAD_VALUE,
    METADATA_KEY,
    MISPLACED_METADATA,
    MISPLACED_PARAMETER,
    MISSING_PARAMETER,
    UNKNOWN_PARAMETER,
    WRONG_TYPE,
)

MOST_COMPLAINTS = 5
# The oldest session beyond these is forgotten; its id, heard again, opens it anew.
MOST_SESSIONS = 100_000

# What the schema complains of, and what it does in the strict form of the published sample.
_REFUSED = frozenset(
    rule.id
    for rule in (NOT_JSON, NOT_AN_OBJECT, UNKNOWN_EVENT_TYPE, MISSING_PARAMETER, WRONG_TYPE, BAD_VALUE, METADATA_KEY)
)
_STRICTLY_REFUSED = frozenset(rule.id for rule in (UNKNOWN_PARAMETER, MISPLACED_PARAMETER, MISPLACED_METADATA))


class _Session(msgspec.Struct):
    """An open session as the back end knows it; times are the caller's seconds."""

    heard: float
    moved: float
    playhead: float | None = None
    ended: bool = False


class SimulatedEndpoint:
    """The endpoint's answers, request by request.

    Args:
        schemas: the schemas that bodies are validated with.
        random_bytes: gives so many random bytes, for session ids.
        strict: whether undocumented parameters are refused, as the published sample does; with a schema that was
            recorded from the real endpoint they always are.
        time_scale: how many seconds pass for the back end in one of the caller's.
    """

    def __init__(
        self, schemas: Schemas, *, random_bytes: Callable[[int], bytes], strict: bool = False, time_scale: float = 1.0
    ) -> None:
        self._schemas = schemas
        self._random_bytes = random_bytes
        self._strict = strict
        self._time_scale = time_scale
        self._sessions: dict[str, _Session] = {}

    def answer(self, request: Request, now: float) -> Response:
        """Return the answer to any request; `now` in seconds since 1970."""
        route = find_route(request.path)
        if route is None:
            return failure(404, f"no such resource; the API has {', '.join(PATHS)}", now)
        if request.method == "OPTIONS":
            return respond(200, now)
        if route.call is Call.SCHEMA and request.method in ("GET", "HEAD"):
            return self._answer_schema(route, request.method, now)
        if request.method != allowed_method(route.call):
            allowed = [("Allow", f"{allowed_method(route.call)}, OPTIONS")]
            return failure(405, f"{request.method} is not allowed here", now, allowed)
        complaint = self._complaint(route.call, request, now)
        if complaint:
            return failure(400, complaint, now)
        body = request.json()
        if route.sid is not None:
            return self._answer_event(route.sid, body, now)
        if route.call is Call.DOWNLOADED or isinstance(body, list):
            return self._answer_downloaded([read_event(each) for each in body], now)
        return self._answer_session(read_event(body), now)

    def open_session(self, sid: str, now: float) -> None:
        """Treat `sid` as an open session from `now` on, if it is not known yet."""
        if sid in self._sessions:
            return
        if len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[sid] = _Session(heard=now, moved=now)

    def note_event(self, sid: str, event: Event, now: float) -> None:
        """Note an event of an open session that something else answers."""
        session = self._sessions.get(sid)
        if session is None:
            return
        session.heard = now
        if event.playhead != session.playhead:
            session.playhead, session.moved = event.playhead, now
        session.ended = session.ended or event_type_of(event.type).closes == "life"

    def _answer_schema(self, route: Route, method: str, now: float) -> Response:
        event_type = route.event_type or ""
        if event_type not in self._schemas:
            return failure(404, f"no schema for {event_type}; event types: {', '.join(EVENT_TYPES)}", now)
        response = respond(200, now, [("Content-Type", "application/json")])
        return response if method == "HEAD" else response.with_content(orjson.dumps(self._schemas[event_type]))

    def _answer_session(self, event: Event, now: float) -> Response:
        if event.type != "sessionStart":
            return failure(400, f"{EVENT_TYPE} is {event.type}; a session opens with sessionStart", now)
        if event.params.get(MEDIA_DOWNLOADED) is True:
            return failure(400, f"{MEDIA_DOWNLOADED} is true; send downloaded content to {DOWNLOADED_PATH}", now)
        sid = mint(NO_RECORDED_SESSION, event.ts or 0, self._random_bytes(CHANCE_BYTES))
        self.open_session(sid, now)
        return respond(201, now, [("Location", location_of(sid)), ("Content-Type", "application/octet-stream")])

    def _answer_event(self, sid: str, body: Any, now: float) -> Response:
        event = read_event(body)
        if not isinstance(body, dict) or event.type == "sessionStart":
            return failure(400, f"a sessionStart belongs to {SESSIONS_PATH}", now)
        self._revive(sid, now)
        if sid not in self._sessions:
            return failure(404, f"there is no session {sid}; open one with a sessionStart", now)
        if self._is_closed(self._sessions[sid], now):
            return failure(410, f"session {sid} is closed; open a new one", now)
        self.note_event(sid, event, now)
        return respond(204, now)

    def _answer_downloaded(self, events: list[Event], now: float) -> Response:
        types = [event.type for event in events]
        if types[0] != "sessionStart" or types.count("sessionStart") > 1:
            return failure(400, "expected one sessionStart, and that first; all of it is discarded", now)
        return respond(201, now)

    def _revive(self, sid: str, now: float) -> None:
        """Take up a session that was opened before a restart: its id says so."""
        said = read(sid)
        if said and said.recorded == NO_RECORDED_SESSION:
            self.open_session(sid, now)

    def _is_closed(self, session: _Session, now: float) -> bool:
        idle = (now - session.heard) * self._time_scale > IDLE_MINUTES * 60
        stalled = (now - session.moved) * self._time_scale > STALLED_MINUTES * 60
        session.ended = session.ended or idle or stalled
        return session.ended

    def _complaint(self, call: Call, request: Request, now: float) -> str:
        """Return what the schemas refuse in a body, in one line; empty if they take it."""
        refused = _REFUSED | _STRICTLY_REFUSED if self._is_strict(request) else _REFUSED
        findings = check_request(call, request, now * 1000, self._schemas)
        bad = [each for each in findings if each.rule in refused]
        bad = [each for each in bad if each.severity is Severity.ERROR or each.rule in _STRICTLY_REFUSED]
        return "; ".join(each.message for each in bad[:MOST_COMPLAINTS])

    def _is_strict(self, request: Request) -> bool:
        if self._strict or not self._schemas.recorded:
            return self._strict
        body = request.json()
        events = map(read_event, body if isinstance(body, list) else [body])
        return any(event.type in self._schemas.recorded for event in events)


class Simulator:
    """The documented endpoint as an engine; arguments as for `SimulatedEndpoint`, the built-in schemas if none."""

    def __init__(
        self,
        schemas: Schemas | None = None,
        *,
        random_bytes: Callable[[int], bytes],
        strict: bool = False,
        time_scale: float = 1.0,
    ) -> None:
        schemas = schemas or Schemas()
        self._endpoint = SimulatedEndpoint(schemas, random_bytes=random_bytes, strict=strict, time_scale=time_scale)

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to `request`, which came at `now`, seconds since 1970."""
        return Answer(response=self._endpoint.answer(request, now))
