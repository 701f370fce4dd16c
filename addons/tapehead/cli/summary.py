"""The command `summary`: its arguments. The work is in `summary_run`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.parameters import Argument, Option, RecordingPath, SummaryPath
from tapehead.reports.report_formats import FailOn

Audit = Annotated[
    list[Path] | None,
    Option(
        "--audit",
        metavar="RECORDING",
        type=RecordingPath(),
        help="Audit this recording of a replica with the others, as if one process had recorded all; repeatable.",
    ),
]


def summary(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE",
            type=SummaryPath(),
            help="Summaries of replicas, as --summary FILE writes them, or URLs of replicas that run with --live.",
        ),
    ],
    strict: Annotated[
        bool, Option("--strict", help="Exit with 1 after misses or exchanges that no replica used, or no call.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="Write the merged summary as JSON, too.")] = None,
    audit: Audit = None,
    fail_on: option_types.FailOnFindings = FailOn.NEVER,
    config: option_types.ConfigFile = None,
    expect: option_types.Expectations = None,
) -> None:
    """Merge the summaries of replicas into one.

    Example: tapehead summary recordings/summaries/*.json --strict
    """
    from tapehead.cli.summary_run import AuditChoice, merge

    choice = AuditChoice(audit or (), fail_on, config, expect or ())
    raise click.exceptions.Exit(merge(files, out, choice, is_strict=strict, as_json=as_json))
