"""Results of sessions as rows of plain objects, which go from one process to another."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.auditor.divided_audit import PartialAudit, Step
from tapehead.auditor.evaluation import Measure
from tapehead.auditor.received_events import RecordedSchemas
from tapehead.auditor.recordings_audit import RecordingsAudit
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.calculator import calculate
from tapehead.protocol.exchange import Entry, decode
from tapehead.reports.audit.json_report import session_of
from tapehead.reports.audit.page_details import PageDetails

if TYPE_CHECKING:
    from tapehead.auditor.scenarios import Scenario


class ResultRow(NamedTuple):
    """The result of a session as plain objects.

    Attributes:
        session: the session as the report has it.
        items: the items of the tracking plan that it exercised, each as (kind, of, part, name, times, arrived_ms,
            recording, line); empty without coverage.
        detail: what pages show of it besides, where that is made with the row.
        tables: its rows in tables; None without tables.
    """

    session: dict[str, Any]
    items: list[tuple[Any, ...]]
    detail: tuple[Any, ...] | None = None
    tables: dict[str, list[tuple[Any, ...]]] | None = None


def row_of(
    result: SessionResult, scenarios: "Sequence[Scenario]", *, with_items: bool, with_tables: bool = False
) -> ResultRow:
    """Return the result of a session as plain objects, with the checklists of scenarios."""
    session = session_of(result)
    if scenarios:
        from tapehead.reports.audit.scenario_section import checklists_of

        session |= checklists_of(result, scenarios)
    row = ResultRow(session, [])
    if with_items:
        from tapehead.auditor.coverage import exercised_items

        items = exercised_items(result).items()
        row = row._replace(items=[(*map(str, item), each.times, *each.first) for item, each in items])
    if with_tables:
        from tapehead.reports.tables.rows import rows_of

        row = row._replace(tables=rows_of(result))
    return row


# A number of a result, and the row of that session, or None for exchanges that give none.
NumberedRow = tuple[int, tuple[Any, ...] | None]


class AuditSetup(NamedTuple):
    """The options of an audit that workers need.

    Attributes:
        parts: the number of parts.
        settings, schemas: as for `RecordingsAudit`.
        assumptions: those of the metrics.
        scenarios: the names of the scenarios that sessions are checked for.
        with_items: whether the coverage of the tracking plan is wanted.
        with_tables: whether rows of tables are.
    """

    parts: int
    settings: AuditSettings
    schemas: RecordedSchemas
    assumptions: Assumptions
    scenarios: Sequence[str]
    with_items: bool
    with_tables: bool = False

    def measure(self) -> Measure:
        """Return what calculates metrics."""
        return partial(calculate, assume=self.assumptions)


class _RowMaker:
    """A maker of rows of plain objects from results."""

    def __init__(self, setup: AuditSetup) -> None:
        self._setup = setup
        self._scenarios = []
        if setup.scenarios:
            from tapehead.auditor.scenario_catalog import find_scenario

            self._scenarios = list(map(find_scenario, setup.scenarios))

    def plain_row(self, result: SessionResult) -> ResultRow:
        """Return the row of a session without any enum."""
        setup = self._setup
        row = row_of(result, self._scenarios, with_items=setup.with_items, with_tables=setup.with_tables)
        return row._replace(session={**row.session, "outcome": str(row.session["outcome"])})


class PartRows:
    """The audit of one part, with its results as rows of plain objects."""

    def __init__(self, setup: AuditSetup) -> None:
        self._audit = PartialAudit(setup.parts, setup.settings, setup.schemas, setup.measure())
        self._rows = _RowMaker(setup)

    def follow(self, times: Sequence[float], steps: Iterable[Step]) -> Iterator[NumberedRow]:
        """Take a batch of steps, and yield the rows of the sessions that are over.

        Raises:
            NotDivisibleError: as `PartialAudit.follow`.
        """
        for number, result in self._audit.follow(times, steps):
            yield number, tuple(self._rows.plain_row(result)) if result else None


class UndividedRows:
    """The audit of all sessions, with its results as rows of plain objects.

    Args:
        setup: the options of the audit.
        has_pages: whether rows have details for pages.
    """

    def __init__(self, setup: AuditSetup, has_pages: bool) -> None:
        self._audit = RecordingsAudit(setup.settings, setup.schemas, setup.measure())
        self._rows = _RowMaker(setup)
        self._pages = PageDetails() if has_pages else None

    def follow(self, steps: Iterable[Step]) -> Iterator[NumberedRow]:
        """Take all exchanges in order of arrival, and yield the rows of the sessions that are over.

        Args:
            steps: the exchanges, each as an `AddStep` that says by `after` whether pages show its body.

        Raises:
            ValueError: one is no exchange.
        """
        for number, result in enumerate(self._results(steps)):
            row = self._rows.plain_row(result)
            yield number, tuple(row._replace(detail=self._pages.detail_of(result)) if self._pages else row)

    def _results(self, steps: Iterable[Step]) -> Iterator[SessionResult]:
        for step in steps:
            if len(step) == 3:
                raise ValueError("the sessions of an audit that is not divided have no ends")
            _, _, _, is_shown, recording, line, content = step
            entry = Entry(line, decode(content), recording)
            if self._pages and is_shown:
                self._pages.keep_body(entry)
            yield from self._audit.add(entry)
        yield from self._audit.close()
