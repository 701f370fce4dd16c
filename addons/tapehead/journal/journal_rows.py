"""The rows of a journal, for any number of readers in any thread."""

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import batched, islice

from tapehead.journal.row_filter import ALL, RowFilter
from tapehead.journal.rows import CallRow, FindingRow, SessionRow
from tapehead.journal.store import JournalStore
from tapehead.journal.stored_rows import StoredCall
from tapehead.protocol.exchange import Exchange, decode

# Rows that are made while no call can be added.
ROWS_AT_ONCE = 200


class JournalRows:
    """The rows of a journal: its sessions, calls and findings.

    Args:
        store: the data.
        clock: returns the time in seconds; it is never set back.
    """

    def __init__(self, store: JournalStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        # Held while the data are used; notified of each change.
        self._lock = threading.RLock()

    def sessions(self, rows: RowFilter = ALL, *, latest: bool = False) -> list[SessionRow]:
        """Return sessions in the order in which they began, or the `latest` to change, in the order of that."""
        with self._lock:
            now, found = self._clock(), list(self._store.sessions.values())
        found = [each for each in found if each.number > rows.after and rows.takes(key=each.key, session=each.sid)]
        found.sort(key=lambda session: -session.change if latest else session.number)
        made = self._in_parts(found, lambda session: session.row(now))
        chosen = list(islice((row for row in made if rows.takes(state=row.state)), rows.limit))
        return chosen[::-1] if latest else chosen

    def session(self, sid: str) -> SessionRow | None:
        """Return the latest session with that id."""
        with self._lock:
            session = self._store.session(sid)
            return session.row(self._clock()) if session else None

    def calls(self, rows: RowFilter = ALL, *, with_bodies: bool = False, latest: bool = False) -> list[CallRow]:
        """Return calls in the order in which they came.

        Args:
            rows: the calls to return.
            with_bodies: whether they have what was sent and answered.
            latest: whether the limit leaves out the first ones instead of the last.
        """
        stored = self._stored(rows)[:: -1 if latest else 1]
        made = self._in_parts(stored, lambda call: (call, self._store.row_of(call)))
        chosen = list(islice((pair for pair in made if rows.takes_call(pair[1])), rows.limit))
        chosen = chosen[:: -1 if latest else 1]
        return [call.with_messages(row) if with_bodies else row for call, row in chosen]

    def call(self, number: int) -> CallRow | None:
        """Return a call with what was sent and answered; None if it is not in memory."""
        with self._lock:
            call = self._store.calls.get(number)
            row = self._store.row_of(call) if call else None
        return call.with_messages(row) if call and row else None

    def has_call(self, number: int) -> bool:
        """Return whether a call is in memory."""
        return number in self._store.calls

    def findings(self, rows: RowFilter = ALL) -> list[FindingRow]:
        """Return findings by their numbers, those that were withdrawn only if the filter asks for that state."""
        with self._lock:
            found = sorted(self._store.findings.items())
        chosen = (self._store.finding_row(each) for number, each in found if number > rows.after)
        return list(islice((row for row in chosen if rows.takes_finding(row)), rows.limit))

    def lines(self, rows: RowFilter = ALL) -> list[bytes]:
        """Return calls in the order in which they came, as lines of a recording, whatever was found on them."""
        return [call.line for call in self._stored(rows)[: rows.limit]]

    def latest(self, sessions: int, findings: int) -> tuple[list[SessionRow], list[FindingRow]]:
        """Return the sessions and the findings that changed last, at most so many, the latest first."""
        with self._lock:
            chosen, found = self._store.latest(sessions, findings)
            return [session.row(self._clock()) for session in chosen], found

    def exchanges(self, sid: str) -> list[tuple[int, Exchange]]:
        """Return the exchanges of the latest session with that id, as far as they are in memory, by calls' numbers."""
        with self._lock:
            session = self._store.session(sid)
            kept, numbers = self._store.calls, session.calls if session else ()
            lines = [(each, kept[each].line) for each in numbers if each in kept]
        return [(number, decode(line)) for number, line in lines]

    def order_of(self, number: int) -> int | None:
        """Return the number of a call's arrival; None if it is not in memory, or has none."""
        with self._lock:
            call = self._store.calls.get(number)
        return call.order if call else None

    def _stored(self, rows: RowFilter) -> list[StoredCall]:
        """Return all calls that a filter asks for, as far as that is not by their findings."""
        with self._lock:
            return self._store.matching(rows)

    def _in_parts[T, R](self, items: Sequence[T], row_of: Callable[[T], R]) -> Iterator[R]:
        """Yield the rows of items, made in parts, so that calls that come meanwhile are not kept waiting."""
        for some in batched(items, ROWS_AT_ONCE):
            with self._lock:
                made = [row_of(each) for each in some]
            yield from made
