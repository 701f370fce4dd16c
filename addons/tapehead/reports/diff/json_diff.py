"""The diff as plain objects: what `--format json` prints.

Its shape is published as `assets/diff/diff.schema.json`; within a major version keys are added, never taken away.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from tapehead import __version__
from tapehead.audit.results import SessionResult
from tapehead.diff.differences import Change, Diff, Difference, Scope, SessionDiff, Verdict
from tapehead.protocol.events import Event
from tapehead.text import quote
from tapehead.web.asset_files import read_asset

Report = dict[str, Any]


def build_report(diff: Diff, base: Sequence[str], new: Sequence[str], scope: Scope) -> Report:
    """The report on a diff.

    Args:
        diff: the diff.
        base: the names of the recordings of the base.
        new: those of the new recordings.
        scope: what counted as a difference.
    """
    changes = Counter(difference.change for difference in diff.all_differences())
    return {
        "tapehead": __version__,
        "base": list(base),
        "new": list(new),
        "tolerance": scope.tolerance,
        "ignore": list(scope.ignore),
        "same": diff.same,
        "summary": {
            "sessions": {str(verdict): diff.count(verdict) for verdict in Verdict},
            "differences": changes.total(),
            "by_change": {str(change): changes[change] for change in Change if changes[change]},
        },
        "sessions": [_session_diff(session) for session in diff.sessions],
        "outside": [_difference(difference) for difference in diff.outside],
    }


def render_json(report: Report) -> str:
    """The report as JSON, indented."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def diff_schema() -> str:
    """The published JSON Schema of the report."""
    return read_asset("reports/assets/diff/diff.schema.json")


def _session_diff(session: SessionDiff) -> dict[str, Any]:
    return {
        "verdict": str(session.verdict),
        "base": _session(session.base),
        "new": _session(session.new),
        "differences": [_difference(difference) for difference in session.differences],
        "notes": list(session.notes),
    }


def _session(session: SessionResult | None) -> dict[str, Any] | None:
    if session is None:
        return None
    shown = ("id", "recording", "line", "media_id", "media_name", "player", "started", "events")
    return {name: getattr(session, name) for name in shown} | {"outcome": str(session.outcome)}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "change": str(difference.change),
        "name": difference.name,
        "message": difference.message,
        "base": _plain(difference.base),
        "new": _plain(difference.new),
        "base_event": _event(difference.base_event),
        "new_event": _event(difference.new_event),
    }


def _event(event: Event | None) -> dict[str, Any] | None:
    shown = ("index", "type", "playhead", "ts", "recording", "line")
    return {name: getattr(event, name) for name in shown} if event else None


def _plain(held: Any) -> Any:
    """A value, if it can be JSON in a report; what is nested deeper than that, by its type."""
    try:
        orjson.dumps({"": [[[[held]]]]})
    except orjson.JSONEncodeError:
        return quote(held)
    return held
