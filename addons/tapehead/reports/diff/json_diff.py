"""The diff as plain objects, for `--format json`.

Its shape is published as `assets/diff/diff.schema.json`; within a major version keys are added, never taken away.
"""

from collections.abc import Sequence
from typing import Any

import orjson

from tapehead import __version__
from tapehead.auditor.results import SessionResult
from tapehead.comparison.differences import Change, Diff, Difference, Scope, SessionDiff, Verdict
from tapehead.protocol.events import Event
from tapehead.text import quote
from tapehead.web.asset_files import read_asset

Report = dict[str, Any]


def build_report(diff: Diff, base: Sequence[str], new: Sequence[str], scope: Scope) -> Report:
    """Build the report on a diff, whose sessions can be read once.

    Args:
        diff: the diff.
        base: the names of the recordings of the base.
        new: those of the new recordings.
        scope: what counted as a difference.
    """
    return {
        "tapehead": __version__,
        "base": list(base),
        "new": list(new),
        "tolerance": scope.tolerance,
        "ignore": list(scope.ignore),
        "same": diff.same,
        "summary": {
            "sessions": {str(verdict): diff.count(verdict) for verdict in Verdict},
            "differences": sum(diff.changes.values()),
            "by_change": {str(change): diff.changes[change] for change in Change if diff.changes.get(change)},
        },
        "sessions": map(session_diff_object, diff.sessions),
        "outside": [difference_object(difference) for difference in diff.outside],
    }


def diff_schema() -> str:
    """Return the published JSON Schema (2020-12) of the report."""
    return read_asset("reports/assets/diff/diff.schema.json")


def session_diff_object(session: SessionDiff) -> dict[str, Any]:
    """Return a pair of sessions as the report has it."""

    def side(session: SessionResult | None) -> dict[str, Any] | None:
        names = ("id", "recording", "line", "media_id", "media_name", "player", "started", "events")
        return {name: getattr(session, name) for name in names} | {"outcome": str(session.outcome)} if session else None

    return {
        "verdict": str(session.verdict),
        "base": side(session.base),
        "new": side(session.new),
        "differences": [difference_object(difference) for difference in session.differences],
        "notes": list(session.notes),
    }


def difference_object(difference: Difference) -> dict[str, Any]:
    """Return a difference as the report has it."""

    def event_object(event: Event | None) -> dict[str, Any] | None:
        names = ("index", "type", "playhead", "ts", "recording", "line")
        return {name: getattr(event, name) for name in names} if event else None

    return {
        "change": str(difference.change),
        "name": difference.name,
        "message": difference.message,
        "base": serialisable(difference.base),
        "new": serialisable(difference.new),
        "base_event": event_object(difference.base_event),
        "new_event": event_object(difference.new_event),
    }


def serialisable(value: Any) -> Any:
    """Return a value, or its type in words if it is nested too deep for JSON in a report."""
    try:
        orjson.dumps({"": [[[[value]]]]})
    except orjson.JSONEncodeError:
        return quote(value)
    return value
