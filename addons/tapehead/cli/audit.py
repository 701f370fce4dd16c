"""The command `audit`: its options, and which report goes where. The work is in `audit_run`."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.parameters import Option
from tapehead.errors import UsageError
from tapehead.reports.report_formats import STDOUT, FailOn, Format, Order, Target

_SUFFIXES = {".txt": Format.TEXT, ".json": Format.JSON, ".xml": Format.JUNIT, ".sarif": Format.SARIF}
_SUFFIXES |= {".csv": Format.CSV, ".html": Format.HTML, ".htm": Format.HTML}


class Engine(StrEnum):
    """The engines that evaluate sessions."""

    LOCAL = "local"
    SPARK = "spark"


# Instead of a scenario's name: print all of them.
LIST = "list"


def _print_schema(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from tapehead.reports.audit.json_report import report_schema

        click.echo(report_schema(), nl=False)
        raise click.exceptions.Exit


def _list_scenarios(_context: click.Context, _parameter: click.Parameter, names: list[str] | None) -> list[str] | None:
    if names and LIST in names:
        from tapehead.reports.audit.scenario_section import scenario_list

        click.echo(scenario_list(), nl=False)
        raise click.exceptions.Exit
    return names


Formats = Annotated[
    list[Format] | None,
    Option(
        "--format",
        metavar="FORMAT",
        help="Report as text (default), json, junit, sarif, html, csv (a row a session) or csv-findings; repeatable.",
    ),
]
Outputs = Annotated[
    list[str] | None,
    Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The report; one for each --format, in that order. With --engine spark, FOLDER/ gets tables besides.",
    ),
]
Overwrite = Annotated[
    bool, Option("--overwrite", help="With --engine spark, replace existing tables in --output FOLDER/.")
]
FailLevel = Annotated[
    FailOn,
    Option("--fail-on", metavar="error|warning|never", help="Exit with 1 on findings of this severity or worse."),
]
Assumptions = Annotated[
    list[str] | None,
    Option("--assume", metavar="KEY=VALUE", help="Choose between readings of the documents; repeatable."),
]
BaselineFile = Annotated[
    Path | None,
    Option("--baseline", metavar="FILE", help="Known findings: only others are new, and only new ones fail."),
]
WriteBaseline = Annotated[
    bool, Option("--write-baseline", help="Write all findings to the --baseline FILE, which makes them known.")
]
SessionOrder = Annotated[
    Order, Option("--order", metavar="worst|time", help="Sort sessions by their findings, or by time.")
]
FailUnder = Annotated[
    float | None,
    Option(
        "--fail-under",
        metavar="PERCENT",
        within=(0, 100),
        help="With --coverage, exit with 1 if less of the plan was exercised.",
    ),
]
Scenarios = Annotated[
    list[str] | None,
    Option(
        "--scenario",
        metavar="NAME",
        callback=_list_scenarios,
        is_eager=True,
        help="Check each session for the steps of one of Adobe's test cases, and exit with 1 if any lacks a step;"
        " repeatable. 'list' prints the names.",
    ),
]
WithCoverage = Annotated[bool, Option("--coverage", help="Report the coverage of the tracking plan.")]
Jobs = Annotated[
    int,
    Option("--jobs", metavar="N", within=(0, None), help="Processes that evaluate sessions; 0 for one a core."),
]
AuditEngine = Annotated[
    Engine,
    Option("--engine", metavar="local|spark", help="Audit in this process, or on a cluster of Apache Spark."),
]
Master = Annotated[
    str | None,
    Option(
        "--master", metavar="URL", help="The cluster of --engine spark, such as spark://HOST:7077; default: Spark's."
    ),
]
Verbose = Annotated[bool, Option("--verbose", "-v", help="List all places of a rule, and all metrics.")]
ShowSchema = Annotated[
    bool,
    Option(
        "--schema",
        callback=_print_schema,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the JSON report's schema.",
    ),
]


def audit(
    recordings: option_types.RecordingsOfAnyEngine,
    endpoint: option_types.Endpoints = None,
    form: Formats = None,
    output: Outputs = None,
    overwrite: Overwrite = False,
    order: SessionOrder = Order.WORST,
    fail_on: FailLevel = FailOn.ERROR,
    baseline: BaselineFile = None,
    write_baseline: WriteBaseline = False,
    coverage: WithCoverage = False,
    fail_under: FailUnder = None,
    scenario: Scenarios = None,
    assume: Assumptions = None,
    config: option_types.ConfigFile = None,
    expect: option_types.Expectations = None,
    jobs: Jobs = 1,
    engine: AuditEngine = Engine.LOCAL,
    master: Master = None,
    verbose: Verbose = False,
    schema: ShowSchema = False,
) -> None:
    """Find errors in recordings, and what Adobe would report.

    Example: tapehead audit recordings --format text --format html --output report.html
    """
    tables = None
    if engine is Engine.SPARK:
        tables, output = split_tables(form or [], output or [])
    if overwrite and tables is None:
        raise UsageError("missing --engine spark with --output FOLDER/: --overwrite replaces the tables there")
    targets = pair(form or [], output or [])
    if write_baseline and baseline is None:
        raise UsageError("missing --baseline FILE: --write-baseline writes that file")
    if fail_under is not None and not coverage:
        raise UsageError("missing --coverage: --fail-under is about the coverage of the tracking plan")
    from tapehead.cli.audit_run import AuditOptions, run

    options = AuditOptions(
        endpoints=endpoint or (),
        fail_on=fail_on,
        assume=assume or (),
        config=config,
        expect=expect or (),
        coverage=coverage,
        fail_under=fail_under,
        scenarios=scenario or (),
        verbose=verbose,
        order=order,
        baseline=baseline,
        write_baseline=write_baseline,
        jobs=jobs,
    )
    if engine is Engine.SPARK:
        from tapehead.cli.spark_run import SparkOptions, run_on_spark

        spark = SparkOptions(master, tables, overwrite)
        raise click.exceptions.Exit(run_on_spark(recordings, targets, options, spark).code)
    raise click.exceptions.Exit(run(recordings, targets, options).code)


def split_tables(forms: Sequence[Format], outputs: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return the output that is a folder, for tables, and the other ones.

    A folder is one that exists or ends with a slash or, where there are more outputs than forms, has no suffix.

    Raises:
        UsageError: there are several folders.
    """
    folders = [
        name
        for name in outputs
        if name != STDOUT
        and (name.endswith("/") or Path(name).is_dir() or not (Path(name).suffix or len(outputs) <= len(forms)))
    ]
    if len(folders) > 1:
        raise UsageError(f"'{folders[0]}' and '{folders[1]}' are folders; pass one --output for tables")
    return Path(folders[0]) if folders else None, [name for name in outputs if name not in folders]


def pair(forms: Sequence[Format], outputs: Sequence[str]) -> list[Target]:
    """Pair formats and files: the first format goes to the first file, and so on.

    With a file too few, one form goes to stdout: text, wherever it stands, or else the last. Without any form, files
    get the one that their suffix says, and stdout gets text.

    Raises:
        UsageError: there are too many or too few files, or one is a folder.
    """
    if folder := next((name for name in outputs if name.endswith("/")), None):
        raise UsageError(f"'{folder}' is a folder: pass --engine spark for tables in it, or name a file")
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
