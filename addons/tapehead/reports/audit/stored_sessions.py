"""Sessions of a report on disk: decoded one at a time, so that memory does not grow with what they hold.

Of each session a few numbers stay in memory, by which the sessions are sorted and counted.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tapehead.reports.audit.totals import SessionFacts, facts_of, joined, severity_rank
from tapehead.reports.report_formats import Order
from tapehead.reports.stored_objects import StoredObjects


class StoredSessions(StoredObjects):
    """The sessions of a report in temporary rows, as `session_of` returns them.

    Args:
        on_error: called with the reason, once, if a temporary file cannot be written.

    Attributes:
        facts: what the totals need of each, in the same order.
    """

    def __init__(self, on_error: Callable[[OSError], None]) -> None:
        super().__init__(on_error)
        self._on_error = on_error
        self.facts = _StoredFacts(on_error)
        # By session: when it began, where, and the number of its name and its severities; all in few bytes.
        self._started: list[str] = []
        self._lines, self._recordings, self._names = array("Q"), array("L"), array("L")
        self._severities: list[tuple[int, ...]] = []
        self._known_recordings: dict[str, int] = {}
        self._known_names: dict[str, int] = {}
        self._known_severities: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._numbers = array("L")
        # By session: of each finding whether it is in no baseline; nothing for a session whose findings all are.
        self._is_marked = False
        self._marks: dict[int, bytes] = {}

    def new_rows(self) -> StoredObjects:
        """Return further rows that are stored as these are."""
        return StoredObjects(self._on_error)

    def add(self, session: Mapping[str, Any]) -> None:
        """Add a session."""
        facts = facts_of(session)
        self.append(dict(session) | {"outcome": str(session["outcome"])})
        self.facts.append(tuple(facts))
        self._started.append(session["started"])
        self._lines.append(session["line"])
        recordings, names = self._known_recordings, self._known_names
        self._recordings.append(recordings.setdefault(session["recording"], len(recordings)))
        self._names.append(names.setdefault(joined(facts.title, facts.player), len(names)))
        rank = severity_rank(facts.counts)
        self._severities.append(self._known_severities.setdefault(rank, rank))

    def sort(self, order: Order) -> None:
        """Number the sessions among those of the same content and player by time, and put them in an order."""
        counts = array("L", bytes(array("L").itemsize * len(self._known_names)))
        self._numbers = array("L", bytes(array("L").itemsize * len(self)))
        by_time = self.by_time()
        for number in by_time:
            name = self._names[number]
            counts[name] += 1
            self._numbers[number] = counts[name]
        self._known_names.clear()
        if order is Order.WORST:
            by_time.sort(key=self._severities.__getitem__)
        self.arrange(by_time)
        self.facts.arrange(by_time)

    def by_time(self) -> list[int]:
        """Return the numbers of the sessions in the order in which they began; equal ones stay in order."""
        names = {number: name for name, number in self._known_recordings.items()}
        ordered = sorted(self.order or range(len(self)), key=self._lines.__getitem__)
        ordered.sort(key=lambda number: names[self._recordings[number]])
        ordered.sort(key=self._started.__getitem__)
        return ordered

    def read(self, number: int) -> dict[str, Any]:
        """Return the session that was added as the one of this number."""
        session: dict[str, Any] = super().read(number)
        if self._numbers:
            session["number"] = self._numbers[number]
        if self._is_marked:
            for place, finding in enumerate(session["findings"]):
                marks = self._marks.get(number)
                finding["new"] = bool(marks and marks[place])
        return session

    def mark(self, number: int, is_new: Sequence[bool]) -> None:
        """Mark the findings of the session of this number as new or known."""
        self._is_marked = True
        if any(is_new):
            self._marks[number] = bytes(is_new)


class _StoredFacts(StoredObjects):
    def read(self, number: int) -> SessionFacts:
        """Return the facts that were added as those of this number."""
        return SessionFacts(*super().read(number))
