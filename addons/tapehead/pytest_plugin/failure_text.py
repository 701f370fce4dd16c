"""Texts that say why a test failed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from tapehead.auditor.recordings_audit import audit
from tapehead.auditor.results import SessionFinding, SessionResult
from tapehead.auditor.scenarios import Scenario
from tapehead.comparison.compare import diff
from tapehead.comparison.differences import Diff, Scope
from tapehead.comparison.event_alignment import find_start
from tapehead.errors import UsageError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.events import IDENTITY_KEYS, identity_of
from tapehead.protocol.exchange import Entry
from tapehead.replay.summary import Miss, near_lines
from tapehead.reports.audit.scenario_section import checklist_parts, checklists_of
from tapehead.reports.diff.difference_lines import content_of
from tapehead.reports.diff.text_diff import render_text
from tapehead.reports.report_output import report_zone
from tapehead.reports.show.recorded_calls import calls_by_session
from tapehead.reports.show.text_show import render_calls, title_of
from tapehead.reports.terminal_text import TextStyle, render, safe_text
from tapehead.text import count_of, escape_controls, shorten_value

MOST_SHOWN = 20


def describe_findings(findings: Sequence[SessionFinding], width: int) -> str:
    """Return findings, one below the other, the first of many."""
    rules = ", ".join(dict.fromkeys(finding.rule for finding in findings))
    lines: list[RenderableType] = [Text(f"{count_of(len(findings), 'finding')}: {rules}")]
    for finding in findings[:MOST_SHOWN]:
        told = safe_text(f"{finding.severity} {finding.rule}: {finding.message}")
        lines.append(Padding(told, (0, 0, 0, 2)))
    if len(findings) > MOST_SHOWN:
        lines.append(Padding(Text(f"and {len(findings) - MOST_SHOWN} more"), (0, 0, 0, 2)))
    return render(lines, TextStyle(width=width)).rstrip()


def describe_differences(
    path: Path, results: Sequence[SessionResult], ignore: tuple[str, ...], tolerance: float, width: int
) -> str:
    """Return how sessions differ from those of a recording; empty if they do not.

    Raises:
        RecordingError: it cannot be read.
        UsageError: a pattern to ignore matches nothing, or there is no session in the recording.
    """
    matched: set[str] = set()
    scope = Scope(tolerance=tolerance, ignore=ignore, on_match=matched.add)
    base = list(audit(read_recordings([path])))
    if not base:
        raise UsageError(f"no session in '{path}'")
    compared = diff(base, results, scope)
    if unmatched := scope.unmatched(matched):
        raise UsageError(f"ignore '{unmatched[0]}' matches nothing: no parameter, event type, metric or rule")
    if compared.same:
        return ""
    shown = render_text(compared, TextStyle(width=width)).rstrip()
    return "\n".join([f"other calls than in '{path}' (-):", shown, *nearest_lines(compared, scope, width)])


def nearest_lines(compared: Diff, scope: Scope, width: int) -> Iterator[str]:
    """Yield for each session that is missing how the most alike one that was added differs from it."""
    added = [each.new for each in compared.sessions if each.new and each.base is None]
    for missing in (each.base for each in compared.sessions if each.base and each.new is None):
        fields = min((differing_fields(missing, new, scope) for new in added), key=len, default=None)
        if fields:
            told = escape_controls(f"{content_of(missing)}: {'; '.join(fields)}")
            yield fill(told, width, subsequent_indent="  ")


def differing_fields(base: SessionResult, new: SessionResult, scope: Scope) -> list[str]:
    """Return the values that keep two sessions from being taken for the same, as in `comparison.session_pairing`."""
    starts = find_start(base.steps), find_start(new.steps)
    values = zip(IDENTITY_KEYS, *(identity_of(start.params if start else {}) for start in starts), strict=True)
    fields = [
        f"{key} {shorten_value(there)} there, {shorten_value(here)} here"
        for key, there, here in values
        if there != here and not scope.ignores(key, f"params.{key}")
    ]
    return fields or [f"{base.outcome} there, {new.outcome} here"]


def describe_misses(missed: Sequence[Miss], recordings: Sequence[str]) -> str:
    """Return calls that the recordings do not have, and how the nearest exchanges that they do have differ.

    Args:
        missed: the calls.
        recordings: the names of recordings by their numbers.
    """
    lines = [f"{count_of(len(missed), 'call')} not in the recording"]
    for miss in missed[:MOST_SHOWN]:
        lines.append(f"  {miss.call}: {miss.explain()}")
        lines += (f"    nearest {line}" for line in near_lines(miss.nearest, recordings))
    return "\n".join(lines)


def describe_steps(results: Sequence[SessionResult], scenarios: Sequence[Scenario], width: int) -> str:
    """Return the checklists of scenarios of which sessions do not show each step; empty if they do."""
    parts: list[RenderableType] = []
    checked = 0
    for result in results:
        for checklist in checklists_of(result, scenarios).get("scenarios", []):
            checked += 1
            if not checklist["passed"]:
                parts += checklist_parts(result.report(), checklist, verbose=False)
    if not checked:
        return f"no session to check for the scenario '{scenarios[0].name}'"
    return render(parts, TextStyle(width=width)).rstrip()


def describe_timeline(entries: Sequence[Entry], results: Sequence[SessionResult], width: int) -> str:
    """Return the calls of each session with their findings."""
    calls = calls_by_session(entries, results)
    titled = ((title_of(session, shown) if len(calls) > 1 else "", shown) for session, shown in calls.items())
    return "".join(render_calls(titled, TextStyle(width=width, zone=report_zone()))).rstrip()
