"""Results of sessions as rows of plain objects, which go from one process to another."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.auditor.divided_audit import PartialAudit, Step
from tapehead.auditor.received_events import RecordedSchemas
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.metrics.assumptions import Assumptions
from tapehead.metrics.calculator import calculate
from tapehead.reports.audit.json_report import session_of

if TYPE_CHECKING:
    from tapehead.auditor.scenarios import Scenario


class ResultRow(NamedTuple):
    """The result of a session as plain objects.

    Attributes:
        session: the session as the report has it.
        items: the items of the tracking plan that it exercised, each as (kind, of, part, name, times, arrived_ms,
            recording, line); empty without coverage.
    """

    session: dict[str, Any]
    items: list[tuple[Any, ...]]


def row_of(result: SessionResult, scenarios: "Sequence[Scenario]", *, with_items: bool) -> ResultRow:
    """Return the result of a session as plain objects, with the checklists of scenarios."""
    session = session_of(result)
    if scenarios:
        from tapehead.reports.audit.scenario_section import checklists_of

        session |= checklists_of(result, scenarios)
    if not with_items:
        return ResultRow(session, [])
    from tapehead.auditor.coverage import exercised_items

    return ResultRow(
        session,
        [(*map(str, item), each.times, *each.first) for item, each in exercised_items(result).items()],
    )


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
    """

    parts: int
    settings: AuditSettings
    schemas: RecordedSchemas
    assumptions: Assumptions
    scenarios: Sequence[str]
    with_items: bool


class PartRows:
    """The audit of one part, with its results as rows of plain objects."""

    def __init__(self, setup: AuditSetup) -> None:
        measure = partial(calculate, assume=setup.assumptions)
        self._audit = PartialAudit(setup.parts, setup.settings, setup.schemas, measure)
        self._with_items = setup.with_items
        self._scenarios = []
        if setup.scenarios:
            from tapehead.auditor.scenario_catalog import find_scenario

            self._scenarios = list(map(find_scenario, setup.scenarios))

    def follow(self, times: Sequence[float], steps: Iterable[Step]) -> Iterator[NumberedRow]:
        """Take a batch of steps, and yield the rows of the sessions that are over.

        Raises:
            NotDivisibleError: as `PartialAudit.follow`.
        """
        for number, result in self._audit.follow(times, steps):
            row = row_of(result, self._scenarios, with_items=self._with_items) if result else None
            yield number, row and ({**row.session, "outcome": str(row.session["outcome"])}, row.items)
