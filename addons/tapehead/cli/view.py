"""The command `view`: its arguments. The work is in `view_run`."""

from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.parameters import Option


def view(
    recordings: option_types.Recordings,
    open_: Annotated[bool, Option("--open", help="Open the page in a browser.")] = False,
    port: Annotated[
        int, Option("--port", metavar="PORT", within=(0, 65535), help="The page's port on 127.0.0.1; 0 for any.")
    ] = 0,
    endpoint: option_types.Endpoints = None,
    config: option_types.ConfigFile = None,
) -> None:
    """Show recordings in a browser, on the live page.

    It prints the page's link; Ctrl-C ends it.

    Example: tapehead view session.jsonl --open
    """
    from tapehead.cli.view_run import view_recordings

    raise click.exceptions.Exit(view_recordings(recordings, endpoint or (), config, port, open_browser=open_))
