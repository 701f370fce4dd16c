"""Recordings as replayers play them: shared by the replayers of all keys, each of which has its own playbacks."""

from collections.abc import Sequence
from itertools import chain
from typing import Self

from tapehead.protocol.event_types import LAST_TYPES
from tapehead.protocol.exchange import Entry, Exchange
from tapehead.protocol.routes import SESSION_CREATED
from tapehead.replay.forwarded_calls import ForwardedCalls
from tapehead.replay.host_rewriting import HostRewriter
from tapehead.replay.index import RecordingIndex, extend_index, index_of_files
from tapehead.replay.recorded_answers import RecordedAnswers
from tapehead.replay.recorded_session import RecordedSession
from tapehead.replay.turns import ANY_HOST, Equals

# The ends of names that tell what a file is, and of compressed ones.
_SUFFIXES, _COMPRESSED = (".jsonl", ".har", ".flow", ".flows", ".mitm", ".json"), (".zst", ".gz")


class PlayableRecordings:
    """Recorded sessions and calls by what live requests name.

    Args:
        index: the index of the recordings.
        files: the names of recordings, by their numbers.
        numbers: the numbers of those in the index; all of `files` if left out.
        forwarded: the calls that this run forwards and records, to be played as well; None to play none of them.

    Attributes:
        index, files, numbers, forwarded: as given.
        by_mark: the sessions by their fingerprints.
        by_sid: the sessions by their recorded ids.
        equals: the sessions that can be opened.
        answers: the recorded answers.
        forwarded_lines: number of the recording and line of the forwarded calls that were added.
        left_out: the numbers of sessions that were recorded anew.
        replaced: the calls of those, number of the recording and line.
        outdated: the sessionStarts of sessions that lack calls of a player who followed them, until they are recorded
            anew, likewise; the same for all keys.
    """

    def __init__(
        self,
        index: RecordingIndex,
        files: Sequence[str] = (),
        numbers: Sequence[int] | None = None,
        forwarded: ForwardedCalls | None = None,
    ) -> None:
        self.index = index
        self.files = files
        self.forwarded = forwarded
        self.by_mark = {session.mark: session for session in index.sessions}
        self.by_sid: dict[str, list[RecordedSession]] = {}
        for session in index.sessions:
            if session.sid:
                self.by_sid.setdefault(session.sid, []).append(session)
        self.equals: Equals = {}
        self.left_out: set[int] = set()
        self.replaced: set[tuple[int, int]] = set()
        self.outdated: set[tuple[int, int]] = set()
        self._offer(list(chain.from_iterable(index.by_content.values())))
        self.answers = RecordedAnswers(HostRewriter(index.hosts))
        self.forwarded_lines: set[tuple[int, int]] = set()
        self.numbers = tuple(range(len(files)) if numbers is None else numbers)
        self._by_stem: dict[str, tuple[int, ...]] = {}
        for number in self.numbers if len(self.numbers) > 1 else ():
            stem = stem_of(files[number])
            self._by_stem[stem] = (*self._by_stem.get(stem, ()), number)
        self._parts: dict[tuple[int, ...], Self] = {}
        self._whole = self

    def of_key(self, key: str) -> Self:
        """Return the recordings that a key plays: the file that is named like it, or all if none is."""
        numbers = self._by_stem.get(key)
        if numbers is None:
            return self
        if numbers not in self._parts:
            index = index_of_files(self.index, numbers)
            part = self._parts[numbers] = type(self)(index, self.files, numbers, self.forwarded)
            part._whole, part.outdated = self, self.outdated
        return self._parts[numbers]

    def add_forwarded(self, entries: Sequence[Entry]) -> list[tuple[int, int]]:
        """Add calls that this run recorded, and return their places.

        Their own sessions stay with the endpoint, which knows their ids.
        """
        if self.forwarded is None or not entries:
            return []
        file, whole = self.forwarded.file, self._whole
        for recordings in (whole, *(part for numbers, part in whole._parts.items() if file in numbers)):
            recordings._add(file, entries)
        return [*((file, entry.line) for entry in entries), *whole.replaced]

    def note_miss(self, session: RecordedSession) -> list[tuple[int, int]]:
        """Note that a session lacks a call of a player who followed it; return the place of its start, if that counts.

        One without an id cannot be named as replaced.
        """
        start = session.start
        if start is None or not session.sid or (start.file, start.line) in self.replaced:
            return []
        self.outdated.add((start.file, start.line))
        return [(start.file, start.line)]

    def is_outdated(self, session: RecordedSession) -> bool:
        """Return whether a session lacks calls, so that its next player is forwarded."""
        return session.start is not None and (session.start.file, session.start.line) in self.outdated

    def _add(self, file: int, entries: Sequence[Entry]) -> None:
        sessions = extend_index(self.index, file, entries)
        self.by_mark |= {session.mark: session for session in sessions}
        self._offer(sessions)
        self.answers = RecordedAnswers(HostRewriter(self.index.hosts))
        self.forwarded_lines.update((file, entry.line) for entry in entries)

    def _offer(self, sessions: Sequence[RecordedSession]) -> None:
        """Add sessions, and leave out those that they were recorded anew for."""
        for session in sessions:
            for host in (session.host, ANY_HOST):
                equals = self.equals.setdefault((session.identity[0], host), {})
                equals.setdefault(session.identity, []).append(session.number)
        if replaced := set(filter(None, map(replaced_by, sessions))):
            for session in self.index.sessions:
                if (session.identity[0], session.sid) in replaced:
                    self.left_out.add(session.number)
                    calls = [session.start, *session.calls] if session.start else session.calls
                    self.replaced |= {(call.file, call.line) for call in calls}
            self.outdated -= self.replaced


def replaced_by(session: RecordedSession) -> tuple[object, str] | None:
    """Return content and id of the session that one was recorded anew for; None unless it is whole."""
    if session.start is None or session.replaces is None:
        return None
    ends = (call.exchange for call in session.calls if call.key.event_type in LAST_TYPES)
    if status_of(session.start.exchange) != SESSION_CREATED or not any(0 < status_of(end) < 400 for end in ends):
        return None
    return session.identity[0], session.replaces


def status_of(exchange: Exchange) -> int:
    """Return the status of the response; 0 without one."""
    return exchange.response.status if exchange.response else 0


def stem_of(name: str) -> str:
    """Return the name of a file without folders and without the ends that tell its format."""
    stem = name.replace("\\", "/").rpartition("/")[2]
    for ends in (_COMPRESSED, _SUFFIXES):
        stem = next((stem.removesuffix(end) for end in ends if stem.endswith(end)), stem)
    return stem
