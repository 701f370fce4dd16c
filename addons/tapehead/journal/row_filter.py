"""The rows of the journal that a query asks for."""

import sys

import msgspec

from tapehead.auditor.results import FindingState
from tapehead.journal.rows import CallRow, FindingRow
from tapehead.protocol.routes import Call

PREFLIGHT = f"({Call.PREFLIGHT})"
# Rows that a query over HTTP returns if it does not say how many.
DEFAULT_LIMIT = 1_000


class RowFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a query asks for; None for any.

    Attributes:
        key, session, type, severity, rule, state: what a row must have; of a call the severity and the rule of one of
            its findings.
        preflights: whether preflights are among the calls although their type is not asked for.
        after: the number that rows come after.
        limit: the most rows; all if it is left out.
    """

    key: str | None = None
    session: str | None = None
    type: str | None = None
    severity: str | None = None
    rule: str | None = None
    state: str | None = None
    preflights: bool = True
    after: int = 0
    limit: int = sys.maxsize

    def takes(self, **fields: object) -> bool:
        """Return whether the filter asks for a row with these fields."""
        return all(getattr(self, name) in (None, value) for name, value in fields.items())

    def takes_call(self, row: CallRow) -> bool:
        """Return whether the filter asks for a call."""
        if not self.takes(key=row.key, session=row.session, type=row.type):
            return False
        if row.type == PREFLIGHT and not (self.preflights or self.type):
            return False
        if self.rule is None and self.severity is None:
            return True
        return any(self.takes(rule=found.rule, severity=found.severity) for found in row.findings)

    def takes_finding(self, row: FindingRow) -> bool:
        """Return whether the filter asks for a finding: for one that was withdrawn only by its state."""
        if self.state is None and row.state == FindingState.WITHDRAWN:
            return False
        event_type = row.event.type if row.event else None
        fields = {"key": row.key, "session": row.session, "type": event_type, "state": row.state}
        return self.takes(**fields, rule=row.rule, severity=row.severity)


ALL = RowFilter()
