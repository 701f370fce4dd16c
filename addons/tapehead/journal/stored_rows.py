"""Calls and findings as the journal keeps them."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tapehead.auditor.results import LiveFinding, SessionFinding
from tapehead.journal.conditions import Counts
from tapehead.journal.rows import CallRow, FindingRow, request_row, response_row
from tapehead.journal.tracked_session import TrackedSession
from tapehead.protocol.exchange import decode

# The size of a call besides its line, in bytes.
_CALL_OVERHEAD = 1_000


class Limits(NamedTuple):
    """Limits of what is kept: calls, bytes of them, sessions, findings, keys."""

    calls: int = 25_000
    size: int = 64_000_000
    sessions: int = 2_000
    findings: int = 20_000
    keys: int = 1_000


class StoredCall(msgspec.Struct, kw_only=True, gc=False):
    """A call: its row, and what goes with it.

    Attributes:
        row: its row without messages, with the findings on it alone.
        change: the number of the change that added it.
        session: the number of its session in this run.
        line: the exchange as a line of a recording.
        found: the numbers of the audit's findings on it; None until it was audited.
        order: as `Exchange.order`.
    """

    row: CallRow
    change: int
    session: int | None
    line: bytes
    found: list[int] | None = None
    order: int | None = None

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        return _CALL_OVERHEAD + len(self.line)

    def with_messages(self, row: CallRow) -> CallRow:
        """Return its row with what was sent and answered."""
        exchange = decode(self.line)
        return msgspec.structs.replace(row, request=request_row(exchange), response=response_row(exchange))


class StoredFinding(msgspec.Struct, kw_only=True):
    """A finding.

    Attributes:
        row: its row.
        session: the number of its session in this run.
        change: its latest change.
        source: its number in the audit.
        counted: the counts that it is part of; none if it was withdrawn.
    """

    row: FindingRow
    session: int | None
    change: int
    source: int = 0
    counted: tuple[Counts, ...] = ()


class NewFinding(NamedTuple):
    """A finding that is new, or whose state has changed; `number` is the audit's, the finding's `line` its call's."""

    number: int
    state: str
    sid: str | None
    finding: SessionFinding


def new_finding(found: LiveFinding, lines_before: int) -> NewFinding:
    """Return a finding of the audit as the journal takes it, with the number of its call."""
    finding = msgspec.structs.replace(found.finding, line=found.finding.line - lines_before)
    return NewFinding(found.number, str(found.state), found.session, finding)


def latest_of[T: (TrackedSession, StoredFinding)](latest_first: Iterable[T], after: int, until: int) -> list[T]:
    """Return the items whose latest change lies between two, the earliest first, from those in the other order."""
    chosen = []
    for item in latest_first:
        if item.change <= after:
            break
        if item.change <= until:
            chosen.append(item)
    return chosen[::-1]
