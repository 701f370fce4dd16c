"""Replay: the recorded endpoint, answering live players, any number of them at once.

A live sessionStart opens a playback of the recorded session that fits it best; equals take turns in recorded order,
then round again. Its events are answered with what `matching` chooses from that session. What the recording does not
have goes by `on_miss`. A session id that was recorded is answered from its own session, so that recorded failures
(an unknown id, a closed session) come back, too.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import partial
from heapq import heapreplace

import msgspec
import orjson

from tapehead.answers import Answer, Outcome
from tapehead.protocol.events import Event, first_event, read_event
from tapehead.protocol.messages import Request, Response
from tapehead.protocol.responses import failure
from tapehead.protocol.routes import Call, Route, find_call, find_route, with_sid
from tapehead.protocol.schemas import Schemas
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, mint, read
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.replay.index import RecordedCall, RecordedSession, RecordingIndex
from tapehead.replay.matching import WINDOW, Choice, NearMiss, Reason, choose, likeness, near_events, near_sessions
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.summary import (
    Miss,
    ReplayCounts,
    ReplayStats,
    ReplaySummary,
    explain_choice,
    name_event,
    near_lines,
    summarise,
)
from tapehead.simulator.endpoint import SimulatedEndpoint
from tapehead.text import shorten_value

# The oldest playback beyond these is forgotten; its next event takes it up again by its id.
MOST_PLAYBACKS = 50_000


# What was done with a miss, in words.
_DONE = {
    OnMiss.SIMULATE: "simulated",
    OnMiss.ERROR: "answered with an error",
    OnMiss.FORWARD: "forwarded",
}
NOT_FORWARDED = "simulated, since the endpoint does not know this session"


# Sessions with one identity, of each how often it was played and its number: the first is the next to be played.
_Heap = list[tuple[int, int]]
_Turns = dict[tuple[object, ...], _Heap]


class _Playback(msgspec.Struct, eq=False):
    """A live session that is answered from a recorded one.

    Attributes:
        session: the recorded session that it follows.
        started_ts: the live sessionStart's ts, milliseconds since 1970.
        used: the lines of the recorded events that are spent.
        reached: the order of the furthest of them; None after a restart, until the first event.
        rounds: whether it begins anew when it is through: its id is a recorded one, and may come any number of times.
    """

    session: RecordedSession
    started_ts: float | None
    used: set[int] = msgspec.field(default_factory=set)
    reached: int | None = 0
    rounds: bool = False


class Replayer:
    """Answers from a tape.

    Args:
        index: what was recorded.
        schemas: the schemas in use.
        random_bytes: gives so many random bytes, for session ids.
        on_miss: what becomes of calls that the tape does not have.
        endpoint: answers for `on_miss` simulate; one with default settings if left out.
        files: the recordings' names, for messages; numbers stand for those that have none.
        excerpts: what may be told of live requests; as they are if left out.
    """

    def __init__(
        self,
        index: RecordingIndex,
        schemas: Schemas,
        *,
        random_bytes: Callable[[int], bytes],
        on_miss: OnMiss = OnMiss.SIMULATE,
        endpoint: SimulatedEndpoint | None = None,
        files: tuple[str, ...] = (),
        excerpts: ExcerptRedactor | None = None,
    ) -> None:
        self._index = index
        self._on_miss = on_miss
        self._random_bytes = random_bytes
        self._endpoint = endpoint or SimulatedEndpoint(schemas, random_bytes=random_bytes)
        self._files = files
        self._excerpts = excerpts or ExcerptRedactor()
        self._ledger = ReplayStats()
        self._by_mark = {session.mark: session for session in index.sessions}
        self._by_sid = {session.sid: session for session in index.sessions if session.sid}
        self._turns = {content: _turns(sessions) for content, sessions in index.by_content.items()}
        self._downloaded: dict[tuple[object, ...], list[RecordedCall]] = {}
        for call in index.downloaded:
            self._downloaded.setdefault(call.event.identity, []).append(call)
        self._lists: Counter[object] = Counter()
        self._playbacks: dict[str, _Playback] = {}

    def summary(self) -> ReplaySummary:
        """What was played and missed so far, and what nobody asked for."""
        return summarise(self._index, self._ledger.counts)

    def counts(self) -> ReplayCounts:
        """The same before it is summed up."""
        return self._ledger.counts

    def playbacks(self) -> list[str]:
        """The ids of the live sessions that are answered from recorded ones."""
        return list(self._playbacks)

    def answer(self, request: Request, now: float) -> Answer:
        """The answer to `request`, which came at `now`, seconds since 1970."""
        route = find_route(request.path)
        if route is None or find_call(request.method, request.path) is None:
            return Answer(response=self._endpoint.answer(request, now), note="no collection call")
        if request.method == "OPTIONS":
            return self._answer_preflight(route, request, now)
        return _ANSWERS[route.call](self, route, request, now)

    # ---- Sessions ----

    def _answer_session(self, route: Route, request: Request, now: float) -> Answer:
        body = request.json()
        if isinstance(body, list):
            return self._answer_downloaded(route, request, now)
        event = read_event(body)
        session = self._turn_of(event.identity)
        if session is None or session.start is None:
            return self._miss(request, now, Reason.NO_SUCH_SESSION, self._near_sessions)
        self._ledger.hit(session.start, opens=session.sid is not None)
        note = explain_choice(Choice(session.start, Reason.SESSION))
        took = session.start.exchange.elapsed_ms
        response = self._open(session, session.start, request, event.ts, now)
        return Answer(response=response, recorded_ms=took, outcome=Outcome.HIT, note=note)

    def _turn_of(self, identity: tuple[object, ...]) -> RecordedSession | None:
        """The recorded session that fits best; of equals the one that was played least, in recorded order."""
        fits = _best_fits(self._turns.get(identity[0], {}), identity)
        if not fits:
            return None
        equals = min(fits)
        played, number = equals[0]
        heapreplace(equals, (played + 1, number))
        return self._index.sessions[number]

    def _open(
        self, session: RecordedSession, start: RecordedCall, request: Request, started_ts: int | None, now: float
    ) -> Response | None:
        """The recorded answer to the sessionStart, under a fresh session id."""
        response = start.exchange.response
        if response is None or session.sid is None:
            return response and renew(response, now)
        sid = mint(session.mark, started_ts or 0, self._random_bytes(CHANCE_BYTES))
        self._excerpts.remember(sid, request)
        self._keep(sid, _Playback(session, started_ts))
        self._endpoint.open_session(sid, now)
        return renew(response, now, sid)

    def _keep(self, sid: str, playback: _Playback) -> _Playback:
        if len(self._playbacks) >= MOST_PLAYBACKS:
            del self._playbacks[next(iter(self._playbacks))]
        self._playbacks[sid] = playback
        return playback

    def _playback(self, sid: str, now: float) -> _Playback | None:
        """The playback with this id: one that is open, one from before a restart, or a recorded session itself."""
        if known := self._playbacks.get(sid):
            return known
        said = read(sid)
        if said and (session := self._by_mark.get(said.recorded)):
            self._endpoint.open_session(sid, now)
            return self._keep(sid, _Playback(session, float(said.started_ts), reached=None))
        if session := self._by_sid.get(sid):
            if session.start:
                self._endpoint.open_session(sid, now)
            started_ts = session.start.event.ts if session.start else None
            return self._keep(sid, _Playback(session, started_ts, rounds=True))
        return None

    # ---- Events ----

    def _answer_event(self, route: Route, request: Request, now: float) -> Answer:
        sid, event = route.sid or "", read_event(request.json())
        playback = self._playback(sid, now)
        if playback is None:
            return self._miss(request, now, _why_unknown(sid))
        key, position = event.key, event.position(playback.started_ts)
        choice = choose(playback.session, key, position, playback.used, playback.reached)
        if choice.reason is Reason.ALL_USED and playback.rounds:
            playback.used.clear()
            choice = choose(playback.session, key, position, playback.used, 0)
        if choice.call is None:
            return self._miss(request, now, choice.reason, partial(_near_events, playback))
        if isinstance(request.json(), dict):
            self._endpoint.note_event(sid, event, now)
        self._ledger.hit(choice.call, again=choice.call.line in playback.used)
        self._spend(playback, choice.call)
        return _recorded(choice.call, now, explain_choice(choice))

    def _spend(self, playback: _Playback, call: RecordedCall) -> None:
        playback.used.add(call.line)
        if playback.reached is None:
            # What stands shortly before may still be in flight.
            earliest = call.order - WINDOW
            playback.used.update(other.line for other in playback.session.calls if other.order < earliest)
        playback.reached = max(playback.reached or 0, call.order)

    # ---- The other calls ----

    def _answer_preflight(self, route: Route, request: Request, now: float) -> Answer:
        playback = self._playback(route.sid, now) if route.sid else None
        recorded = playback.session.preflights if playback else self._index.preflights.get(route.call, [])
        return self._answer_in_turn(recorded, (route.call, playback and playback.session.number), request, now)

    def _answer_schema(self, route: Route, request: Request, now: float) -> Answer:
        return self._answer_in_turn(self._index.schemas.get(route.event_type or "", []), route, request, now)

    def _answer_downloaded(self, route: Route, request: Request, now: float) -> Answer:
        identity = first_event(request.json()).identity
        return self._answer_in_turn(self._downloaded.get(identity, []), (route.call, identity), request, now)

    def _answer_in_turn(self, recorded: list[RecordedCall], turn: object, request: Request, now: float) -> Answer:
        """The recorded answers one after the other, the last of them for all that follows."""
        if not recorded and request.method == "OPTIONS":
            self._ledger.free()
            return Answer(response=self._endpoint.answer(request, now), note="as documented: no preflight was recorded")
        if not recorded:
            return self._miss(request, now, Reason.NOT_RECORDED)
        call = recorded[min(self._lists[turn], len(recorded) - 1)]
        self._lists[turn] += 1
        self._ledger.hit(call)
        return _recorded(call, now, f"line {call.line} ({call.exchange.call})")

    # ---- Misses ----

    def _near_sessions(self, event: Event) -> list[NearMiss]:
        return near_sessions(self._index.sessions, event.identity)

    def _miss(
        self, request: Request, now: float, reason: Reason, near: Callable[[Event], list[NearMiss]] | None = None
    ) -> Answer:
        """What becomes of a call that is not recorded; `near` gives what is nearest to an event."""
        route = find_route(request.path)
        sid = route.sid if route else None
        event = read_event(self._excerpts.of(request, sid).json())
        forwards = self._on_miss is OnMiss.FORWARD and (sid is None or reason is Reason.UNKNOWN_SID)
        done = _DONE[self._on_miss] if forwards or self._on_miss is not OnMiss.FORWARD else NOT_FORWARDED
        miss = Miss(_describe(route, event), sid, reason, done, near(event) if near else [])
        self._ledger.miss(miss)
        note = f"miss: {miss.explain()}; {done}"
        if forwards:
            return Answer(forward=True, outcome=Outcome.MISS, note=note)
        error = self._on_miss is OnMiss.ERROR
        response = self._explain(miss, now) if error else self._endpoint.answer(request, now)
        return Answer(response=response, outcome=Outcome.MISS, note=note)

    def _explain(self, miss: Miss, now: float) -> Response:
        message = f"tapehead has no recorded answer to {miss.call}: {miss.explain()}"
        body = {"message": message, "reason": miss.reason, "nearest": list(near_lines(miss.nearest, self._files))}
        return failure(502, message, now).with_content(orjson.dumps(body))


_ANSWERS: dict[Call, Callable[[Replayer, Route, Request, float], Answer]] = {
    Call.SESSION: Replayer._answer_session,
    Call.EVENT: Replayer._answer_event,
    Call.SCHEMA: Replayer._answer_schema,
    Call.DOWNLOADED: Replayer._answer_downloaded,
}


def _turns(sessions: Iterable[RecordedSession]) -> _Turns:
    """Whose turn it is, before anything was played."""
    turns: _Turns = {}
    for session in sessions:
        turns.setdefault(session.identity, []).append((0, session.number))
    return turns


def _best_fits(turns: _Turns, identity: tuple[object, ...]) -> list[_Heap]:
    """The sessions that fit an identity best: those that have it, or else all that are equally like it."""
    if identity in turns:
        return [turns[identity]]
    fits = [(likeness(other, identity), heap) for other, heap in turns.items()]
    best = max((fit for fit, _ in fits), default=())
    return [heap for fit, heap in fits if fit == best]


def _recorded(call: RecordedCall, now: float, note: str) -> Answer:
    """A recorded answer, as it was."""
    response = call.exchange.response
    took = call.exchange.elapsed_ms
    return Answer(response=response and renew(response, now), recorded_ms=took, outcome=Outcome.HIT, note=note)


def _near_events(playback: _Playback, event: Event) -> list[NearMiss]:
    return near_events(playback.session, event.key, event.position(playback.started_ts), playback.used)


def _why_unknown(sid: str) -> Reason:
    """Why an id has no playback: its session was simulated, or the id came from elsewhere."""
    said = read(sid)
    simulated = said is not None and said.recorded == NO_RECORDED_SESSION
    return Reason.NO_SUCH_SESSION if simulated else Reason.UNKNOWN_SID


def _describe(route: Route | None, event: Event) -> str:
    if event.type == "sessionStart":
        return f"sessionStart of {shorten_value(event.identity[0])}"
    return name_event(event.key, event.position(None)) or (route.call if route else "a call")


def renew(response: Response, now: float, sid: str | None = None) -> Response:
    """A recorded response for sending again: its Date renewed, and with `sid` the session id in its Location."""
    return response.with_headers((name, _renew_header(name, value, now, sid)) for name, value in response.headers)


def _renew_header(name: str, value: str, now: float, sid: str | None) -> str:
    if name.lower() == "date":
        return formatdate(now, usegmt=True)
    return with_sid(value, sid) if sid and name.lower() == "location" else value
