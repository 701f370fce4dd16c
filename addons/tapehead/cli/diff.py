"""The command `diff`: read two recordings, or two folders of them, and say what differs."""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapehead.cli.messages import warn
from tapehead.errors import UsageError

if TYPE_CHECKING:
    from tapehead.audit.results import SessionResult
    from tapehead.diff.differences import Diff, Scope
    from tapehead.recording.reader import RecordingReader


class Form(StrEnum):
    """The forms of a diff."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def _print_schema(value: bool) -> None:
    if value:
        from tapehead.reports.diff.json_diff import diff_schema

        typer.echo(diff_schema(), nl=False)
        raise typer.Exit


def diff(
    base: Annotated[Path, typer.Argument(help="The recording to compare with, a folder of them, or - for stdin.")],
    new: Annotated[Path, typer.Argument(help="The recording to compare, a folder of them, or - for stdin.")],
    form: Annotated[
        Form | None, typer.Option("--format", help="The form; by default what FILE ends in says, or else text.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where it goes.")] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="KEY",
            help="What not to compare: a parameter, event type, metric or rule, or a pattern of such; repeatable.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", metavar="SECONDS", min=0, help="What playheads and durations may be off.")
    ] = 1.0,
    schema: Annotated[
        bool, typer.Option("--schema", callback=_print_schema, is_eager=True, help="Print the JSON form's schema.")
    ] = False,
) -> None:
    """Compare two recordings: did tracking change? Exits with 1 if it did.

    Example: tapehead diff release-1.jsonl release-2.jsonl --format html --output diff.html
    """
    from tapehead.diff.compare import diff as run_diff
    from tapehead.diff.differences import Scope
    from tapehead.recording.paths import check_outputs
    from tapehead.recording.reader import RecordingReader
    from tapehead.reports.diff.difference_lines import totals_of
    from tapehead.reports.report_output import write_report

    if not math.isfinite(tolerance):
        raise UsageError(f"--tolerance {tolerance}: say a number of seconds, such as 1.5")
    scope = Scope(tolerance=tolerance, ignore=tuple(ignore or ()))
    before, after = RecordingReader([base], warn), RecordingReader([new], warn)
    check_outputs([output] if output else [], [*before.files, *after.files])
    found = run_diff(_audit(before), _audit(after), scope)
    chosen = form or _form_of(output)
    write_report(_render(found, chosen, (before.files, after.files), scope, output), output)
    if output:
        warn(f"{totals_of(found)}; wrote {output}")
    raise typer.Exit(0 if found.same else 1)


def _form_of(output: Path | None) -> Form:
    suffix = output.suffix.lower() if output else ""
    return {".json": Form.JSON, ".html": Form.HTML, ".htm": Form.HTML}.get(suffix, Form.TEXT)


def _audit(reader: "RecordingReader") -> "list[SessionResult]":
    from tapehead.audit.session_audit import audit
    from tapehead.metrics.calculator import calculate

    return list(audit(((entry.recording, entry) for entry in reader.entries()), measure=calculate))


def _render(
    found: "Diff",
    form: Form,
    recordings: tuple[Sequence[Path], Sequence[Path]],
    scope: "Scope",
    output: Path | None,
) -> str:
    base, new = (list(map(str, paths)) for paths in recordings)
    if form is Form.JSON:
        from tapehead.reports.diff.json_diff import build_report
        from tapehead.reports.json_output import render_json

        return render_json(build_report(found, base, new, scope))
    if form is Form.HTML:
        from tapehead.reports.diff.html_diff import render_html

        return render_html(found, base, new)
    from tapehead.reports.diff.text_diff import render_text
    from tapehead.reports.report_output import style_for

    return render_text(found, style_for(output))
