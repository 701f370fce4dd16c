"""A simulation of the documented endpoint, without recording and network.

Sources: the reference's pages on the sessions request, events request, JSON validation, timeouts, downloaded content.
The reference does not say in which order a request is checked. Here, a body is validated before its session is looked
up (the collection layer has no session context), and a sessionStart on the events path is a 400.

A body is refused for what the published schemas refuse: missing keys, wrong types, and undocumented keys outside of
`params`, whose published list is abridged. Values are refused only by a schema that was recorded from the endpoint.
"""

import re
from collections.abc import Callable
from copy import copy
from itertools import islice
from typing import Self

import msgspec
import orjson

from tapehead.answers import Answer
from tapehead.protocol.backend_limits import TIMEOUTS, Timeouts
from tapehead.protocol.cors import allow_private_network
from tapehead.protocol.event_types import EVENT_TYPES, event_type_of
from tapehead.protocol.events import Event, event_of, read_event
from tapehead.protocol.exchange import Finding, Severity
from tapehead.protocol.keys import EVENT_TYPE, MEDIA_DOWNLOADED, METADATA, PARAMS
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.parameters import METADATA_KEY as METADATA_KEYS
from tapehead.protocol.responses import REFUSED, failure, respond
from tapehead.protocol.routes import (
    DOWNLOADED_PATH,
    PATHS,
    SCHEMAS_PATH,
    SESSIONS_PATH,
    Call,
    Route,
    allowed_method,
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
from tapehead.simulator.entry_limit import EntryLimit

MOST_COMPLAINTS = 5
# Beyond these, of all keys together, the oldest session is dropped; an event with its id opens it again.
MOST_SESSIONS = 100_000

# Rules whose errors the endpoint rejects; where keys are undocumented, it rejects them outside of `params`, too, and
# those in it in the strict form of the published sample. Values are rejected by a recorded schema alone.
_REFUSED = frozenset(
    rule.id for rule in (NOT_JSON, NOT_AN_OBJECT, UNKNOWN_EVENT_TYPE, MISSING_PARAMETER, WRONG_TYPE, METADATA_KEY)
)
_UNDOCUMENTED = frozenset(rule.id for rule in (UNKNOWN_PARAMETER, MISPLACED_PARAMETER, MISPLACED_METADATA))
# Rules whose findings are at keys that no document names, which may identify a person.
_OF_OTHER_KEYS = _UNDOCUMENTED | {METADATA_KEY.id}
_OF_AN_ARRAY = re.compile(r"^\[\d+\]\.")


class _Session(msgspec.Struct):
    """A session in the back end: times of its start, its last event and the last change of its playhead, in seconds."""

    started: float
    last_event: float
    last_move: float
    playhead: float | None = None
    closed: bool = False
    ended: bool = False


class SimulatedEndpoint:
    """The simulated endpoint with its open sessions.

    Args:
        schemas: the schemas for validating bodies.
        random_bytes: returns that number of random bytes, for session ids.
        strict: whether undocumented keys in `params` are rejected, as by the published sample; with a schema that was
            recorded from the real endpoint they always are.
        time_scale: seconds of the back end's timeouts per second of the caller's clock.
        timeouts: when the back end closes sessions.
        second_end: the status for a second sessionEnd: 204, as most pages have it, or 410.
        over_limit: the status for events of a session that is longer than the timeouts allow: 404, 410, or 204 where
            that is up to the player.
    """

    def __init__(
        self,
        schemas: Schemas,
        *,
        random_bytes: Callable[[int], bytes],
        strict: bool = False,
        time_scale: float = 1.0,
        timeouts: Timeouts = TIMEOUTS,
        second_end: int = 204,
        over_limit: int = 204,
    ) -> None:
        self._second_end = second_end
        self._over_limit = over_limit
        self._schemas = schemas
        self._random_bytes = random_bytes
        self._strict = strict
        self._time_scale = time_scale
        self._timeouts = timeouts
        self._sessions: dict[str, _Session] = {}
        self._limit = EntryLimit(MOST_SESSIONS)

    def of_another_key(self) -> Self:
        """Return an endpoint with the same settings, and sessions of its own; both share the limit on sessions."""
        other = copy(self)
        other._sessions = {}
        return other

    def answer(self, request: Request, now: float) -> Response:
        """Return the response to any request; `now` in seconds since 1970."""
        route = request.route
        if route is None:
            return failure(404, f"no such resource; the API has {', '.join(PATHS)}", now)
        if request.method == "OPTIONS":
            return allow_private_network(request, respond(200, now))
        if route.call is Call.SCHEMA and request.method in ("GET", "HEAD"):
            return self._answer_schema(route, request, now)
        if request.method != allowed_method(route.call):
            allowed = [("Allow", f"{allowed_method(route.call)}, OPTIONS")]
            return failure(405, f"{request.method} is not allowed here", now, allowed)
        if refused := self._refusals(route.call, request, now):
            return failure(400, "; ".join(finding.message for finding in refused), now)
        body = request.json()
        if route.sid is not None:
            return self._answer_event(route.sid, request, now)
        if route.call is Call.DOWNLOADED or isinstance(body, list):
            types = [read_event(each).type for each in body]
            if types[0] != "sessionStart" or types.count("sessionStart") > 1:
                return failure(400, "expected one sessionStart, and that first; all of it is discarded", now)
            return respond(201, now)
        return self._answer_session(event_of(request), now)

    def has_session(self, sid: str) -> bool:
        """Return whether a session is known."""
        return sid in self._sessions

    def open_session(self, sid: str, now: float, started: float | None = None) -> None:
        """Treat `sid` as an open session from `now` on, if it is not known yet; `started` earlier, if that is given."""
        if sid in self._sessions:
            return
        self._limit.make_room(self._sessions, sid)
        self._sessions[sid] = _Session(started=now if started is None else started, last_event=now, last_move=now)

    def note_event(self, sid: str, event: Event, now: float) -> None:
        """Record an event of an open session, also one that a recording answers."""
        session = self._sessions.get(sid)
        if session is None:
            return
        session.last_event = now
        if event.playhead != session.playhead:
            session.playhead, session.last_move = event.playhead, now
        session.ended = session.ended or event_type_of(event.type).closes == "life"

    def _answer_schema(self, route: Route, request: Request, now: float) -> Response:
        event_type = route.event_type or ""
        if event_type not in self._schemas:
            return failure(404, f"no schema for {event_type}; event types: {', '.join(EVENT_TYPES)}", now)
        response = respond(200, now, [("Content-Type", "application/json")])
        if request.method == "HEAD":
            return response
        endpoint, slash, _ = request.url.rpartition(SCHEMAS_PATH)
        schema = self._schemas[event_type]
        if slash and "id" in schema:
            schema = {**schema, "id": f"{endpoint}{SCHEMAS_PATH}/{event_type}"}
        return response.with_content(orjson.dumps(schema))

    def _answer_session(self, event: Event, now: float) -> Response:
        if event.type != "sessionStart":
            return failure(400, f"{EVENT_TYPE} is {event.type}; a session opens with sessionStart", now)
        if event.params.get(MEDIA_DOWNLOADED) is True:
            return failure(400, f"{MEDIA_DOWNLOADED} is true; send downloaded content to {DOWNLOADED_PATH}", now)
        sid = mint(NO_RECORDED_SESSION, event.ts or 0, self._random_bytes(CHANCE_BYTES), now)
        self.open_session(sid, now)
        return respond(201, now, [("Location", location_of(sid)), ("Content-Type", "application/octet-stream")])

    def _answer_event(self, sid: str, request: Request, now: float) -> Response:
        event = event_of(request)
        if not isinstance(request.json(), dict) or event.type == "sessionStart":
            return failure(400, f"a sessionStart belongs to {SESSIONS_PATH}", now)
        if sid not in self._sessions and (minted := read(sid)) and minted.recorded == NO_RECORDED_SESSION:
            # The id shows that the session was opened before a restart, or by another process.
            self.open_session(sid, now, minted.arrived_by(now))
        session = self._sessions.get(sid)
        if session is None:
            return failure(404, f"there is no session {sid}; open one with a sessionStart", now)
        if session.ended and event_type_of(event.type).closes == "life" and self._second_end == 204:
            return respond(204, now)
        limits, hour = self._timeouts, 3600 / self._time_scale
        if now - session.started > limits.session_hours * hour and self._over_limit == 404:
            return failure(404, f"session {sid} is over; open a new one", now)
        too_long = now - session.started > limits.session_hours * hour and self._over_limit == 410
        idle = now - session.last_event > limits.idle_minutes * hour / 60
        stalled = now - session.last_move > limits.stalled_minutes * hour / 60
        session.closed = session.closed or session.ended or idle or stalled or too_long
        if session.closed:
            return failure(410, f"session {sid} is closed; open a new one", now)
        self.note_event(sid, event, now)
        return respond(204, now)

    def explain(self, request: Request, status: int, now: float) -> str:
        """Return why a call was refused with that status, without a word that the player sent; empty if it was not."""
        route = request.route
        if route is None or status not in (400, 404, 410):
            return ""
        if status != 400:
            return "the session is closed" if status == 410 else "no such session"
        refused = self._refusals(route.call, request, now)
        places = (f"{finding.rule} {'' if finding.rule in _OF_OTHER_KEYS else finding.path}" for finding in refused)
        return ", ".join(place.rstrip() for place in places)

    def _refusals(self, call: Call, request: Request, now: float) -> list[Finding]:
        """Return the first findings for which the endpoint rejects a body."""
        if self._is_valid(call, request):
            return []
        recorded = self._schemas.recorded
        if recorded:
            body = request.json()
            bodies = body if isinstance(body, list) else [body]
            has_recorded = any(read_event(each).type in recorded for each in bodies)
        else:
            has_recorded = False
        strict = self._strict or has_recorded
        refused = (
            finding
            for finding in check_request(call, request, now * 1000, self._schemas)
            if is_refused(finding, strict=strict) or (has_recorded and finding.rule == BAD_VALUE.id)
        )
        return list(islice(refused, MOST_COMPLAINTS))

    def _is_valid(self, call: Call, request: Request) -> bool:
        """Return whether a body is that of an event that a built-in schema takes, so that no check refuses it.

        It is false for all others, among them those with metadata, whose keys the schema does not judge alone.
        """
        body = request.json()
        if call is Call.DOWNLOADED or not isinstance(body, dict) or METADATA in body:
            return False
        event_type, schemas = body.get(EVENT_TYPE), self._schemas
        if not isinstance(event_type, str) or event_type not in schemas or event_type in schemas.recorded:
            return False
        return request.saved and not request.coded and next(schemas.schema_errors(event_type, body), None) is None


def is_refused(finding: Finding, *, strict: bool) -> bool:
    """Return whether the published schema refuses what a finding is about; a `strict` one does so in `params`, too."""
    path = _OF_AN_ARRAY.sub("", finding.path)
    if finding.rule == METADATA_KEY.id:
        return re.fullmatch(METADATA_KEYS, path.partition(".")[2]) is None
    if finding.rule in _UNDOCUMENTED:
        return strict or not path.startswith(f"{PARAMS}.")
    return finding.rule in _REFUSED and finding.severity is Severity.ERROR


class Simulator:
    """The simulated endpoint as an engine; arguments as for `SimulatedEndpoint`, by default the built-in schemas."""

    def __init__(
        self,
        schemas: Schemas | None = None,
        *,
        random_bytes: Callable[[int], bytes],
        strict: bool = False,
        time_scale: float = 1.0,
        timeouts: Timeouts = TIMEOUTS,
        second_end: int = 204,
        over_limit: int = 204,
    ) -> None:
        self._endpoint = SimulatedEndpoint(
            schemas or Schemas(),
            random_bytes=random_bytes,
            strict=strict,
            time_scale=time_scale,
            timeouts=timeouts,
            second_end=second_end,
            over_limit=over_limit,
        )

    def for_key(self, _key: str) -> Self:
        """Return a simulator with the same settings, and sessions of its own."""
        other = copy(self)
        other._endpoint = self._endpoint.of_another_key()
        return other

    def has_session(self, sid: str) -> bool:
        """Return whether it opened a session, and remembers it."""
        return self._endpoint.has_session(sid)

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to `request`; `now` in seconds since 1970."""
        response = self._endpoint.answer(request, now)
        status = response.status
        return Answer(
            response=response, reason=self._endpoint.explain(request, status, now) if status >= REFUSED else ""
        )
