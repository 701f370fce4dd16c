"""The command `audit`: its options, and which report goes where. The work is in `audit_run`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tapehead.errors import UsageError
from tapehead.reports.report_formats import STDOUT, FailOn, Format, Target

_SUFFIXES = {".txt": Format.TEXT, ".json": Format.JSON, ".xml": Format.JUNIT, ".sarif": Format.SARIF}
_SUFFIXES |= {".html": Format.HTML, ".htm": Format.HTML}


def _print_schema(value: bool) -> None:
    if value:
        from tapehead.reports.audit.json_report import report_schema

        typer.echo(report_schema(), nl=False)
        raise typer.Exit


def audit(
    recordings: Annotated[
        list[str], typer.Argument(metavar="RECORDING...", help="Recordings, folders of them, or - for stdin.")
    ],
    form: Annotated[
        list[Format] | None, typer.Option("--format", help="The form of the report; repeatable. Default: text.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where the report goes, in the order of --format."),
    ] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit with 1 on findings as bad as this, or worse.")
    ] = FailOn.ERROR,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="KEY=VALUE", help="What metrics assume where the documents are silent."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The settings; the nearest tapehead.toml or pyproject.toml."),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="[EVENT_TYPE=]FILE", help="A JSON Schema of your own; repeatable."),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say, too, what the recordings exercise of the tracking plan.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="All places of a rule, and all metrics.")] = False,
    schema: Annotated[
        bool,
        typer.Option("--schema", callback=_print_schema, is_eager=True, help="Print the JSON report's schema."),
    ] = False,
) -> None:
    """Audit recordings: which sessions are wrong, where, and what Adobe would report.

    Example: tapehead audit recordings --format text --format html --output report.html
    """
    targets = pair(form or [], output or [])
    from tapehead.cli.audit_run import Request, run

    request = Request(
        recordings=tuple(recordings),
        targets=tuple(targets),
        fail_on=fail_on,
        assume=tuple(assume or ()),
        config=config,
        expect=tuple(expect or ()),
        coverage=coverage,
        verbose=verbose,
    )
    raise typer.Exit(run(request))


def pair(forms: Sequence[Format], outputs: Sequence[str]) -> list[Target]:
    """Which form goes where: the first form to the first file, and so on.

    With a file too few, one form goes to stdout: text, wherever it stands, or else the last. Without any form, files
    get the one that their suffix says, and stdout gets text.

    Raises:
        UsageError: there are too many or too few files.
    """
    files = [None if name == STDOUT else Path(name) for name in outputs]
    forms = list(forms) or [_form_of(path) for path in files] or [Format.TEXT]
    if len(files) == len(forms) - 1:
        files.insert(forms.index(Format.TEXT) if Format.TEXT in forms else len(files), None)
    if len(files) > len(forms):
        raise UsageError(f"--output is given {len(files)} times, --format {len(forms)}; say one --format for each")
    if len(files) < len(forms) or files.count(None) > 1:
        raise UsageError("only one --format can go to stdout; say --output FILE for each of the others")
    return [Target(form, path) for form, path in zip(forms, files, strict=True)]


def _form_of(path: Path | None) -> Format:
    if path is None:
        return Format.TEXT
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"{path}: say --format for a file that ends in {path.suffix or 'nothing'}")
    return _SUFFIXES[path.suffix]
