"""Totals of a report: findings and metrics of all sessions, and of those of each player, content and recording."""

from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import chain, groupby
from operator import add
from typing import Any, NamedTuple, Protocol

from tapehead.auditor.results import Outcome
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.exchange import Severity
from tapehead.protocol.keys import MEDIA_ID
from tapehead.reports.report_formats import Order
from tapehead.reports.report_wording import title_of

Session = Mapping[str, Any]


class StoredRows(Protocol):
    """Rows that need no memory."""

    def append(self, row: dict[str, Any], /) -> None:
        """Add a row."""

    def arrange(self, order: Sequence[int], /) -> None:
        """Put the rows in an order, each by its number as it was added."""


Rows = list[dict[str, Any]] | StoredRows

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


class SessionFacts(NamedTuple):
    """The facts of a session that totals need.

    Attributes:
        player, title, media_id, recording: by which sessions are grouped; the recording is that in which it began.
        is_whole: whether it is a session of its own.
        events: the number of its events.
        counts: the number of its findings of each severity.
        sums: its metrics that add up; empty if it has no metrics.
    """

    player: str
    title: str
    media_id: str
    recording: str
    is_whole: bool
    events: int
    counts: tuple[int, ...]
    sums: tuple[float, ...]


def facts_of(session: Session) -> SessionFacts:
    """Return what totals need of a session."""
    metrics = session["metrics"]
    return SessionFacts(
        player=session["player"],
        title=title_of(session),
        media_id=session["media_id"],
        recording=session["recording"],
        is_whole=session["outcome"] not in PARTIAL,
        events=session["events"],
        counts=tuple(count_severities(session).values()),
        sums=tuple(metrics[key] or 0 for key in _SUMMED) if metrics else (),
    )


def build_totals(facts: Sequence[SessionFacts], order: Order, new_rows: Callable[[], Rows] = list) -> dict[str, Any]:
    """Return the totals of sessions: `overall`, and by `players`, `contents` and `recordings`.

    A session counts for the recording in which it began, so that the totals of each group add up to those overall.
    Groups are sorted as the sessions are: the worst first, or by the first session of each.

    Args:
        facts: those of the sessions, in the order of the report.
        order: how groups are sorted.
        new_rows: returns what holds the rows of a group; content may be different in each session.
    """

    def group_by(name: Callable[[SessionFacts], tuple[str, ...]], *keys: str) -> Rows:
        numbers: dict[str, int] = {}
        group_of = array("L", (numbers.setdefault(joined(*name(each)), len(numbers)) for each in facts))
        numbers.clear()
        rows, ranks = new_rows(), []
        places = sorted(range(len(group_of)), key=group_of.__getitem__)
        for _, grouped in groupby(places, key=group_of.__getitem__):
            first = next(grouped)
            row = total(facts[place] for place in chain([first], grouped))
            rows.append(dict(zip(keys, name(facts[first]), strict=True)) | row)
            ranks.append(severity_rank([row[f"{severity}s"] for severity in Severity]))
        if order is Order.WORST:
            arrange(rows, sorted(range(len(ranks)), key=ranks.__getitem__))
        return rows

    return {
        "overall": total(facts),
        "players": group_by(lambda each: (each.player,), "name"),
        "contents": group_by(lambda each: (each.title, each.media_id), "name", "media_id"),
        "recordings": group_by(lambda each: (each.recording,), "name"),
    }


def arrange(rows: Rows, order: Sequence[int]) -> None:
    """Put rows in an order, each by its place so far."""
    if isinstance(rows, list):
        rows[:] = [rows[place] for place in order]
    else:
        rows.arrange(order)


def total(facts: Iterable[SessionFacts]) -> dict[str, Any]:
    """Return the totals of some sessions: how many, their events and findings, and the sums of their metrics."""
    sessions = events = 0
    found = [0] * len(_RANKS)
    sums: list[float] = [0] * len(_SUMMED)
    for each in facts:
        sessions += each.is_whole
        events += each.events
        found = list(map(add, found, each.counts))
        sums = list(map(add, sums, each.sums)) if each.sums else sums
    # Players may send numbers whose sums are integers beyond those of JSON readers.
    exact = (value if abs(value) < MOST_EXACT else float(value) for value in sums)
    metrics = {key: round(value, decimals) for (key, decimals), value in zip(_SUMMED.items(), exact, strict=True)}
    counts = {f"{severity}s": count for severity, count in zip(Severity, found, strict=True)}
    return {"sessions": sessions, "events": events, **counts, "metrics": metrics}


def joined(*names: str) -> str:
    """Return names as one key, which other names do not have."""
    return "".join(f"{len(name)} {name}" for name in names)


def shared_names(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names that several rows of a group have."""
    return {name for name, count in Counter(row["name"] for row in rows).items() if count > 1}


def group_name(row: Mapping[str, Any], shared: Container[str]) -> str:
    """Return the name of a row, with the media.id of content whose name others share."""
    return f"{row['name']} ({row['media_id'] or f'no {MEDIA_ID}'})" if row["name"] in shared else row["name"] or "-"


def count_severities(session: Session) -> dict[str, int]:
    """Return the number of findings of each severity in a session."""
    counts = Counter(finding["severity"] for finding in session["findings"])
    return {severity: counts[severity] for severity in Severity}


def rank_of(severity: str) -> int:
    """Return the rank of a severity; the worst has 0."""
    return _RANKS[Severity(severity)]


def severity_rank(counts: Iterable[int]) -> tuple[int, ...]:
    """Return the sort key of what has so many findings of each severity; the worst comes first."""
    return tuple(-count for count in counts)
