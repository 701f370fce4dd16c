"""Totals of a report: findings and metrics of all sessions, and of those of each player, content and recording."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tapehead.auditor.results import Outcome
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.protocol.keys import MEDIA_ID
from tapehead.reports.report_formats import Order
from tapehead.reports.report_wording import title_of

Session = Mapping[str, Any]

# Outcomes of results that are no sessions of their own.
PARTIAL = (Outcome.LATE_EVENTS, Outcome.NONE)

_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
# Integers below that are exact in every reader of JSON.
MOST_EXACT = 2**53
# Units of values that add up, with the decimals that their sums keep.
_DECIMALS = {"flag": 0, "count": 0, "frames": 0, "seconds": 3, "fraction": 4}
# Seconds that are a point in time or a distance, whose sum means nothing.
_NO_SUM = frozenset({"time_to_start", "seconds_since_last_call"})
_SUMMED = {
    metric.key: _DECIMALS[metric.unit]
    for metric in METRICS
    if metric.scope == "session" and metric.unit in _DECIMALS and metric.key not in _NO_SUM
}


def build_totals(sessions: Sequence[Session], order: Order) -> dict[str, Any]:
    """Return the totals of sessions: `overall`, and by `players`, `contents` and `recordings`.

    A session counts for the recording in which it began, so that the totals of each group add up to those overall.
    Groups are sorted as the sessions are: the worst first, or by the first session of each.
    """

    def group_by(name: Callable[[Session], tuple[str, ...]], *keys: str) -> list[dict[str, Any]]:
        groups: dict[tuple[str, ...], list[Session]] = {}
        for session in sessions:
            groups.setdefault(name(session), []).append(session)
        rows = [dict(zip(keys, named, strict=True)) | total(grouped) for named, grouped in groups.items()]
        if order is Order.WORST:
            rows.sort(key=lambda row: severity_key({severity: row[f"{severity}s"] for severity in Severity}))
        return rows

    return {
        "overall": total(sessions),
        "players": group_by(lambda session: (session["player"],), "name"),
        "contents": group_by(lambda session: (title_of(session), session["media_id"]), "name", "media_id"),
        "recordings": group_by(lambda session: (session["recording"],), "name"),
    }


def total(sessions: Iterable[Session]) -> dict[str, Any]:
    """Return the totals of some sessions: how many, their events and findings, and the sums of their metrics."""
    counts: Counter[str] = Counter(dict.fromkeys(("sessions", "events", *(f"{severity}s" for severity in Severity)), 0))
    metrics: dict[str, float] = dict.fromkeys(_SUMMED, 0)
    for session in sessions:
        counts["sessions"] += session["outcome"] not in PARTIAL
        counts["events"] += session["events"]
        for severity, count in count_severities(session).items():
            counts[f"{severity}s"] += count
        for key in _SUMMED if session["metrics"] else ():
            metrics[key] += session["metrics"][key] or 0
    # Players may send numbers whose sums are integers beyond those of JSON readers.
    sums = {key: value if abs(value) < MOST_EXACT else float(value) for key, value in metrics.items()}
    return {**counts, "metrics": {key: round(sums[key], decimals) for key, decimals in _SUMMED.items()}}


def group_name(row: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the name of a row among those of its group, with the media.id of content that others are named like."""
    is_alone = sum(other["name"] == row["name"] for other in rows) == 1
    return (row["name"] or "-") if is_alone else f"{row['name']} ({row['media_id'] or f'no {MEDIA_ID}'})"


def count_severities(session: Session) -> dict[str, int]:
    """Return the number of findings of each severity in a session."""
    counts = Counter(finding["severity"] for finding in session["findings"])
    return {severity: counts[severity] for severity in Severity}


def rank_of(severity: str) -> int:
    """Return the rank of a severity; the worst has 0."""
    return _RANKS[Severity(severity)]


def severity_key(counts: Mapping[str, int]) -> tuple[int, ...]:
    """Return the sort key of what has so many findings of each severity; the worst comes first."""
    return tuple(-counts[severity] for severity in Severity)
