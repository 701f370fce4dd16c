"""The results of an audit, kept for its report."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from tapehead.auditor.results import SessionResult
from tapehead.cli.messages import warn_of_memory
from tapehead.protocol.exchange import Entry
from tapehead.reports.audit.page_details import PageDetails
from tapehead.reports.audit.result_rows import ResultRow, row_of
from tapehead.reports.audit.stored_sessions import StoredSessions
from tapehead.reports.stored_objects import StoredObjects

if TYPE_CHECKING:
    from tapehead.auditor.coverage import Coverage
    from tapehead.auditor.scenarios import Scenario


class AuditResults(msgspec.Struct):
    """The results of an audit.

    Attributes:
        has_pages: whether pages show timelines and bodies.
        coverage: the coverage of the tracking plan, if it is wanted.
        scenarios: the scenarios that sessions are checked for.
        sessions: the sessions of the report.
        details: what pages show of each besides.
    """

    has_pages: bool
    coverage: "Coverage | None" = None
    scenarios: "Sequence[Scenario]" = ()
    sessions: StoredSessions = msgspec.field(default_factory=lambda: StoredSessions(warn_of_memory))
    details: StoredObjects = msgspec.field(default_factory=lambda: StoredObjects(warn_of_memory))
    _pages: PageDetails = msgspec.field(default_factory=PageDetails)

    def keep_bodies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Return the entries, whose bodies are kept as they are read if pages are to show them."""
        return self._keep_bodies(entries) if self.has_pages else iter(entries)

    def _keep_bodies(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self._pages.keep_body(entry)
            yield entry

    def add(self, result: SessionResult) -> None:
        """Add the result of a session."""
        self.add_row(row_of(result, self.scenarios, with_items=self.coverage is not None))
        if self.has_pages:
            self.details.append(self._pages.detail_of(result))

    def add_row(self, row: ResultRow) -> None:
        """Add the result of a session, for which pages show no more than the row has."""
        self.sessions.add(row.session)
        if row.detail is not None:
            self.details.append(row.detail)
        if self.coverage:
            from tapehead.auditor.coverage import Exercised, First
            from tapehead.auditor.tracking_plan import Item, ItemKind

            for kind, of, part, name, times, *first in row.items:
                self.coverage.count(Item(ItemKind(kind), of, part, name), Exercised(times, First(*first)))
