"""The command `demo`. The work is in the package `demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path | None, typer.Option("--out", help="Keep the recording here.")] = None,
) -> None:
    """Record a documented session, replay it offline, and audit it; no network, no account.

    Example: tapehead demo
    """
    from tapehead.demo.run import run_demo

    raise typer.Exit(run_demo(out))
