"""Keyed hashes of the identifiers of sessions, by which they are found again in later calls.

The redactor remembers the identifiers of some sessions, and some of each. Of all others, and after a restart, hashes
are left: of each value its first bytes, its length and the whole. A text is read word by word; where the hash of the
next bytes is that of a beginning, as many bytes as the value has are hashed and compared. What is kept says nothing
without the key, except how long the identifiers are.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

from tapehead.redaction.value_search import LEAST, unescaped_as_spelt

# What is kept, in bytes, and as much again of the sessions before.
MOST_BYTES = 16_000_000
_SESSION_OVERHEAD = 160
# A session with more identifiers, and a larger text, are not searched: the session counts as unknown there.
MOST_IDENTIFIERS, MOST_SEARCHED = 1_000, 200_000
# Of a longer value, its beginning is compared.
_MOST_LENGTH = 255
_HASH = 8
# A session, and of one identifier the beginning, the length and the whole; these are zeros where a session begins.
_IDENTIFIER = 3 * _HASH
RECORD_BYTES = _HASH + _IDENTIFIER
_NONE = bytes(_IDENTIFIER)
_WORD = re.compile(rb"(?<![a-z\x80-\xff])[a-z\x80-\xff]|(?<![0-9])[0-9]")
# Values are compared without what is at their ends but letters and digits.
_EDGES = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_REST = re.compile(rb"[^\s\"'<>&,;]*")


class SessionIdentifiers:
    """Hashes of identifiers by session; the sessions that were not seen for longest are forgotten first.

    Args:
        key: the secret key of the hashes.
        store: called with records to be stored, and whether those stored before the last such call are out of date.
    """

    def __init__(self, key: bytes, store: Callable[[bytes, bool], None] | None = None) -> None:
        self._keyed = blake2b(digest_size=_HASH, key=blake2b(key, person=b"identifiers").digest())
        self._store = store
        self._newer: dict[bytes, bytes] = {}
        self._older: dict[bytes, bytes] = {}
        self._size = 0
        self._by_beginning = lru_cache(maxsize=64)(_by_beginning)

    def load(self, records: bytes) -> None:
        """Add records that were stored; a part of one at their end is left out.

        So are those of a session whose first record is missing: it would count as one whose identifiers are all known.
        """
        for at in range(0, len(records) - RECORD_BYTES + 1, RECORD_BYTES):
            session, record = records[at : at + _HASH], records[at + _HASH : at + RECORD_BYTES]
            if record == _NONE or session in self._newer or session in self._older:
                self._keep(session, [record])

    def knows(self, sid: str) -> bool:
        """Return whether a session was added, with all of its identifiers."""
        known = self._of(self._keyed_for(sid).digest())
        return known is not None and len(known) <= MOST_IDENTIFIERS * _IDENTIFIER

    def add(self, sid: str, values: Iterable[str]) -> None:
        """Add a session, and values that identify people in it."""
        keyed = self._keyed_for(sid)
        session = keyed.digest()
        known = self._of(session)
        new = [_NONE] if known is None else []
        room = MOST_IDENTIFIERS + 1 - len(known or b"") // _IDENTIFIER
        for value in values:
            core = value.encode("utf-8", "surrogatepass").lower().strip(_EDGES)[:_MOST_LENGTH]
            if len(core) >= LEAST and room > 0:
                record = _hash(keyed, core[:LEAST]) + len(core).to_bytes(_HASH) + _hash(keyed, core)
                if record not in (known or b""):
                    new.append(record)
                    room -= 1
        if new:
            is_next = self._keep(session, new)
            if self._store:
                self._store(b"".join(session + record for record in new), is_next)

    def find(self, sid: str, contents: Iterable[bytes]) -> Iterator[str]:
        """Yield the values of a session that are in some texts, as they are spelt there."""
        keyed = self._keyed_for(sid)
        hashes = self._by_beginning(self._of(keyed.digest()) or b"")
        if hashes:
            for content in contents:
                for plain in unescaped_as_spelt(content):
                    yield from _find_in(plain, keyed, hashes)
                    if b"+" in plain:
                        yield from _find_in(plain.replace(b"+", b" "), keyed, hashes)

    def _keyed_for(self, sid: str) -> blake2b:
        keyed = self._keyed.copy()
        keyed.update(sid.encode("utf-8", "surrogatepass") + b"\0")
        return keyed

    def _of(self, session: bytes) -> bytes | None:
        """Return the records of a session, which is then among the newer ones; None if it is not known."""
        known = self._newer.get(session)
        if known is None and (known := self._older.pop(session, None)) is not None:
            records = [_NONE, *(known[at : at + _IDENTIFIER] for at in range(0, len(known), _IDENTIFIER))]
            is_next = self._keep(session, records)
            if self._store:
                self._store(b"".join(session + record for record in records), is_next)
        return known

    def _keep(self, session: bytes, records: list[bytes]) -> bool:
        """Keep records, and return whether they are the first after the older ones were forgotten."""
        known = self._newer.get(session)
        if known is None:
            known = self._older.pop(session, None)
            self._size += _SESSION_OVERHEAD + len(known or b"")
        self._size += len(records) * _IDENTIFIER
        is_next = self._size > MOST_BYTES
        if is_next:
            self._older, self._newer, self._size = self._newer, {}, 0
            self._older.pop(session, None)
        self._newer[session] = (known or b"") + b"".join(record for record in records if record != _NONE)
        return is_next


def _hash(keyed: blake2b, value: bytes) -> bytes:
    hashed = keyed.copy()
    hashed.update(value)
    return hashed.digest()


def _by_beginning(records: bytes) -> dict[bytes, list[tuple[int, bytes]]]:
    """Return lengths and hashes of values by the hash of their beginning."""
    hashes: dict[bytes, list[tuple[int, bytes]]] = {}
    for at in range(0, len(records), _IDENTIFIER):
        beginning, length, whole = (records[start : start + _HASH] for start in range(at, at + _IDENTIFIER, _HASH))
        hashes.setdefault(beginning, []).append((int.from_bytes(length), whole))
    return hashes


def _find_in(plain: bytes, keyed: blake2b, hashes: dict[bytes, list[tuple[int, bytes]]]) -> Iterator[str]:
    lowered = plain.lower()
    others: set[bytes] = set()
    for match in _WORD.finditer(lowered):
        start = match.start()
        beginning = lowered[start : start + LEAST]
        if beginning in others:
            continue
        candidates = hashes.get(_hash(keyed, beginning), ())
        if not candidates:
            others.add(beginning)
        for length, whole in candidates:
            end = start + length
            if _hash(keyed, lowered[start:end]) == whole:
                rest = _REST.match(lowered, end) if length == _MOST_LENGTH else None
                yield plain[start : rest.end() if rest else end].decode("utf-8", "replace")
