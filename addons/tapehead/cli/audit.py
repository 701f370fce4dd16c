"""The command `audit`: its options, and which report goes where. The work is in `audit_run`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapehead.cli import option_types
from tapehead.errors import UsageError
from tapehead.reports.report_formats import STDOUT, FailOn, Format, Target

_SUFFIXES = {".txt": Format.TEXT, ".json": Format.JSON, ".xml": Format.JUNIT, ".sarif": Format.SARIF}
_SUFFIXES |= {".html": Format.HTML, ".htm": Format.HTML}


def _print_schema(value: bool) -> None:
    if value:
        from tapehead.reports.audit.json_report import report_schema

        typer.echo(report_schema(), nl=False)
        raise typer.Exit


Recordings = Annotated[list[str], typer.Argument(metavar="RECORDING", help="Recordings, folders, or - for stdin.")]
Formats = Annotated[
    list[Format] | None,
    typer.Option(
        "--format", metavar="FORMAT", help="Report as text (default), json, junit, sarif or html; repeatable."
    ),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", "-o", metavar="FILE", help="The report; one for each --format, in that order."),
]
FailLevel = Annotated[
    FailOn,
    typer.Option("--fail-on", metavar="error|warning|never", help="Exit with 1 on findings of this severity or worse."),
]
Assumptions = Annotated[
    list[str] | None,
    typer.Option("--assume", metavar="KEY=VALUE", help="Choose between readings of the documents; repeatable."),
]
Expectations = Annotated[
    list[str] | None,
    typer.Option("--expect", metavar="[EVENT_TYPE=]FILE", help="A JSON Schema that events must satisfy; repeatable."),
]
WithCoverage = Annotated[bool, typer.Option("--coverage", help="Report the coverage of the tracking plan.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List all places of a rule, and all metrics.")]
ShowSchema = Annotated[
    bool,
    typer.Option(
        "--schema",
        callback=_print_schema,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the JSON report's schema.",
    ),
]


def audit(
    recordings: Recordings,
    form: Formats = None,
    output: Outputs = None,
    fail_on: FailLevel = FailOn.ERROR,
    assume: Assumptions = None,
    config: option_types.ConfigFile = None,
    expect: Expectations = None,
    coverage: WithCoverage = False,
    verbose: Verbose = False,
    schema: ShowSchema = False,
) -> None:
    """Find errors in recordings, and compute what Adobe would report.

    Example: tapehead audit recordings --format text --format html --output report.html
    """
    targets = pair(form or [], output or [])
    from tapehead.cli.audit_run import run

    code = run(
        recordings,
        targets,
        fail_on=fail_on,
        assume=assume or (),
        config=config,
        expect=expect or (),
        coverage=coverage,
        verbose=verbose,
    )
    raise typer.Exit(code)


def pair(forms: Sequence[Format], outputs: Sequence[str]) -> list[Target]:
    """Pair formats and files: the first format goes to the first file, and so on.

    With a file too few, one form goes to stdout: text, wherever it stands, or else the last. Without any form, files
    get the one that their suffix says, and stdout gets text.

    Raises:
        UsageError: there are too many or too few files.
    """
    files = [None if name == STDOUT else Path(name) for name in outputs]
    if not forms:
        if unknown := next((path for path in files if path and path.suffix not in _SUFFIXES), None):
            raise UsageError(f"missing --format for '{unknown}': its suffix names none")
        forms = [_SUFFIXES[path.suffix] if path else Format.TEXT for path in files] or [Format.TEXT]
    if len(files) == len(forms) - 1:
        files.insert(forms.index(Format.TEXT) if Format.TEXT in forms else len(files), None)
    if len(files) > len(forms):
        raise UsageError(f"{len(files)} --output for {len(forms)} --format; pass one --format for each")
    if len(files) < len(forms) or files.count(None) > 1:
        raise UsageError("only one --format can go to stdout; pass --output FILE for each of the others")
    return [Target(form, path) for form, path in zip(forms, files, strict=True)]
