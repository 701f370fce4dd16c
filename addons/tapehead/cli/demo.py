"""The command `demo`. The work is in the package `demo`."""

import shutil
from pathlib import Path
from typing import Annotated

import click

from tapehead.cli.parameters import Option
from tapehead.errors import UsageError


def demo(
    out: Annotated[Path | None, Option("--out", metavar="FILE", help="Keep the recording.")] = None,
    samples: Annotated[
        Path | None,
        Option("--samples", metavar="FOLDER", help="Copy the sample recordings into this new folder instead."),
    ] = None,
) -> None:
    """Record, replay and audit a sample session, without network.

    Example: tapehead demo
    """
    from tapehead.demo.run import run_demo, sample_recordings

    if samples is None:
        raise click.exceptions.Exit(run_demo(out))
    if out:
        raise UsageError("--out and --samples exclude each other; pass one of them")
    try:
        samples.mkdir()
        for recording in sample_recordings():
            click.echo(shutil.copy(recording, samples))
    except OSError as error:
        raise UsageError(f"cannot write the samples into '{samples}': {error.strerror}") from error
