"""An index of recordings for replay: sessions, each an ordered list of calls with key and position.

A session is identified by the parameters of content and player, an event by its type and naming parameters; its
position is the playhead and the time since the sessionStart. Values that change from run to run (ts, ids, SDK version,
measured quality) are not part of these.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import chain

import msgspec

from tapehead.protocol.arrival import in_order_of_arrival
from tapehead.protocol.events import read_event
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.routes import Call
from tapehead.protocol.schemas import Schema, Schemas, served_schema
from tapehead.protocol.session_id import fingerprint
from tapehead.replay.entry_digest import NO_DETAILS, EntryDigest, EntryDigester
from tapehead.replay.recorded_session import PINGS, RecordedCall, RecordedSession

NO_IDENTITY = read_event(None).identity


class RecordingIndex(msgspec.Struct):
    """The recorded calls by session, event type and call.

    Attributes:
        sessions: in recorded order.
        by_content: sessions with a recorded sessionStart, by the first value of their identity, which has to be equal.
        hosts: the hosts that calls went to, and those that a Location names.
        schemas: schema calls by event type.
        downloaded: calls with arrays of downloaded content.
        downloaded_by_content: the same by the identity of that content.
        preflights: preflights outside of sessions, by the call that they precede.
    """

    sessions: list[RecordedSession]
    by_content: dict[object, list[RecordedSession]]
    schemas: dict[str, list[RecordedCall]]
    downloaded: list[RecordedCall]
    downloaded_by_content: dict[tuple[object, ...], list[RecordedCall]]
    preflights: dict[Call, list[RecordedCall]]
    hosts: set[str] = msgspec.field(default_factory=set)


def build_index(
    recordings: Iterable[Iterable[Entry | EntryDigest]], numbers: Iterable[int] | None = None
) -> RecordingIndex:
    """Return the index of the entries of some recordings.

    A session may be continued in a later recording, whatever the order of the recordings.

    Args:
        recordings: the entries of each recording, or their digests.
        numbers: the numbers of the recordings; from 0 on if left out.
    """
    builder = IndexBuilder()
    numbered = enumerate(recordings) if numbers is None else zip(numbers, recordings, strict=True)
    files = [(number, in_order_of_arrival(map(builder.digest, entries))) for number, entries in numbered]
    for file, digests in files:
        builder.add_starts(file, digests)
    for file, digests in sorted(files, key=lambda file: file[1][0].started if file[1] else ""):
        builder.add_calls(file, digests)
    return builder.index


def index_of_files(index: RecordingIndex, files: Collection[int]) -> RecordingIndex:
    """Return the index of some recordings alone, by their numbers in a larger one; no exchange is read for it.

    It has the hosts of all recordings, so that answers that name them are rewritten.
    """
    part = RecordingIndex(
        [],
        {},
        _of_files(index.schemas, files),
        [call for call in index.downloaded if call.file in files],
        _of_files(index.downloaded_by_content, files),
        _of_files(index.preflights, files),
        index.hosts,
    )
    # As in any index, sessions whose sessionStart was not recorded come last.
    for session in sorted(index.sessions, key=lambda each: each.start is None or each.start.file not in files):
        if found := _session_of_files(session, len(part.sessions), files):
            part.sessions.append(found)
            if found.start:
                part.by_content.setdefault(found.identity[0], []).append(found)
    return part


def _of_files[Name](lists: dict[Name, list[RecordedCall]], files: Collection[int]) -> dict[Name, list[RecordedCall]]:
    parts = {name: [call for call in calls if call.file in files] for name, calls in lists.items()}
    return {name: calls for name, calls in parts.items() if calls}


def _session_of_files(session: RecordedSession, number: int, files: Collection[int]) -> RecordedSession | None:
    """Return a session with its calls in some recordings alone, as if it had no others; None if there are none."""
    start = session.start if session.start and session.start.file in files else None
    calls = [call for call in session.calls if call.file in files]
    preflights = [call for call in session.preflights if call.file in files]
    if not (start or calls or preflights):
        return None
    if start is session.start and len(calls) == len(session.calls) and len(preflights) == len(session.preflights):
        return msgspec.structs.replace(session, number=number)
    ordered: list[RecordedCall] = []
    for call in calls:
        elapsed = call.elapsed if start else None
        ordered.append(msgspec.structs.replace(call, elapsed=elapsed, order=_next_order(ordered)))
    if start is None:  # it opens no session, so that its mark is in no session id
        return RecordedSession(
            number,
            session.sid,
            session.mark,
            session.host,
            NO_IDENTITY,
            None,
            "",
            False,
            None,
            None,
            ordered,
            preflights,
        )
    return msgspec.structs.replace(session, number=number, calls=ordered, preflights=preflights, _order=None)


def extend_index(index: RecordingIndex, file: int, entries: Iterable[Entry]) -> list[RecordedSession]:
    """Add whole sessions and other calls of a recording to an index, and return the sessions."""
    builder, before = IndexBuilder(index), len(index.sessions)
    arrived = in_order_of_arrival(map(builder.digest, entries))
    builder.add_starts(file, arrived)
    builder.add_calls(file, arrived)
    return index.sessions[before:]


def schemas_of(index: RecordingIndex, stored: Iterable[Exchange] = ()) -> Schemas:
    """Return the schemas for a replay: the last usable ones that were recorded, for other event types the built-in.

    Args:
        index: the index.
        stored: exchanges of the schema call that count before those of the index.
    """
    found: list[tuple[str, Schema]] = []
    for exchange in chain(stored, (call.exchange for call in chain.from_iterable(index.schemas.values()))):
        with suppress(ValueError):
            found += filter(None, [served_schema(exchange)])
    return Schemas.usable(found)


class IndexBuilder:
    """A builder of an index: assigns exchanges to sessions, all of which it adds itself.

    Args:
        index: an index to be added to; an empty one if left out.

    Attributes:
        index: the index so far.
    """

    def __init__(self, index: RecordingIndex | None = None) -> None:
        self.index = index or RecordingIndex([], {}, {}, [], {}, {})
        # By file, session id and host; None stands for any file and any host.
        self._by_sid: dict[tuple[int | None, str, str | None], list[RecordedSession]] = {}
        self._digester = EntryDigester()

    def digest(self, entry: Entry | EntryDigest) -> EntryDigest:
        """Return the digest of an entry, which is held in memory unless it is one already."""
        return entry if isinstance(entry, EntryDigest) else self._digester.digest(entry, entry.exchange)

    def add_starts(self, file: int, digests: Sequence[EntryDigest]) -> None:
        """Add the session calls of a recording, in the order of their arrival."""
        hosts = self.index.hosts
        hosts.update([digest.host for digest in digests])
        for digest in digests:
            if digest.details is NO_DETAILS:
                continue
            if digest.details.named_host:
                hosts.add(digest.details.named_host)
            if digest.call is not Call.SESSION:
                continue
            if digest.details.is_array:
                self._add_downloaded(file, digest)
                continue
            start = _recorded(file, digest, digest.playhead, None, 0)
            session = self._add_session(digest, start)
            self.index.by_content.setdefault(session.identity[0], []).append(session)
            if digest.session is not None:
                self._remember(file, digest.session, session)
                self._remember(None, digest.session, session)

    def add_calls(self, file: int, digests: list[EntryDigest]) -> None:
        """Add the other calls of a recording, after the session calls of all recordings; the list is used up."""
        digests.reverse()
        while digests:
            digest = digests.pop()
            if digest.call is Call.SESSION:
                continue
            if digest.session is not None:
                self._add_to_session(file, digest.session, digest)
                continue
            route = digest.details.route
            if digest.call is Call.SCHEMA and route and route.event_type:
                self.index.schemas.setdefault(route.event_type, []).append(_recorded(file, digest, None, None, 0))
            elif digest.call is Call.DOWNLOADED:
                self._add_downloaded(file, digest)
            elif route:
                self.index.preflights.setdefault(route.call, []).append(_recorded(file, digest, None, None, 0))

    def _add_downloaded(self, file: int, digest: EntryDigest) -> None:
        call = _recorded(file, digest, None, None, 0)
        self.index.downloaded.append(call)
        self.index.downloaded_by_content.setdefault(digest.details.identity, []).append(call)

    def _add_to_session(self, file: int, sid: str, digest: EntryDigest) -> None:
        known = self._by_sid.get((file, sid, digest.host))
        session = known[0] if known and len(known) == 1 else self._session_of(file, sid, digest)
        calls, ts, began = session.calls, digest.ts, session.started_ts
        elapsed = None if ts is None or began is None else (ts - began) / 1000
        call = _recorded(file, digest, digest.playhead, elapsed, _next_order(calls))
        (session.preflights if digest.call is Call.PREFLIGHT else calls).append(call)

    def _session_of(self, file: int, sid: str, digest: EntryDigest) -> RecordedSession:
        """Return the last session with an id that had begun.

        One on the call's host comes before others, to which a Location may have led; then one in the same file.
        """
        for host in (digest.host, None):
            if known := self._by_sid.get((file, sid, host)):
                return known[0] if len(known) == 1 else _last_begun(known, digest) or known[0]
            others = sorted(self._by_sid.get((None, sid, host), ()), key=lambda session: session.started)
            if begun := _last_begun(others, digest):
                self._remember(file, sid, begun)
                return begun
        session = self._add_session(digest, None)
        self._remember(file, sid, session)
        return session

    def _remember(self, file: int | None, sid: str, session: RecordedSession) -> None:
        for host in (session.host, None):
            self._by_sid.setdefault((file, sid, host), []).append(session)

    def _add_session(self, digest: EntryDigest, start: RecordedCall | None) -> RecordedSession:
        sid, details = digest.session, digest.details
        session = RecordedSession(
            len(self.index.sessions),
            sid,
            fingerprint(f"{digest.started} {sid or digest.line} {digest.host}"),
            digest.host,
            details.identity if start else NO_IDENTITY,
            start,
            digest.started if start else "",
            start is not None and details.has_response and (sid is not None or details.is_bare),
            details.replaces if start else None,
            digest.ts if start else None,
        )
        self.index.sessions.append(session)
        return session


def of_host[Recorded: (RecordedCall, RecordedSession)](recorded: Sequence[Recorded], host: str) -> Sequence[Recorded]:
    """Return the recorded calls or sessions of a host; all of them if none is."""
    return [each for each in recorded if each.host == host] or recorded


def _next_order(calls: Sequence[RecordedCall]) -> int:
    """Return the order of a session's next call after some."""
    last = calls[-1] if calls else None
    return 1 if last is None else last.order + (last.key.event_type not in PINGS)


def _recorded(
    file: int, digest: EntryDigest, playhead: float | None, elapsed: float | None, order: int
) -> RecordedCall:
    playhead = None if playhead is None else float(playhead)
    held, key = digest.held, digest.key
    return RecordedCall(file, digest.line, held, key, playhead, elapsed, order, digest.call, digest.host)


def _last_begun(sessions: Sequence[RecordedSession], digest: EntryDigest) -> RecordedSession | None:
    """Return the last of `sessions`, in the order of their starts, that had begun when an exchange came."""
    begun = (each for each in reversed(sessions) if each.start and each.started <= digest.started)
    return next(begun, None)
