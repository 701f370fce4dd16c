"""The sessions of a test with their metrics."""

from collections.abc import Iterable, Sequence
from typing import Any

from tapehead.auditor.results import SessionResult
from tapehead.journal.rows import SessionRow


class PlayedSession(SessionRow, kw_only=True, frozen=True):
    """A session, with the metrics that Adobe would report of it if no more calls came; empty if it was not opened."""

    metrics: dict[str, Any]


def with_metrics(rows: Iterable[SessionRow], results: Sequence[SessionResult]) -> list[PlayedSession]:
    """Return sessions with their metrics, which the audit has."""
    metrics = {result.id: result.metrics for result in results if result.metrics}
    return [
        PlayedSession(
            **{name: getattr(row, name) for name in row.__struct_fields__}, metrics=metrics.get(row.session, {})
        )
        for row in rows
    ]
