"""The command `diff`: compare two recordings, or two folders of them."""

import math
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.messages import RECORD_A_PLAYER, warn, warn_of_memory
from tapehead.cli.parameters import Argument, Option, RecordingPath
from tapehead.errors import UsageError

if TYPE_CHECKING:
    from tapehead.auditor.results import SessionResult
    from tapehead.comparison.compare import Store
    from tapehead.comparison.differences import Diff, Scope
    from tapehead.recording.reader import RecordingReader


class DiffFormat(StrEnum):
    """The formats of a diff."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    HTML = "html"


_SUFFIXES = {".json": DiffFormat.JSON, ".xml": DiffFormat.JUNIT, ".sarif": DiffFormat.SARIF}
_SUFFIXES |= {".html": DiffFormat.HTML, ".htm": DiffFormat.HTML}


def print_schema(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print the schema of the JSON format and exit, if asked to."""
    if value:
        from tapehead.reports.diff.json_diff import diff_schema

        click.echo(diff_schema(), nl=False)
        raise click.exceptions.Exit


Base = Annotated[
    Path, Argument(metavar="BASE", type=RecordingPath(), help="Recording, folder or URL to compare with; - for stdin.")
]
New = Annotated[
    Path, Argument(metavar="NEW", type=RecordingPath(), help="Recording, folder or URL to compare; - for stdin.")
]
ShowSchema = Annotated[
    bool,
    Option(
        "--schema",
        callback=print_schema,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the JSON format's schema.",
    ),
]


def diff(
    base: Base,
    new: New,
    endpoint: option_types.Endpoints = None,
    form: Annotated[
        DiffFormat | None,
        Option(
            "--format",
            metavar="FORMAT",
            help="text, json, junit, sarif or html; by default that of FILE's suffix, or text.",
        ),
    ] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write the diff to FILE, not to stdout.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        Option(
            "--ignore",
            metavar="KEY",
            help="Do not compare a parameter, event type, metric or rule, or all that match a pattern; repeatable.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        Option(
            "--tolerance", metavar="SECONDS", within=(0, None), help="How far playheads and durations may be apart."
        ),
    ] = 1.0,
    schema: ShowSchema = False,
) -> None:
    """Compare two recordings; exit with 1 if tracking changed.

    Example: tapehead diff release-1.jsonl release-2.jsonl --format html --output diff.html
    """
    from tapehead.comparison.compare import diff as compare
    from tapehead.comparison.differences import Scope
    from tapehead.interop.reader import open_recordings
    from tapehead.recording.paths import check_outputs
    from tapehead.reports.diff.difference_lines import totals_of
    from tapehead.reports.report_output import write_report

    if not math.isfinite(tolerance):
        raise UsageError(f"invalid --tolerance '{tolerance}': expected a number of seconds, such as 1.5")
    matched: set[str] = set()
    scope = Scope(tolerance=tolerance, ignore=tuple(ignore or ()), on_match=matched.add)
    before, after = (open_recordings([path], warn, endpoints=endpoint or ()) for path in (base, new))
    check_outputs([output] if output else [], [*before.files, *after.files])
    chosen = form or _SUFFIXES.get(output.suffix.lower() if output else "", DiffFormat.TEXT)
    sides = _Results(before), _Results(after)
    result = compare(*sides, scope, _store_maker(), timelines=chosen is DiffFormat.HTML)
    for pattern in scope.unmatched(matched):
        warn(f"--ignore '{pattern}' matches nothing: no parameter, event type, metric or rule")
    names = [str(path) for path in before.files], [str(path) for path in after.files]
    write_report(_render(result, chosen, names, scope, output), output, styled=chosen is DiffFormat.TEXT)
    if output:
        warn(f"{totals_of(result)}; wrote '{output}'")
    raise click.exceptions.Exit(0 if result.same and all(side.count for side in sides) else 1)


def _store_maker() -> "Callable[[], Store]":
    """Return a function that makes stores on disk, which warn once in all if they cannot be written."""
    import pickle

    from tapehead.reports.stored_objects import StoredObjects

    errors: list[OSError] = []

    def warn_once(error: OSError) -> None:
        if not errors:
            warn_of_memory(error)
        errors.append(error)

    return lambda: StoredObjects(warn_once, pickle)


class _Results:
    """The audit's results of a recording, one at a time; `count` is how many there were."""

    def __init__(self, reader: "RecordingReader") -> None:
        self._reader = reader
        self.count = 0

    def __iter__(self) -> "Iterator[SessionResult]":
        from tapehead.auditor.recordings_audit import audit
        from tapehead.comparison.late_metrics import LateMetrics
        from tapehead.recording.paths import quoted_names

        for result in audit(self._reader.entries(), measure=LateMetrics):
            self.count += 1
            yield result
        if not self.count:
            warn(f"no session in {quoted_names(self._reader.files)}; {RECORD_A_PLAYER}")


def _render(
    result: "Diff", form: DiffFormat, names: tuple[list[str], list[str]], scope: "Scope", output: Path | None
) -> str | Iterator[str]:
    match form:
        case DiffFormat.JSON:
            from tapehead.reports.diff.json_diff import build_report
            from tapehead.reports.json_output import stream_json

            return stream_json(build_report(result, *names, scope))
        case DiffFormat.JUNIT:
            from tapehead.reports.diff.junit_diff import render_junit

            return render_junit(result)
        case DiffFormat.SARIF:
            from tapehead.reports.diff.sarif_diff import render_sarif

            return render_sarif(result)
        case DiffFormat.HTML:
            from tapehead.reports.diff.html_diff import render_html

            return render_html(result, *names)
        case DiffFormat.TEXT:
            from tapehead.reports.diff.text_diff import render_text
            from tapehead.reports.report_output import style_for

            return render_text(result, style_for(output))
