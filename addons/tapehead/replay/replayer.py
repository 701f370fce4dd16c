"""The recorded endpoint as an engine, for any number of live players at once.

A live sessionStart opens a playback of the recorded session that fits best; equally good ones take turns in recorded
order. Where its content was recorded on the host that it calls, only the sessions on that host count. Its events are
answered with the recorded events that `matching` chooses from that session, calls that are not recorded according to
`on_miss`. A recorded session id is answered from its own session, so that recorded errors (an unknown id, a closed
session) are replayed, too.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Self

import orjson

from tapehead.answers import Answer, Outcome
from tapehead.errors import RecordingError
from tapehead.protocol.events import Event, event_of, first_event, read_event
from tapehead.protocol.exchange import Entry
from tapehead.protocol.hosts import authority_of
from tapehead.protocol.messages import Request
from tapehead.protocol.responses import failure
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schemas
from tapehead.protocol.session_id import CHANCE_BYTES, NO_RECORDED_SESSION, mint, read
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.replay.forwarded_calls import ForwardedCalls
from tapehead.replay.index import RecordingIndex, build_index, of_host, schemas_of
from tapehead.replay.matching import Choice, NearMiss, Reason, near_sessions
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.peers import Peers
from tapehead.replay.playable_recordings import PlayableRecordings
from tapehead.replay.playback import Playback
from tapehead.replay.recorded_answers import RecordedAnswer
from tapehead.replay.recorded_session import RecordedCall
from tapehead.replay.summary import (
    Miss,
    ReplayCounts,
    ReplayStats,
    ReplaySummary,
    ReplayTotals,
    explain_choice,
    explain_turn,
    name_event,
    near_lines,
    recorded_calls,
    summarise,
)
from tapehead.replay.turns import ANY_HOST, Turns
from tapehead.simulator.endpoint import SimulatedEndpoint
from tapehead.simulator.entry_limit import EntryLimit
from tapehead.text import shorten_value

# Beyond these, of all keys together, the oldest playback is dropped; its next event restores it by its id.
MOST_PLAYBACKS = 50_000


# The answers to a miss, for messages.
_DONE = {
    OnMiss.SIMULATE: "simulated",
    OnMiss.ERROR: "answered with an error",
    OnMiss.FORWARD: "forwarded",
}
OTHER_RECORDINGS = (
    "a player sent a session id of a tapehead that plays other recordings; behind one balancer, let all play the same"
)
NOT_FORWARDED = "simulated, since the endpoint does not know this session"


class Replayer:
    """An engine that answers live requests from recordings.

    Args:
        index: the index of the recordings.
        schemas: the schemas that simulated answers are validated with.
        random_bytes: returns that number of random bytes, for session ids.
        on_miss: how to answer calls that are not in the recordings.
        endpoint: the simulated endpoint; one with default settings if left out.
        files: the recordings' names by their numbers; recordings without a name are numbered.
        numbers: the numbers of those in the index; all of `files` if left out.
        excerpts: redacts quotations of live requests in messages; not redacted if left out.
        warn: called with one line about each kind of place in which recorded answers name other hosts, if given.
        forwarded: the calls that this run forwards and records, to be played as well; None to play none of them.
        explain: whether the note of a sessionStart says which values tied it to its recording.
        totals: the counts of all keys of the run; new ones if left out.
        peers: what is known of other processes that answer the same players; nothing if left out.

    Attributes:
        recordings: what is played.
        stats: the counts of this key, and of all keys.
    """

    def __init__(
        self,
        index: RecordingIndex,
        schemas: Schemas,
        *,
        random_bytes: Callable[[int], bytes],
        on_miss: OnMiss = OnMiss.SIMULATE,
        endpoint: SimulatedEndpoint | None = None,
        files: Sequence[str] = (),
        numbers: Sequence[int] | None = None,
        excerpts: ExcerptRedactor | None = None,
        warn: Callable[[str], None] | None = None,
        forwarded: ForwardedCalls | None = None,
        explain: bool = False,
        totals: ReplayTotals | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._peers = peers or Peers()
        self._key = ""
        self._explain = explain
        self.recordings = PlayableRecordings(index, files, numbers, forwarded)
        self.on_miss = OnMiss.ERROR if on_miss is OnMiss.ONCE else on_miss
        self._random_bytes = random_bytes
        self._endpoint = endpoint or SimulatedEndpoint(schemas, random_bytes=random_bytes)
        self._files = files
        self._excerpts = excerpts or ExcerptRedactor()
        self.stats = ReplayStats(warn, totals)
        self._forwarded = forwarded
        self._limit = EntryLimit(MOST_PLAYBACKS)
        self.stats.note_recorded(self.recordings.replaced)
        self._begin()

    def _begin(self) -> None:
        take_turn = None if self._forwarded else self._peers.take_turn
        self._turns = Turns(self.recordings.equals, self.recordings.left_out, take_turn, self._key)
        self._lists: Counter[object] = Counter()
        self._playbacks: dict[str, Playback] = {}

    def for_key(self, key: str) -> Self:
        """Return a replayer with playbacks and counts of its own, of the file named like the key, or of all."""
        other = copy(self)
        other._key = key
        other.recordings = self.recordings.of_key(key)
        other.stats = self.stats.of_another_key()
        other.stats.note_recorded(other.recordings.replaced)
        other._endpoint = self._endpoint.of_another_key()
        other._begin()
        return other

    def has_session(self, sid: str) -> bool:
        """Return whether it opened a session, and remembers it; ids that it did not give belong to every key."""
        playback = self._playbacks.get(sid)
        is_restored = playback is not None and playback.is_restored
        return self._endpoint.has_session(sid) and not is_restored and sid not in self.recordings.by_sid

    @classmethod
    def from_entries(
        cls,
        entries: Iterable[Entry],
        *,
        random_bytes: Callable[[int], bytes],
        on_miss: OnMiss = OnMiss.SIMULATE,
    ) -> Self:
        """Return a replayer of recorded exchanges, such as `tapehead.read_recordings` yields.

        Args:
            entries: the exchanges.
            random_bytes: returns that number of random bytes, for session ids, such as `secrets.token_bytes`.
            on_miss: how to answer calls that are not among them.
        """
        recordings: dict[str, list[Entry]] = {}
        for entry in entries:
            recordings.setdefault(entry.recording, []).append(entry)
        index, names = build_index(recordings.values()), tuple(recordings)
        return cls(index, schemas_of(index), random_bytes=random_bytes, on_miss=on_miss, files=names)

    def summary(self) -> ReplaySummary:
        """Return hits, misses with the nearest matches, and unused exchanges so far, of all keys."""
        return summarise(recorded_calls(self.recordings.index), self.counts())

    def counts(self) -> ReplayCounts:
        """Return the live counts behind the summary."""
        return self.stats.totals.run

    def playbacks(self) -> list[str]:
        """Return the ids of the live sessions that are answered from recorded ones."""
        return list(self._playbacks)

    def answer(self, request: Request, now: float) -> Answer:
        """Return the answer to `request`; `now` in seconds since 1970."""
        if self._forwarded and (others := self._forwarded.take_others(now)):
            self.stats.note_recorded(self.recordings.add_forwarded(others))
        route = request.route
        if route is None or request.collection_call is None:
            return Answer(response=self._endpoint.answer(request, now), reason="no collection call")
        index = self.recordings.index
        if request.method == "OPTIONS":
            playback = self._playback(route.sid, request.url, now) if route.sid else None
            preflights = playback.session.preflights if playback else index.preflights.get(route.call, [])
            return self._answer_in_turn(preflights, (route.call, playback and playback.session.number), request, now)
        if route.call is Call.EVENT:
            return self._answer_event(route.sid or "", request, now)
        if route.call is Call.SCHEMA:
            return self._answer_in_turn(index.schemas.get(route.event_type or "", []), route, request, now)
        body = request.json()
        if route.call is Call.SESSION and not isinstance(body, list):
            return self._answer_session(event_of(request), request, now)
        identity = first_event(body).identity
        return self._answer_in_turn(index.downloaded_by_content.get(identity, []), (route.call, identity), request, now)

    # ---- Sessions ----

    def _answer_session(self, event: Event, request: Request, now: float) -> Answer:
        host = authority_of(request.url)
        if self._forwarded and (ended := self._forwarded.take_ended(event.identity[0], now)):
            self.stats.note_recorded(self.recordings.add_forwarded(ended))
        sessions = self.recordings.index.sessions
        delay = now - event.ts / 1000 if self._peers.are_seen and event.ts else None
        turn = self._turns.next(sessions, event.identity, host, delay)
        if turn is None or turn.session.start is None:
            return self._miss(request, now, Reason.NO_SUCH_SESSION, lambda live: near_sessions(sessions, live.identity))
        session = turn.session
        if self.recordings.is_outdated(session):
            return self._miss(request, now, Reason.OUTDATED, replaces=session.sid)
        chance = (self._random_bytes(CHANCE_BYTES) + self._peers.own)[-CHANCE_BYTES:]
        sid = mint(session.mark, event.ts or 0, chance, now) if session.is_opened else None
        recorded = self._recorded(turn.session.start, request, now, sid)
        if recorded is None:
            return self._miss(request, now, Reason.CHANGED)
        self.stats.hit(turn.session.start, opens=session.is_opened)
        choice = Choice(turn.session.start, Reason.SESSION)
        note: str | partial[str] = partial(explain_choice, choice)
        if self._explain:
            shown = read_event(self._excerpts.of(request, None).json()).identity
            note = f"{explain_choice(choice)}; {explain_turn(turn, event.identity, shown, host)}"
        if sid:
            self._excerpts.remember(sid, request)
            self._keep(sid, Playback(session, event.ts, now))
            self._endpoint.open_session(sid, now)
        return self._answer_as_recorded(recorded, request, now, note)

    def _keep(self, sid: str, playback: Playback) -> Playback:
        self._limit.make_room(self._playbacks, sid)
        self._playbacks[sid] = playback
        return playback

    def _playback(self, sid: str, url: str, now: float) -> Playback | None:
        """Return the playback of a session id: an open one, one of another process, or that of a recorded id."""
        if known := self._playbacks.get(sid):
            return known
        minted = read(sid)
        if minted and (session := self.recordings.by_mark.get(minted.recorded)):
            arrived = minted.arrived_by(now)
            self._peers.note(minted.process, arrived)
            self._endpoint.open_session(sid, now, arrived)
            return self._keep(sid, Playback(session, float(minted.started_ts), arrived, reached=None, is_restored=True))
        if sessions := self.recordings.by_sid.get(sid):
            session = of_host(sessions, authority_of(url))[-1]
            if session.start:
                self._endpoint.open_session(sid, now)
            return self._keep(sid, Playback(session, session.started_ts, repeats=True))
        return None

    # ---- Events ----

    def _answer_event(self, sid: str, request: Request, now: float) -> Answer:
        event = event_of(request)
        playback = self._playback(sid, request.url, now)
        if playback is None:
            # The session was simulated, or its id came from elsewhere.
            minted = read(sid)
            if minted and minted.recorded != NO_RECORDED_SESSION and self.on_miss is not OnMiss.FORWARD:
                self.stats.warn(OTHER_RECORDINGS)
                return self._miss(request, now, Reason.OTHER_RECORDINGS)
            # Where misses are forwarded, the simulation is that of another tapehead, which is the endpoint.
            simulated = minted and minted.recorded == NO_RECORDED_SESSION and self.on_miss is not OnMiss.FORWARD
            return self._miss(request, now, Reason.NO_SUCH_SESSION if simulated else Reason.UNKNOWN_SID)
        is_shared = self._peers.are_seen and not playback.repeats
        choice = playback.choose(event, now, is_shared=is_shared)
        if choice.call is None:
            if self.on_miss is OnMiss.FORWARD:
                self.stats.note_outdated(self.recordings.note_miss(playback.session))
            return self._miss(request, now, choice.reason, playback.near)
        recorded = self._recorded(choice.call, request, now)
        if recorded is None:
            return self._miss(request, now, Reason.CHANGED)
        if isinstance(request.json(), dict):
            self._endpoint.note_event(sid, event, now)
        self.stats.hit(choice.call, again=choice.call.place in playback.used)
        playback.use(choice.call, event, now, is_shared=is_shared)
        return self._answer_as_recorded(recorded, request, now, partial(explain_choice, choice))

    # ---- Other calls ----

    def _answer_in_turn(self, recorded: list[RecordedCall], turn: object, request: Request, now: float) -> Answer:
        """Answer with the recorded responses one after the other, then with the last one again and again."""
        if not recorded and request.method == "OPTIONS":
            self.stats.count_unrecorded()
            return Answer(
                response=self._endpoint.answer(request, now), reason="as documented: no preflight was recorded"
            )
        if not recorded:
            return self._miss(request, now, Reason.NOT_RECORDED)
        host = authority_of(request.url)
        calls = of_host(recorded, host)
        turn = (turn, host if calls[0].host == host else ANY_HOST)
        call = calls[min(self._lists[turn], len(calls) - 1)]
        self._lists[turn] += 1
        recorded_answer = self._recorded(call, request, now)
        if recorded_answer is None:
            return self._miss(request, now, Reason.CHANGED)
        self.stats.hit(call)
        return self._answer_as_recorded(recorded_answer, request, now, f"line {call.line} ({call.call})")

    def _recorded(
        self, call: RecordedCall, request: Request, now: float, sid: str | None = None
    ) -> RecordedAnswer | None:
        """Return a recorded answer, which may open the session `sid`; warn and return None if its file was changed."""
        try:
            return self.recordings.answers.of(call, request, now, sid)
        except RecordingError as error:
            self.stats.warn(str(error))
            return None

    def _answer_as_recorded(
        self, recorded: RecordedAnswer, request: Request, now: float, note: str | partial[str]
    ) -> Answer:
        """Answer with a recorded response, which names the called host alone."""
        response = recorded.response
        if recorded.is_left:  # no failure of the endpoint
            response = self._endpoint.answer(request, now)
            note = f"{note if isinstance(note, str) else note()}; simulated, since the recorded client left"
        elif recorded.rewrites:
            self.stats.rewrite(recorded.rewrites)
        return Answer(response=response, recorded_ms=recorded.elapsed_ms, outcome=Outcome.HIT, reason=note)

    # ---- Misses ----

    def _miss(
        self,
        request: Request,
        now: float,
        reason: Reason,
        near: Callable[[Event], list[NearMiss]] | None = None,
        replaces: str | None = None,
    ) -> Answer:
        """Answer a call that is not recorded.

        Args:
            request: the call.
            now: its arrival, in seconds since 1970.
            reason: the reason for the miss.
            near: returns the recorded exchanges that are nearest to its event.
            replaces: the id of the recorded session that is recorded anew, if it is forwarded.
        """
        route = request.route
        sid = route.sid if route else None
        event = read_event(self._excerpts.of(request, sid).json())
        forwards = self.on_miss is OnMiss.FORWARD and (sid is None or reason is Reason.UNKNOWN_SID)
        done = _DONE[self.on_miss] if forwards or self.on_miss is not OnMiss.FORWARD else NOT_FORWARDED
        if event.type == "sessionStart":
            call = f"sessionStart of {shorten_value(event.identity[0])}"
        else:
            call = name_event(event.key, event.position(None)) or (route.call if route else "a call")
        miss = Miss(call, sid, reason, done, near(event) if near else [])
        self.stats.miss(miss)
        note = f"miss: {miss.explain()}; {done}"
        if forwards:
            return Answer(forward=True, replaces=replaces, outcome=Outcome.MISS, reason=note)
        if self.on_miss is not OnMiss.ERROR:
            return Answer(response=self._endpoint.answer(request, now), outcome=Outcome.MISS, reason=note)
        message = f"tapehead has no recorded answer to {miss.call}: {miss.explain()}"
        body = {"message": message, "reason": miss.reason, "nearest": list(near_lines(miss.nearest, self._files))}
        response = failure(502, message, now).with_content(orjson.dumps(body))
        return Answer(response=response, outcome=Outcome.MISS, reason=note)
