"""The command `summary`: its arguments. The work is in `summary_run`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli.parameters import Argument, Option


def summary(
    files: Annotated[
        list[Path], Argument(metavar="FILE", help="Summaries of replicas, as --summary FILE writes them.")
    ],
    strict: Annotated[
        bool, Option("--strict", help="Exit with 1 after misses or exchanges that no replica used, or no call.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="Write the merged summary as JSON, too.")] = None,
) -> None:
    """Merge the summaries of replicas into one.

    Example: tapehead summary recordings/summaries/*.json --strict
    """
    from tapehead.cli.summary_run import merge

    raise click.exceptions.Exit(merge(files, out, is_strict=strict, as_json=as_json))
