"""Rows of the tables, from the audit of a session: plain values, in the order of the columns in `schema`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, get_args

from tapehead.auditor.results import SessionResult
from tapehead.metrics.catalog import METRICS, Scope
from tapehead.protocol.events import Event, parse_time
from tapehead.protocol.exchange import Severity
from tapehead.protocol.keys import MEDIA_CONTENT_TYPE, MEDIA_LENGTH, MEDIA_SDK_VERSION, STREAM_TYPE
from tapehead.reports.tables.schema import ADS, CHAPTERS, EVENTS, FINDINGS, METRICS_TABLE, SESSIONS, STATES

Row = tuple[Any, ...]

# The keys of the metrics that each scope has, in the order of the columns.
_KEYS = {scope: [each.key for each in METRICS if each.scope == scope] for scope in get_args(Scope)}

# Most readers know no time outside of these years, in milliseconds since 1970.
_FIRST_MS = datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000
_LAST_MS = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() * 1000


def rows_of(result: SessionResult) -> dict[str, list[Row]]:
    """Return the rows that a session has in each table, by the table's name; no empty lists.

    They are plain objects, equal wherever they are made, which `marshal` and `pickle` take.
    """
    metrics = result.metrics
    rows = {
        SESSIONS.name: [_session_row(result)],
        FINDINGS.name: list(_finding_rows(result)),
        METRICS_TABLE.name: [(key_of(result), result.id, *_values("session", metrics))] if metrics else [],
        ADS.name: _numbered_rows(result, "ad", metrics.get("ads", ())),
        CHAPTERS.name: _numbered_rows(result, "chapter", metrics.get("chapters", ())),
        STATES.name: [
            (key_of(result), name, *_values("state", state)) for name, state in metrics.get("states", {}).items()
        ],
        EVENTS.name: list(_event_rows(result)),
    }
    return {name: listed for name, listed in rows.items() if listed}


def key_of(result: SessionResult) -> str:
    """Return the key that joins the rows of a session, which no other session has."""
    return f"{result.recording}:{result.line}"


def _session_row(result: SessionResult) -> Row:
    counts = Counter(finding.severity for finding in result.findings)
    start = next((step.event for step in result.steps if step.event.type == "sessionStart"), Event())
    arrived = [step.event.arrived_ms for step in result.steps if step.event.arrived_ms]
    return (
        key_of(result),
        result.id,
        microseconds(parse_time(result.started)),
        microseconds(max(arrived, default=None)),
        str(result.outcome),
        result.media_id or None,
        result.media_name or None,
        _number(start.number(MEDIA_LENGTH)),
        start.text(MEDIA_CONTENT_TYPE),
        start.text(STREAM_TYPE),
        result.player or None,
        start.text(MEDIA_SDK_VERSION),
        result.channel or None,
        result.recording,
        result.line,
        result.recordings,
        result.sources,
        result.events,
        *(counts[severity] for severity in Severity),
    )


def _finding_rows(result: SessionResult) -> Iterator[Row]:
    for finding in result.findings:
        event = finding.event
        yield (
            key_of(result),
            result.id,
            finding.rule,
            str(finding.severity),
            finding.message,
            finding.path,
            finding.recording,
            finding.line,
            *((event.index, event.type, _number(event.playhead), microseconds(event.ts)) if event else (None,) * 4),
        )


def _numbered_rows(result: SessionResult, scope: Scope, each: Iterable[Mapping[str, Any]]) -> list[Row]:
    return [(key_of(result), number, *_values(scope, values)) for number, values in enumerate(each, 1)]


def _event_rows(result: SessionResult) -> Iterator[Row]:
    for step in result.steps:
        event = step.event
        yield (
            key_of(result),
            result.id,
            event.index,
            event.type_name or None,
            _number(event.playhead),
            microseconds(event.ts),
            microseconds(event.arrived_ms or None),
            round((event.answered_ms - event.arrived_ms) / 1000, 6),
            event.status,
            str(event.call),
            str(step.after.playback),
            event.recording,
            event.line,
        )


def _values(scope: Scope, metrics: Mapping[str, Any]) -> Iterator[Any]:
    return (metrics.get(key) for key in _KEYS[scope])


def _number(value: float | None) -> float | None:
    """Return a number that a player sent; None if it is too large for a float."""
    try:
        number = None if value is None else float(value)
    except OverflowError:
        return None
    return number if number is not None and isfinite(number) else None


def microseconds(ms: float | None) -> int | None:
    """Return a time in milliseconds since 1970 in microseconds; None if it is beyond the years 1 to 9999."""
    return round(ms * 1000) if ms is not None and _FIRST_MS <= ms <= _LAST_MS else None
