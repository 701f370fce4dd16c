"""The command `demo`. The work is in the package `demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep the recording.")] = None,
) -> None:
    """Record, replay and audit a sample session, without network.

    Example: tapehead demo
    """
    from tapehead.demo.run import run_demo

    raise typer.Exit(run_demo(out))
