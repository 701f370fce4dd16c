"""The command `diff`: compare two recordings, or two folders of them."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapehead.cli import option_types
from tapehead.cli.messages import RECORD_A_PLAYER, warn
from tapehead.errors import UsageError

if TYPE_CHECKING:
    from tapehead.auditor.results import SessionResult
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


def print_schema(value: bool) -> None:
    """Print the schema of the JSON format and exit, if asked to."""
    if value:
        from tapehead.reports.diff.json_diff import diff_schema

        typer.echo(diff_schema(), nl=False)
        raise typer.Exit


ShowSchema = Annotated[
    bool,
    typer.Option(
        "--schema",
        callback=print_schema,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the JSON format's schema.",
    ),
]


def diff(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Recording or folder to compare with; - for stdin.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Recording or folder to compare; - for stdin.")],
    endpoint: option_types.Endpoints = None,
    form: Annotated[
        DiffFormat | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="text, json, junit, sarif or html; by default that of FILE's suffix, or text.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the diff to FILE, not to stdout.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="KEY",
            help="Do not compare a parameter, event type, metric or rule, or all that match a pattern; repeatable.",
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="SECONDS", min=0, help="How far playheads and durations may be apart."),
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
    audited = _audit(before), _audit(after)
    result = compare(*audited, scope)
    for pattern in scope.unmatched(matched):
        warn(f"--ignore '{pattern}' matches nothing: no parameter, event type, metric or rule")
    names = [str(path) for path in before.files], [str(path) for path in after.files]
    chosen = form or _SUFFIXES.get(output.suffix.lower() if output else "", DiffFormat.TEXT)
    write_report(_render(result, chosen, names, scope, output), output, styled=chosen is DiffFormat.TEXT)
    if output:
        warn(f"{totals_of(result)}; wrote {output}")
    raise typer.Exit(0 if result.same and all(audited) else 1)


def _audit(reader: "RecordingReader") -> "list[SessionResult]":
    from tapehead.auditor.recordings_audit import audit
    from tapehead.recording.paths import name_of

    results = list(audit(reader.entries()))
    if not results:
        warn(f"no session in {', '.join(map(name_of, reader.files))}; {RECORD_A_PLAYER}")
    return results


def _render(
    result: "Diff", form: DiffFormat, names: tuple[list[str], list[str]], scope: "Scope", output: Path | None
) -> str:
    match form:
        case DiffFormat.JSON:
            from tapehead.reports.diff.json_diff import build_report
            from tapehead.reports.json_output import render_json

            return render_json(build_report(result, *names, scope))
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
