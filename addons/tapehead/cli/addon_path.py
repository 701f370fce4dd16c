"""The command `addon-path`."""

import importlib.util

import click


def addon_path() -> None:
    """Print the path of the script for mitmproxy and mitmdump.

    Example: tapehead addon-path
    """
    spec = importlib.util.find_spec("tapehead.mitmproxy_script.collection")
    click.echo(spec and spec.origin)
